import type { LinkView, NodeView, Sheet } from "../sheet.ts"
import { byId, html, say } from "./dom.ts"
import { bytes, figure, milliseconds, plural, whole } from "./format.ts"
import { keyOf } from "./graph.ts"

/** A node, or the two of a link. */
export type Choice = { readonly node: string } | { readonly link: string } | null

const HINT = "Choose a node in the graph, or a link in the table of latencies: its figures are shown here."

type Facts = readonly (readonly [string, string])[]

/** The figures of what is chosen. */
export class Details {
  private readonly title = byId("details-title")
  private readonly place = byId("details")
  /** What is drawn: figures are filled in anew, other content is made anew. */
  private drawn = ""
  private values: HTMLElement[] = []

  constructor() {
    this.hint("Node", HINT)
  }

  show(choice: Choice, sheet: Sheet): void {
    const node = choice !== null && "node" in choice ? sheet.nodes.find(({ id }) => id === choice.node) : undefined
    const link = choice !== null && "link" in choice ? sheet.links.find(one => keyOf(one) === choice.link) : undefined
    if (node !== undefined) this.node(node, sheet)
    else if (link !== undefined) this.link(link, sheet)
    else if (choice === null) this.hint("Node", HINT)
    else this.hint("node" in choice ? "Node" : "Link", "It is not there any more.")
  }

  private node(node: NodeView, { nodes, links }: Sheet): void {
    const names = new Map(nodes.map(({ id, name }) => [id, name]))
    const facts: Facts = [
      ["State", node.why === "" ? node.state : `${node.state}: ${node.why}`],
      ["Node", node.id],
      ["Process", `${node.pid}${node.distance === "" ? "" : `, ${WHERE[node.distance] ?? node.distance}`}`],
      ["Processor, memory", `${node.cpu.toFixed(0)} %, ${bytes(node.memory)}`],
      ["Messages out, in", `${figure(node.sent)}/s, ${figure(node.received)}/s`],
      ["Bytes out, in", `${bytes(node.bytesOut)}/s, ${bytes(node.bytesIn)}/s`],
      ["Dropped", `${figure(node.dropped)}/s`],
      ["Waiting", plural(node.queued, "message")],
      ["Open requests, tasks", `${whole(node.requests)}, ${whole(node.tasks)}`],
      ["Answers us in", node.roundTrip > 0 ? milliseconds(node.roundTrip) : "–"],
      ["ZeroMQ clients", whole(node.clients)],
    ]
    const own = links
      .filter(({ a, b }) => a === node.id || b === node.id)
      .map(link => {
        const other = link.a === node.id ? link.b : link.a
        const [out, back] = link.a === node.id ? [link.there, link.back] : [link.back, link.there]
        return [names.get(other) ?? other, `${figure(out)}/s out, ${figure(back)}/s in${timeOf(link)}`] as const
      })
    const takers = node.takers.map(
      ({ kind, pattern, queue, handled, queued, dropped }) =>
        [
          `${VERBS[kind]} ${pattern}${queue === "" ? "" : ` (group ${queue})`}`,
          `${whole(handled)} done${queued > 0 ? `, ${whole(queued)} waiting` : ""}${dropped > 0 ? `, ${whole(dropped)} dropped` : ""}`,
        ] as const,
    )
    this.draw(node.name, [
      ["", facts],
      ["Links", own],
      ["Takes", takers],
    ])
  }

  private link(link: LinkView, { nodes }: Sheet): void {
    const nameOf = (id: string): string => nodes.find(one => one.id === id)?.name ?? id
    const [a, b] = [nameOf(link.a), nameOf(link.b)]
    this.draw(`${a} – ${b}`, [
      [
        "",
        [
          ["State", link.state],
          [`${a} → ${b}`, `${figure(link.there)}/s, ${bytes(link.bytesThere)}/s`],
          [`${b} → ${a}`, `${figure(link.back)}/s, ${bytes(link.bytesBack)}/s`],
          ["Waiting", plural(link.queued, "message")],
          ["Round trip", link.roundTrip === null ? "not measured" : milliseconds(link.roundTrip)],
        ],
      ],
    ])
  }

  private hint(title: string, text: string): void {
    if (this.drawn === text) return
    this.drawn = text
    say(this.title, title)
    this.place.replaceChildren(html("p", { class: "note" }, text))
  }

  private draw(title: string, groups: readonly (readonly [string, Facts])[]): void {
    const shape = JSON.stringify([title, groups.map(([head, facts]) => [head, facts.map(([name]) => name)])])
    if (shape !== this.drawn) {
      this.drawn = shape
      say(this.title, title)
      this.values = []
      this.place.replaceChildren(
        ...groups.flatMap(([head, facts]) => {
          if (facts.length === 0) return []
          const list = html("dl")
          for (const [name] of facts) {
            const value = html("dd")
            this.values.push(value)
            list.append(html("div", {}, html("dt", {}, name), value))
          }
          return head === "" ? [list] : [html("h3", {}, head), list]
        }),
      )
    }
    const texts = groups.flatMap(([, facts]) => facts.map(([, text]) => text))
    for (const [i, text] of texts.entries()) say(this.values[i], text)
  }
}

function timeOf({ roundTrip }: LinkView): string {
  return roundTrip === null ? "" : `, ${milliseconds(roundTrip)}`
}

const VERBS = { subscription: "subscribes", service: "serves", worker: "works on" } as const

const WHERE: Readonly<Record<string, string>> = {
  process: "in the process of this page's node",
  host: "on the host of this page's node",
  network: "on another host",
}
