import type { Messages, Sample } from "../sheet.ts"
import { byId, html, put, say } from "./dom.ts"
import { bytes, clock, plural } from "./format.ts"

/** Messages in the list; older ones go. */
const MOST = 100

/** Subjects that the input proposes. */
const PROPOSED = 50

/** Some of the messages of a subject, for as long as somebody wants to see them. */
export class MessagesPanel {
  private readonly form = byId<HTMLFormElement>("choose")
  private readonly input = byId<HTMLInputElement>("pattern")
  private readonly stop = byId<HTMLButtonElement>("stop")
  private readonly note = byId("messages-note")
  /** What changes all the time is not said to screen readers. */
  private readonly count = byId("messages-count")
  private readonly list = byId("samples")
  private readonly ask: (pattern: string | null) => Promise<void>
  private known = ""
  private pattern: string | null = null
  /** Messages are not added while somebody reads them. */
  paused = false

  constructor(ask: (pattern: string | null) => Promise<void>) {
    this.ask = ask
    this.form.addEventListener("submit", event => {
      event.preventDefault()
      const pattern = this.input.value.trim()
      if (pattern !== "") void this.choose(pattern)
    })
    this.stop.addEventListener("click", () => void this.choose(null))
  }

  async choose(pattern: string | null): Promise<void> {
    this.list.replaceChildren()
    say(this.count, "")
    if (pattern !== null) this.input.value = pattern
    try {
      await this.ask(pattern)
      this.pattern = pattern
      say(this.note, pattern === null ? "Stopped: nothing is subscribed to." : `Messages of ${pattern}, as they come:`)
    } catch (error) {
      this.pattern = null
      say(this.note, (error as Error).message)
    }
    this.stop.disabled = this.pattern === null
  }

  /** The stream is a new one, and knows nothing of what was chosen. */
  again(): void {
    if (this.pattern !== null) void this.choose(this.pattern)
  }

  propose(subjects: readonly string[]): void {
    const list = subjects.slice(0, PROPOSED)
    if (list.join("\n") === this.known) return
    this.known = list.join("\n")
    byId("known").replaceChildren(...list.map(value => html("option", { value })))
  }

  take({ pattern, seen, sampled, samples }: Messages): void {
    if (pattern !== this.pattern || this.paused) return
    // Who reads one must not see it move away.
    const held = this.list.querySelector("details[open]") !== null
    const some = sampled ? "At least " : ""
    const speed = sampled ? "; faster than can be looked at, so only a part of each second is" : ""
    const which = held ? "the list stands still while one is open" : "some of them are shown"
    say(this.count, `${some}${plural(seen, "message")}; ${which}${speed}.`)
    if (held) return
    this.list.prepend(...samples.toReversed().map(item))
    while (this.list.children.length > MOST) this.list.lastElementChild?.remove()
  }
}

function item({ at, subject, from, size, encoding, preview, kind, cut, headers }: Sample): HTMLLIElement {
  const shown = preview === "" ? "(nothing)" : preview
  const summary = html(
    "summary",
    {},
    html("span", { class: "when" }, clock(at)),
    html("span", { class: "subject" }, subject),
    html("span", { class: "size" }, bytes(size)),
    html("code", { class: kind }, shown),
  )
  const facts = html("p", { class: "note" }, `from ${from}, ${encoding}${cut ? "; only its beginning is shown" : ""}`)
  const body = html("pre", { tabindex: 0 }, kind === "json" && !cut ? pretty(preview) : shown)
  const details = html("details", {}, summary, facts, body)
  if (headers.length > 0) {
    const rows = headers.map(([name, value]) => html("div", {}, html("dt", {}, name), html("dd", {}, value)))
    details.append(html("dl", {}, ...rows))
  }
  const element = html("li", {}, details)
  put(element, { "data-subject": subject })
  return element
}

function pretty(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2)
  } catch {
    return json
  }
}
