import { clock } from "../../core/clock.ts"

/** Where a transport takes its time from: this machine, or a simulated network (transports/simulated/). */
export interface Clock {
  /** Milliseconds, with fractions; only differences mean something. */
  now(): number
  /** Calls `run` once, so many milliseconds from now. */
  after(milliseconds: number, run: () => void): { cancel(): void }
}

/** Time of this machine; its timers do not keep the process alive. */
export const machineClock: Clock = {
  now: () => clock.now(),
  after(milliseconds, run) {
    const timer = setTimeout(run, milliseconds)
    timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
}

/** Node's timers can wait no longer; they look again then. */
const LONGEST = 2 ** 31 - 1

/**
 * One call at a time that is set anew with nearly every packet, mostly to a later time: a timer that is too early is left
 * alone, and looks again when it rings.
 */
export class Alarm {
  private readonly clock: Clock
  private readonly ring: () => void
  private at = Number.POSITIVE_INFINITY
  private timer: { cancel(): void } | null = null
  private timerAt = Number.POSITIVE_INFINITY
  private readonly look = (): void => {
    this.timer = null
    this.timerAt = Number.POSITIVE_INFINITY
    if (this.clock.now() < this.at) this.arm()
    else {
      this.at = Number.POSITIVE_INFINITY
      this.ring()
    }
  }

  constructor(clock: Clock, ring: () => void) {
    this.clock = clock
    this.ring = ring
  }

  /** The latest call replaces earlier ones; Infinity = none. */
  set(at: number): void {
    this.at = at
    if (at < this.timerAt) this.arm()
  }

  cancel(): void {
    this.timer?.cancel()
    this.timer = null
    this.at = this.timerAt = Number.POSITIVE_INFINITY
  }

  private arm(): void {
    this.timer?.cancel()
    this.timer = null
    this.timerAt = this.at
    if (this.at === Number.POSITIVE_INFINITY) return
    // Node counts whole milliseconds, and rings for a fraction too early.
    const wait = Math.ceil(this.at - this.clock.now())
    this.timer = this.clock.after(Math.min(LONGEST, Math.max(0, wait)), this.look)
  }
}
