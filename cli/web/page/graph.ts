import type { LinkView, NodeState, NodeView, Sheet } from "../sheet.ts"
import { byId, put, say, still, svg } from "./dom.ts"
import { figure, plural, short } from "./format.ts"
import { type Label, LETTER, placeLabels } from "./labels.ts"
import { type Point, Ring, sideOf } from "./ring.ts"

/** Milliseconds in which nodes go to new places. */
const MOVE = 400

/** Links whose messages are shown flowing: each costs the browser an animation. */
const FLOWING = 24

/** Links that are drawn although nothing goes over them; of more the busy ones only. */
const MOST_IDLE = 300

const STATES: readonly NodeState[] = ["up", "slow", "suspect", "silent", "down"]

/** Radius of nodes, where there is room: without traffic, and the busiest. */
const LEAST = 11
const MOST = 22

interface Shape {
  view: NodeView
  readonly element: SVGGElement
  readonly circle: SVGCircleElement
  readonly halo: SVGCircleElement
  readonly name: SVGTextElement
  readonly rate: SVGTextElement
  /** Of all traffic, 0 to 1. */
  share: number
  radius: number
  at: Point
  from: Point
  to: Point
}

interface Edge {
  view: LinkView
  readonly element: SVGGElement
  readonly there: SVGPathElement
  readonly back: SVGPathElement
}

export function keyOf({ a, b }: LinkView): string {
  return `${a} ${b}`
}

/** Nodes on a ring and the links between them; a list box for the keyboard and for screen readers. */
export class Graph {
  private readonly root = svg("svg", {
    id: "graph",
    role: "listbox",
    "aria-label": "Nodes: arrow keys move, Enter chooses, Escape lets go",
  })
  private readonly empty = byId("graph-empty")
  private readonly note = byId("graph-note")
  private readonly edges = svg("g", { "aria-hidden": "true" })
  private readonly dots = svg("g", { role: "presentation" })
  private readonly shapes = new Map<string, Shape>()
  private readonly links = new Map<string, Edge>()
  private readonly ring = new Ring()
  private readonly choose: (node: string | null) => void
  private width = 0
  private height = 0
  private moved = 0
  private moving = false
  private current = ""
  private chosen: ReadonlySet<string> = new Set()

  constructor(choose: (node: string | null) => void) {
    this.choose = choose
    this.root.append(this.edges, this.dots)
    byId("canvas").prepend(this.root)
    this.root.addEventListener("keydown", event => this.key(event))
    this.root.addEventListener("click", event => {
      const id = (event.target as Element).closest<SVGGElement>("[data-node]")?.dataset.node
      choose(id ?? null)
    })
    // Not on a part of the picture: Chromium takes SVG elements that listen for the focus for some that want it.
    byId("canvas").addEventListener("focusin", event => this.focused(event))
    new ResizeObserver(([{ contentRect }]) => this.resized(contentRect)).observe(byId("canvas"))
  }

  update({ nodes, links, more }: Sheet): void {
    const changed = this.ring.update(nodes)
    const here = new Set(nodes.map(({ id }) => id))
    let lost = false
    for (const [id, { element }] of this.shapes) {
      if (here.has(id)) continue
      lost ||= element === document.activeElement
      element.remove()
      this.shapes.delete(id)
    }
    const busiest = Math.max(1, ...nodes.map(traffic))
    for (const view of nodes) this.showNode(view, busiest)
    // The order in the document is that of the arrow keys.
    if (changed) for (const id of this.ring.ids) this.dots.append((this.shapes.get(id) as Shape).element)
    this.showLinks(links)
    if (changed) this.move()
    this.place()
    if (!here.has(this.current)) this.current = this.ring.ids[0] ?? ""
    this.showCurrent()
    if (lost) this.shapes.get(this.current)?.element.focus()
    this.empty.hidden = nodes.length > 0
    say(this.empty, "Nobody else is in the fabric. The page shows nodes as they join.")
    const left = [
      more.nodes > 0 ? `${plural(more.nodes, "more node")}` : "",
      more.links > 0 ? `${plural(more.links, "more link")}` : "",
      links.length > MOST_IDLE ? "links without messages" : "",
    ].filter(text => text !== "")
    const sum = nodes.length === 0 ? "" : `${plural(nodes.length, "node")}, ${plural(links.length, "link")}`
    say(this.note, left.length === 0 ? sum : `${sum}; not drawn: ${left.join(", ")}`)
  }

