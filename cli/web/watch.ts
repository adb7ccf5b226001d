import type { Fabric } from "heddle"
import { newsOf } from "./news.ts"
import { Overview } from "./overview.ts"
import { Past } from "./past.ts"
import { type Page, PageServer, type PageServerOptions } from "./server.ts"
import type { Hello, News, Sheet } from "./sheet.ts"
import { Tap } from "./tap.ts"

export interface WatchOptions extends PageServerOptions {
  /** Milliseconds between two sheets. */
  interval: number
}

/** Milliseconds that a node may take to answer, at most: Ctrl-C waits for it. */
const PATIENCE = 2_000

/** News that a page that comes later is told. */
const MOST_NEWS = 200

/** Looks at a fabric again and again, and shows pages what it sees. The node itself is not shown: it only looks on. */
export class Watch {
  private readonly fabric: Fabric
  private readonly interval: number
  private readonly overview = new Overview()
  private readonly past = new Past()
  private readonly news: News[] = []
  private readonly taps = new Map<Page, Tap>()
  private number = 0
  private sheet: Sheet | null = null
  private server!: PageServer

  private constructor(fabric: Fabric, interval: number) {
    this.fabric = fabric
    this.interval = interval
    newsOf(fabric, one => this.tell(one))
  }

  /** Throws a `CommandError` when the page cannot be served there. */
  static async open(fabric: Fabric, { interval, ...options }: WatchOptions): Promise<Watch> {
    const watch = new Watch(fabric, interval)
    watch.server = await PageServer.open(options, {
      opened: page => page.stream.add("hello", watch.hello(page)),
      chosen: (page, pattern) => watch.choose(page, pattern),
      closed: page => watch.choose(page, null),
    })
    return watch
  }

  /** What to open in a browser. */
  get url(): string {
    return this.server.url
  }

  /** Subjects that pages look at now. */
  get patterns(): string[] {
    return Array.from(this.taps.values(), ({ pattern }) => pattern)
  }

  /** Asks all nodes once, and tells the pages. Call it once an interval. Rejects when the fabric is closed. */
  async look(): Promise<void> {
    // Nodes count at about this time, however long the slowest takes.
    const now = performance.now()
    const survey = await this.fabric.survey({ timeout: Math.min(this.interval, PATIENCE), roundTrips: true })
    const { sheet, losses } = this.overview.update(survey, this.fabric.peers, this.fabric.id, now)
    for (const loss of losses) this.tell(loss)
    if (sheet === null) return
    this.sheet = sheet
    this.past.add(sheet)
    const json = JSON.stringify(sheet)
    for (const { stream } of this.server.pages.values()) stream.newest(json)
  }

  /** The fabric is the caller's. */
  async close(): Promise<void> {
    for (const page of [...this.taps.keys()]) this.choose(page, null)
    await this.server.close()
  }

  private hello({ id }: Page): Hello {
    const { fabric, interval, past, news, sheet } = this
    return { page: id, fabric: fabric.fabric, interval, history: past.history(), news, sheet }
  }

  private choose(page: Page, pattern: string | null): void {
    const before = this.taps.get(page)
    // The new one first: when it cannot be, the old one stays.
    const tap = pattern === null ? null : new Tap(this.fabric, pattern, lot => page.stream.add("messages", lot))
    before?.close()
    if (tap === null) this.taps.delete(page)
    else this.taps.set(page, tap)
  }

  private tell(one: Omit<News, "number" | "at">): void {
    const news: News = { number: ++this.number, at: Date.now(), ...one }
    this.news.push(news)
    if (this.news.length > MOST_NEWS) this.news.shift()
    // It may come before the server is open.
    for (const { stream } of this.server?.pages.values() ?? []) stream.add("news", news)
  }
}
