import type { News } from "../sheet.ts"
import { byId, html, put } from "./dom.ts"
import { clock } from "./format.ts"

/** Pieces of news in the list; older ones go. */
const MOST = 200

/** What has happened, the newest first. */
export class NewsPanel {
  private readonly list = byId("news")
  /** The newest that is shown: a new stream tells old ones again. */
  private last = 0

  constructor() {
    // It scrolls: not every browser lets the keyboard come there by itself.
    put(byId("log"), { tabindex: 0 })
    this.list.append(html("li", { class: "empty" }, "Nothing has happened yet."))
  }

  /** Of a node that may have been started anew: its numbers begin anew, too. */
  restore(news: readonly News[]): void {
    this.list.replaceChildren()
    this.last = 0
    for (const one of news) this.add(one)
    if (news.length === 0) this.list.append(html("li", { class: "empty" }, "Nothing has happened yet."))
  }

  add({ number, at, type, name, text }: News): void {
    if (number <= this.last) return
    this.last = number
    this.list.querySelector(".empty")?.remove()
    const item = html(
      "li",
      { class: type },
      html("span", { class: "when" }, clock(at)),
      html("span", { class: "type" }, type),
      html("span", {}, name === "" ? text : html("b", {}, name), name === "" ? "" : ` ${text}`),
    )
    this.list.prepend(item)
    while (this.list.children.length > MOST) this.list.lastElementChild?.remove()
  }
}
