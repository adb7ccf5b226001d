import type { Link } from "../link/link.ts"
import { RemoteError } from "../requests/failures.ts"

/** Links that are measured for one question, in turn: who looks on asks all nodes, each of which may have a thousand links. */
const MOST_AT_A_TIME = 16

/** Milliseconds between two measurements, however many ask. */
const LEAST_INTERVAL = 100

/** Milliseconds after which an answer says nothing any more: the next measurement does. */
const TIMEOUT = 2_000

/**
 * Measures how long the peers of a node take to answer, over the links that messages take too, so that their queues count. Only when
 * somebody asks. An answer that refuses, as that of an older version, has travelled as far.
 */
export class RoundTrips {
  private readonly waiting = new Set<Link>()
  private readonly links: () => Iterable<Link>
  private readonly ask: (link: Link, timeout: number) => Promise<unknown>
  private begun = Number.NEGATIVE_INFINITY
  /** Links that were passed over are first the next time. */
  private at = 0

  constructor(links: () => Iterable<Link>, ask: (link: Link, timeout: number) => Promise<unknown>) {
    this.links = links
    this.ask = ask
  }

  measure(): void {
    const now = performance.now()
    if (now - this.begun < LEAST_INTERVAL) return
    this.begun = now
    const links = [...this.links()]
    const count = Math.min(links.length, MOST_AT_A_TIME)
    for (let i = 0; i < count; i++) void this.one(links[(this.at + i) % links.length])
    this.at = links.length === 0 ? 0 : (this.at + count) % links.length
  }

  private async one(link: Link): Promise<void> {
    if (this.waiting.has(link)) return
    this.waiting.add(link)
    const start = performance.now()
    const answered = await this.ask(link, TIMEOUT).then(
      () => true,
      error => error instanceof RemoteError,
    )
    this.waiting.delete(link)
    if (answered) link.roundTrip = performance.now() - start
  }
}
