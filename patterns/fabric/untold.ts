import type { Link } from "./link/link.ts"

/**
 * Milliseconds after which nobody waits any longer for a peer that was asked and does not say that it is through: a node answers within a
 * round trip and what it takes to read. Below the usual deadline of requests, so that whoever asks hears that nobody serves the subject.
 */
const PATIENCE = 2_000

interface Telling {
  /** The first question whose answer says that it is through. */
  readonly since: number
  /** When it was asked because somebody waits, by performance.now; 0 = it was not. */
  asked: number
}

/**
 * Peers that have begun to say what they want, for the first time or anew, and have not come to the end of it as far as this node
 * knows: who finds nobody for a subject may only be early.
 */
export class Untold {
  private readonly peers = new Map<Link, Telling>()
  private readonly ask: (link: Link) => number
  private readonly overdue: () => void
  private timer: NodeJS.Timeout | undefined

  /**
   * `ask`: the peer is asked to say when it has read up to here; returns the number of the question. `overdue`: `expects` may have come to
   * say less, because time has passed.
   */
  constructor(ask: (link: Link) => number, overdue: () => void) {
    this.ask = ask
    this.overdue = overdue
  }

  /** `next`: the number of the next question to any peer. */
  begin(link: Link, next: number): void {
    this.peers.set(link, { since: next, asked: 0 })
  }

  /** What we have asked did not get there: our direction begins anew. */
  unasked(link: Link): void {
    const telling = this.peers.get(link)
    if (telling !== undefined) telling.asked = 0
  }

  /** The peer has answered that question: what it wanted then was said before. Answers of before, which come again with a stream, say nothing. */
  answered(link: Link, question: number): void {
    const telling = this.peers.get(link)
    if (telling !== undefined && question >= telling.since) this.end(link)
  }

  /** It is through, or gone for good. */
  end(link: Link): void {
    if (!this.peers.delete(link) || this.peers.size > 0) return
    clearTimeout(this.timer)
    this.timer = undefined
  }

  /** Whether word of more is on its way. Peers are asked for the end of it only when somebody wants to know: in a large mesh few do. */
  expects(): boolean {
    if (this.peers.size === 0) return false
    const now = performance.now()
    let first = Number.POSITIVE_INFINITY
    for (const [link, telling] of this.peers) {
      // Nobody waits for who may never come back.
      if (link.lapsed || link.dead) continue
      if (telling.asked === 0) {
        telling.asked = now
        this.ask(link)
      } else if (now - telling.asked >= PATIENCE) continue
      first = Math.min(first, telling.asked)
    }
    if (first === Number.POSITIVE_INFINITY) return false
    this.lookAt(first + PATIENCE - now)
    return true
  }

  private lookAt(delay: number): void {
    if (this.timer !== undefined) return
    // Timers may be a fraction of a millisecond early.
    this.timer = setTimeout(() => {
      this.timer = undefined
      this.overdue()
    }, delay + 1)
    this.timer.unref()
  }
}
