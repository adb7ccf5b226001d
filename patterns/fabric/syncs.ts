import type { Link } from "./link/link.ts"

/** A question to a peer whether it has read all that was said to it before. */
interface Sync {
  readonly link: Link
  /** Also over a break of the link, as long as it may come back. */
  readonly patient: boolean
  /** Batch of the link that it was asked with, or an earlier one. */
  readonly batch: number
  done(): void
}

/** What waits for answers of peers (SYNC, SYNCED in docs/wire.md). */
export class Syncs {
  private readonly waiting = new Map<number, Sync>()
  private readonly ask: (link: Link) => number

  /** `ask`: sends the question, returns its number. */
  constructor(ask: (link: Link) => number) {
    this.ask = ask
  }

  /** Questions that wait for an answer. */
  get open(): number {
    return this.waiting.size
  }

  /** Peers that have not answered. */
  get silent(): Set<Link> {
    return new Set([...this.waiting.values()].map(({ link }) => link))
  }

  /**
   * Calls `done` when these peers have answered; not for those that cannot any more, nor, unless `patient`, for those whose link breaks. Returns
   * how to stop waiting.
   */
  with(links: readonly Link[], patient: boolean, done: () => void): () => void {
    const asked: number[] = []
    let left = links.length
    if (left === 0) done()
    for (const link of links) {
      const batch = link.outgoing.sealed + 1
      const number = this.ask(link)
      asked.push(number)
      this.waiting.set(number, {
        link,
        patient,
        batch,
        done: () => {
          if (--left === 0) done()
        },
      })
    }
    return () => {
      for (const number of asked) this.waiting.delete(number)
    }
  }

  answered(link: Link, number: number): void {
    const sync = this.waiting.get(number)
    if (sync?.link !== link) return
    this.waiting.delete(number)
    sync.done()
  }

  /** The peer will hear of it when it comes back. */
  broken(link: Link): void {
    this.end(sync => sync.link === link && !sync.patient)
  }

  /** No answer comes any more: to none, or to none that was asked with the first `had` batches. */
  lost(link: Link, had = Number.POSITIVE_INFINITY): void {
    this.end(sync => sync.link === link && sync.batch <= had)
  }

  private end(which: (sync: Sync) => boolean): void {
    for (const [number, sync] of this.waiting) {
      if (!which(sync)) continue
      this.waiting.delete(number)
      sync.done()
    }
  }
}