  /** What is chosen stands out, with its links: a node, or the two of a link. */
  mark(ids: readonly string[]): void {
    this.chosen = new Set(ids)
    for (const [id, { element }] of this.shapes) put(element, { "aria-selected": this.chosen.has(id) })
    for (const { element, view } of this.links.values()) this.markEdge(element, view)
    this.root.classList.toggle("choosing", ids.length > 0)
    this.place()
  }

  private markEdge(element: Element, { a, b }: LinkView): void {
    const { chosen } = this
    element.classList.toggle(
      "chosen",
      chosen.size === 2 ? chosen.has(a) && chosen.has(b) : chosen.has(a) || chosen.has(b),
    )
  }

  private showNode(view: NodeView, busiest: number): void {
    const shape = this.shapes.get(view.id) ?? this.addNode(view)
    shape.view = view
    const { id, name, state, why, sent, received, dropped } = view
    const sum = traffic(view)
    shape.share = sum / busiest
    const said = [
      `${name}: ${state}${why === "" ? "" : `, ${why}`}`,
      `${figure(sent)} messages out, ${figure(received)} in per second`,
      dropped > 0 ? `${figure(dropped)} dropped per second` : "",
    ]
    const label = said.filter(text => text !== "").join("; ")
    shape.element.classList.remove(...STATES)
    shape.element.classList.add(state)
    put(shape.element, { "aria-label": label, "aria-selected": this.chosen.has(id) })
    say(shape.rate, state === "silent" || state === "down" ? state : sum > 0 ? `${short(sum)}/s` : "")
  }

  private addNode(view: NodeView): Shape {
    const [circle, halo] = [svg("circle"), svg("circle", { class: "halo" })]
    const name = svg("text", { class: "name" })
    const rate = svg("text", { class: "rate" })
    const element = svg(
      "g",
      { class: "node", role: "option", tabindex: -1, "data-node": view.id },
      halo,
      circle,
      name,
      rate,
    )
    // From the middle outwards.
    const at = { x: this.width / 2, y: this.height / 2 }
    const shape = { view, element, circle, halo, name, rate, share: 0, radius: 0, at, from: at, to: at }
    this.shapes.set(view.id, shape)
    this.dots.append(element)
    return shape
  }

  private showLinks(views: readonly LinkView[]): void {
    const flowing = new Set([...views].sort((a, b) => rateOf(b) - rateOf(a)).slice(0, FLOWING))
    const idle = views.length <= MOST_IDLE
    const keys = new Set<string>()
    for (const view of views) {
      if (!this.shapes.has(view.a) || !this.shapes.has(view.b)) continue
      if (!idle && rateOf(view) === 0 && view.state === "up") continue
      keys.add(keyOf(view))
      let edge = this.links.get(keyOf(view))
      if (edge === undefined) {
        const [there, back] = [svg("path"), svg("path")]
        const element = svg("g", {}, there, back)
        edge = { view, element, there, back }
        this.links.set(keyOf(view), edge)
        this.edges.append(element)
        this.route(edge)
      }
      edge.view = view
      put(edge.element, { class: `link ${view.state}` })
      this.markEdge(edge.element, view)
      const flows = flowing.has(view)
      put(edge.there, pathOf(view.there, flows))
      put(edge.back, pathOf(view.back, flows))
    }
    for (const [key, { element }] of this.links) {
      if (keys.has(key)) continue
      element.remove()
      this.links.delete(key)
    }
  }

  private resized({ width, height }: { width: number; height: number }): void {
    this.width = width
    this.height = height
    put(this.root, { viewBox: `0 0 ${width} ${height}` })
    for (const shape of this.shapes.values()) shape.at = shape.to = this.ring.pointOf(shape.view.id, width, height)
    this.place()
  }

  /** Nodes go to where they belong; at once for whom movement is too much. */
  private move(): void {
    for (const shape of this.shapes.values()) {
      shape.from = shape.at
      shape.to = this.ring.pointOf(shape.view.id, this.width, this.height)
    }
    this.moved = performance.now()
    if (still.matches) {
      for (const shape of this.shapes.values()) shape.at = shape.to
      this.place()
    } else if (!this.moving) {
      this.moving = true
      requestAnimationFrame(() => this.step())
    }
  }

