import type { Hello, Messages, News, Sheet } from "../sheet.ts"

/** Milliseconds between attempts to come back: at first, and at most. */
const FIRST = 500
const MOST = 10_000

/** Milliseconds without a word after which the connection counts as lost. The server says something every two seconds. */
const SILENCE = 8_000

export type State = "connecting" | "live" | "lost" | "refused"

export interface Listener {
  hello(hello: Hello): void
  sheet(sheet: Sheet): void
  news(news: News): void
  messages(messages: Messages): void
  /** `text`: for people. */
  state(state: State, text: string): void
}

/** The stream from the node; it comes back by itself. */
export class Connection {
  private readonly token = new URLSearchParams(location.search).get("token") ?? ""
  private readonly listener: Listener
  private source: EventSource | null = null
  private attempt = 0
  private heard = 0
  private page = ""

  constructor(listener: Listener) {
    this.listener = listener
    setInterval(() => {
      if (this.source !== null && performance.now() - this.heard > SILENCE) this.lost("The node says nothing any more.")
    }, 1_000)
    addEventListener("online", () => this.now())
    // A page in the background may have slept.
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.now()
    })
  }

  open(): void {
    if (this.source !== null) return
    this.heard = performance.now()
    const source = new EventSource(this.url)
    this.source = source
    const on = <T>(type: string, take: (value: T) => void): void => {
      source.addEventListener(type, event => {
        this.heard = performance.now()
        take(JSON.parse((event as MessageEvent<string>).data) as T)
      })
    }
    on<Hello>("hello", hello => {
      this.attempt = 0
      this.page = hello.page
      this.listener.state("live", "Live")
      this.listener.hello(hello)
    })
    on<Sheet>("sheet", sheet => this.listener.sheet(sheet))
    on<News>("news", news => this.listener.news(news))
    on<Messages>("messages", messages => this.listener.messages(messages))
    on<number>("beat", () => {})
    source.addEventListener("error", () => {
      if (this.source === source) void this.failed()
    })
  }

  /** Asks for the messages of a pattern; null = none. Rejects with a text for people. */
  async choose(pattern: string | null): Promise<void> {
    const response = await fetch("subject", {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${this.token}` },
      body: JSON.stringify({ page: this.page, pattern }),
    }).catch(() => {
      throw new Error("The node cannot be reached.")
    })
    if (!response.ok) throw new Error((await response.text()).trim())
  }

  private get url(): string {
    return `events?token=${encodeURIComponent(this.token)}`
  }

  /** Why: EventSource does not tell. A node that was started anew has another token. */
  private async failed(): Promise<void> {
    this.close()
    try {
      const response = await fetch(this.url, { method: "HEAD" })
      if (response.status === 403) {
        this.listener.state("refused", "The node was started anew. Open the address that heddle top has printed now.")
        return
      }
      if (response.status === 503) {
        this.lost("Too many pages of this node are open.")
        return
      }
    } catch {
      // Nobody is there.
    }
    this.lost("The connection to the node is lost.")
  }

  private lost(why: string): void {
    this.close()
    this.listener.state("lost", `${why} Trying again.`)
    // By chance, so that many pages do not come back in one moment.
    const delay = Math.min(MOST, FIRST * 2 ** this.attempt++) * (0.5 + Math.random() / 2)
    setTimeout(() => this.open(), delay)
  }

  private now(): void {
    if (this.source === null && this.attempt > 0) this.open()
  }

  private close(): void {
    this.source?.close()
    this.source = null
  }
}
