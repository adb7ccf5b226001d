import { Queue } from "../../core/queue.ts"

/**
 * Dials that are made at the same time. A newcomer of a large mesh has its first links, and with them its first messages, sooner when it
 * does not begin with all of them; enough to keep several processes busy.
 */
const AT_ONCE = 8
/** Milliseconds after which a dial that is not over lets the next one begin: an address where nobody answers must not hold up the others. */
const HOLD_UP = 50
/** Dials that wait. What is beyond begins at once: a dial that was given up meanwhile stays here until its turn, and the network makes dials. */
const MOST = 4_096

/** Dials in turn. What the mesh has given up meanwhile returns at once. */
export class DialQueue {
  private underway = 0
  private readonly waiting = new Queue<() => Promise<void>>()

  add(dial: () => Promise<void>): void {
    if (this.underway < AT_ONCE || this.waiting.length >= MOST) void this.run(dial)
    else this.waiting.push(dial)
  }

  private async run(dial: () => Promise<void>): Promise<void> {
    this.underway++
    let held = true
    const release = (): void => {
      if (!held) return
      held = false
      this.underway--
      const next = this.waiting.shift()
      if (next !== undefined) void this.run(next)
    }
    const timer = setTimeout(release, HOLD_UP)
    timer.unref()
    try {
      await dial()
    } finally {
      clearTimeout(timer)
      release()
    }
  }
}
