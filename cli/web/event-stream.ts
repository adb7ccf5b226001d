import type { ServerResponse } from "node:http"

/** Events that may wait for a slow page; beyond them the oldest go, and are counted. */
const MOST_WAITING = 200

/** Milliseconds without anything else to say, after which the page hears that we are there. */
export const BEAT = 2_000

/** Milliseconds in which a page must take something: one that does not is gone, though nobody said so. */
const PATIENCE = 60_000

/**
 * Server-Sent Events (HTML Living Standard, 9.2) to one page. Of sheets a slow page gets the newest only; other events wait within a
 * bound.
 */
export class EventStream {
  /** Events that were dropped because the page was too slow. */
  dropped = 0
  private readonly response: ServerResponse
  private readonly waiting: string[] = []
  private sheet: string | null = null
  private full = false
  private said = performance.now()
  private readonly beat: NodeJS.Timeout

  constructor(response: ServerResponse) {
    this.response = response
    response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" })
    response.on("drain", () => this.drained())
    response.on("error", () => {})
    this.beat = setInterval(() => this.alive(), BEAT / 2)
    this.beat.unref()
    response.on("close", () => clearInterval(this.beat))
  }

  /** Takes the place of an older one that was not sent yet. */
  newest(json: string): void {
    if (!this.full) this.write(eventOf("sheet", json))
    else {
      if (this.sheet !== null) this.dropped++
      this.sheet = json
    }
  }

  add(type: string, value: unknown): void {
    const event = eventOf(type, JSON.stringify(value))
    if (!this.full) this.write(event)
    else {
      if (this.waiting.length === MOST_WAITING) {
        this.waiting.shift()
        this.dropped++
      }
      this.waiting.push(event)
    }
  }

  end(): void {
    clearInterval(this.beat)
    // What the page has not taken by now it need not get.
    if (this.full) this.response.destroy()
    else this.response.end()
  }

  private write(event: string): void {
    if (this.response.destroyed) return
    this.said = performance.now()
    this.full = !this.response.write(event)
  }

  private drained(): void {
    this.full = false
    for (;;) {
      const event = this.waiting.shift()
      if (event === undefined) break
      this.write(event)
      if (this.full) return
    }
    const { sheet } = this
    this.sheet = null
    if (sheet !== null) this.write(eventOf("sheet", sheet))
  }

  private alive(): void {
    const silent = performance.now() - this.said
    if (this.full && silent > PATIENCE) this.response.destroy()
    else if (!this.full && silent >= BEAT) this.write(eventOf("beat", "0"))
  }
}

/** JSON has no line breaks, which would end the data. */
function eventOf(type: string, json: string): string {
  return `event: ${type}\ndata: ${json}\n\n`
}
