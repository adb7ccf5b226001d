/** Milliseconds that a node which broke the protocol is not dialled: doubling from the first to the last. */
const FIRST = 1_000
const LAST = 60_000
/** Without another breach for so long, it begins anew. */
const FORGET = 600_000
/** Nodes that are remembered; the oldest are forgotten first. */
const MOST = 1_024

/**
 * Nodes that broke the protocol. Membership and discovery go on naming them, and they go on breaking it: they are dialled again, in case
 * somebody mends them, but less and less often.
 */
export class Breakers {
  /** In the order of their last breach. */
  private readonly known = new Map<string, { at: number; pause: number }>()

  /** `now` in milliseconds of a clock that goes forward only. */
  note(node: string, now: number): void {
    const before = this.known.get(node)
    const pause = before === undefined || now - before.at > FORGET ? FIRST : Math.min(LAST, before.pause * 2)
    this.known.delete(node)
    this.known.set(node, { at: now, pause })
    for (const oldest of this.known.keys()) {
      if (this.known.size <= MOST) break
      this.known.delete(oldest)
    }
  }

  /** Not to be dialled now. */
  shuns(node: string, now: number): boolean {
    const breach = this.known.get(node)
    return breach !== undefined && now - breach.at < breach.pause
  }
}
