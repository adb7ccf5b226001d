import type { History, Sheet } from "../sheet.ts"
import { append, Curve } from "./curve.ts"
import { byId, html, say } from "./dom.ts"
import { bytes, figure, plural } from "./format.ts"

interface Tile {
  readonly value: HTMLElement
  readonly more: HTMLElement
  readonly curve: Curve
  points: number[]
}

/** The sums over all nodes. */
export class Tiles {
  private readonly nodes = tile("Nodes", false)
  private readonly published = tile("Published")
  private readonly sent = tile("Sent over links")
  private readonly dropped = tile("Dropped")

  restore({ published, bytesSent, dropped }: History): void {
    this.published.points = [...published]
    this.sent.points = [...bytesSent]
    this.dropped.points = [...dropped]
  }

  add({ published, bytesSent, dropped }: Sheet): void {
    append(this.published.points, published)
    append(this.sent.points, bytesSent)
    append(this.dropped.points, dropped)
  }

  show({ published, bytesSent, dropped, nodes, more, subjects }: Sheet): void {
    const well = nodes.filter(({ state }) => state === "up").length
    say(this.nodes.value, String(nodes.length + more.nodes))
    say(
      this.nodes.more,
      nodes.length === 0 ? "nobody there" : well === nodes.length ? "all up" : `${nodes.length - well} not well`,
    )
    say(this.published.value, `${figure(published)}/s`)
    say(this.published.more, plural(subjects.length + more.subjects, "subject"))
    say(this.sent.value, `${bytes(bytesSent)}/s`)
    say(this.dropped.value, `${figure(dropped)}/s`)
    this.dropped.value.closest(".tile")?.classList.toggle("bad", dropped > 0)
    this.nodes.value.closest(".tile")?.classList.toggle("warn", well < nodes.length)
    for (const { curve, points } of [this.published, this.sent, this.dropped]) curve.draw(points)
  }
}

function tile(name: string, drawn = true): Tile {
  const value = html("span", { class: "value" }, "–")
  const more = html("span", { class: "more" })
  const curve = new Curve()
  const element = html("div", { class: "tile" }, html("h2", {}, name), html("p", {}, value, more))
  if (drawn) element.append(curve.element)
  byId("tiles").append(element)
  return { value, more, curve, points: [] }
}