  private step(): void {
    const part = Math.min(1, (performance.now() - this.moved) / MOVE)
    const eased = 1 - (1 - part) ** 3
    for (const shape of this.shapes.values()) {
      const { from, to } = shape
      shape.at = { x: from.x + (to.x - from.x) * eased, y: from.y + (to.y - from.y) * eased }
    }
    this.place()
    this.moving = part < 1
    if (this.moving) requestAnimationFrame(() => this.step())
  }

  private place(): void {
    const { width, height } = this
    const room = this.ring.spacing(width, height) / 2
    // Names are as long as there is room for at the sides of the ring.
    const letters = Math.max(6, Math.floor((sideOf(width) - MOST - 9) / LETTER))
    const shapes = [...this.shapes.values()]
    const labels = shapes.map((shape): Label => {
      const { at, view, share, name } = shape
      // By the square root: areas are compared.
      shape.radius = Math.min(room, LEAST + (MOST - LEAST) * Math.sqrt(share))
      say(name, view.name.length > letters ? `${view.name.slice(0, letters - 1)}…` : view.name)
      const weight = (this.chosen.has(view.id) ? 4 : 0) + (view.state === "up" ? 0 : 2) + share
      return { at, radius: shape.radius, text: name.textContent ?? "", weight }
    })
    const placed = placeLabels(labels, { x: width / 2, y: height / 2 }, this.ring.radii(width, height))
    for (const [i, { element, circle, halo, at, name, rate, radius }] of shapes.entries()) {
      const { x, first, second, anchor, hidden } = placed[i]
      put(element, { transform: `translate(${at.x.toFixed(1)} ${at.y.toFixed(1)})` })
      element.classList.toggle("nameless", hidden)
      put(circle, { r: radius.toFixed(1) })
      put(halo, { r: (radius + 5).toFixed(1) })
      put(name, { x, y: first, "text-anchor": anchor })
      put(rate, { x, y: second, "text-anchor": anchor })
    }
    for (const edge of this.links.values()) this.route(edge)
  }

  private route({ view, there, back }: Edge): void {
    const a = this.shapes.get(view.a)?.at
    const b = this.shapes.get(view.b)?.at
    if (a === undefined || b === undefined) return
    put(there, { d: arc(a, b) })
    put(back, { d: arc(b, a) })
  }

  private key(event: KeyboardEvent): void {
    const { ids } = this.ring
    const steps: Record<string, number> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }
    if (event.altKey || event.ctrlKey || event.metaKey || ids.length === 0) return
    if (event.key in steps) this.go(ids[(ids.indexOf(this.current) + steps[event.key] + ids.length) % ids.length])
    else if (event.key === "Home") this.go(ids[0])
    else if (event.key === "End") this.go(ids[ids.length - 1])
    else if (event.key === "Enter" || event.key === " ") this.choose(this.current)
    else if (event.key === "Escape") this.choose(null)
    else return
    event.preventDefault()
  }

  private go(id: string): void {
    this.shapes.get(id)?.element.focus()
  }

  private focused(event: Event): void {
    const id = (event.target as SVGElement).dataset.node
    if (id === undefined) return
    this.current = id
    this.showCurrent()
  }

  /** One of them is in the order of the Tab key. */
  private showCurrent(): void {
    for (const [id, { element }] of this.shapes) put(element, { tabindex: id === this.current ? 0 : -1 })
  }
}

function traffic({ sent, received }: NodeView): number {
  return sent + received
}

function rateOf({ there, back }: LinkView): number {
  return there + back
}

/** By the logarithm: a link of a million a second is not to be a thousand times as thick as one of a thousand. */
function pathOf(rate: number, flows: boolean): { class: string; "stroke-width": string } {
  if (rate === 0) return { class: "idle", "stroke-width": "1" }
  return { class: flows ? "busy flows" : "busy", "stroke-width": (1 + 1.1 * Math.log10(1 + rate)).toFixed(2) }
}

/** Bent to one side, so that the two directions lie beside each other. */
function arc(a: Point, b: Point): string {
  const bend = 0.09
  const x = (a.x + b.x) / 2 + (b.y - a.y) * bend
  const y = (a.y + b.y) / 2 - (b.x - a.x) * bend
  return `M${a.x.toFixed(1)} ${a.y.toFixed(1)}Q${x.toFixed(1)} ${y.toFixed(1)} ${b.x.toFixed(1)} ${b.y.toFixed(1)}`
}
