import { Agenda } from "./agenda.ts"
import type { Clock, Timer } from "./clock.ts"

/**
 * The time of this machine. One timer of Node's, which counts whole milliseconds, serves all: what is due runs in the
 * order of its moments, as on the virtual clock. None of them keeps the process alive.
 */
export class RealClock implements Clock {
  private readonly agenda = new Agenda()
  private timer: NodeJS.Timeout | null = null
  private wakesAt = Number.POSITIVE_INFINITY
  private turning = false
  private readonly wake = (): void => {
    this.timer = null
    this.wakesAt = Number.POSITIVE_INFINITY
    this.work()
  }
  private readonly turn = (): void => {
    this.turning = false
    this.work()
  }

  now(): number {
    return performance.now()
  }

  after(milliseconds: number, run: () => void): Timer {
    const now = performance.now()
    const entry = this.agenda.add(now + Math.max(0, milliseconds), run)
    this.arm(now)
    return entry
  }

  private work(): void {
    const now = performance.now()
    for (;;) {
      const first = this.agenda.first
      if (first === null || first.at > now) break
      this.agenda.remove(first)
      first.run()
    }
    this.arm(performance.now())
  }

  private arm(now: number): void {
    const first = this.agenda.first
    if (first === null || this.turning) return
    if (first.at <= now) {
      this.turning = true
      setImmediate(this.turn)
    } else if (first.at < this.wakesAt) {
      if (this.timer !== null) clearTimeout(this.timer)
      this.wakesAt = first.at
      this.timer = setTimeout(this.wake, Math.ceil(first.at - now))
      this.timer.unref()
    }
  }
}
