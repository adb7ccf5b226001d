import { hold, release } from "../../core/keep-alive.ts"

/** Timers and `performance.now` that go as the test says, for code whose subject is time. */
interface Timer {
  at: number
  every: number | null
  run: () => void
  ref(): Timer
  unref(): Timer
  hasRef(): boolean
}

const real = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
  now: performance.now,
}

// The engine's one timer that keeps the process alive is to be a real one, whoever needs it first.
hold()
release()

export class FakeClock {
  now = 1_000_000
  private readonly timers = new Set<Timer>()

  /** Takes over from the real clock until `restore`. */
  install(): this {
    const add = (run: () => void, delay: number, every: number | null): Timer => {
      const timer: Timer = {
        at: this.now + delay,
        every,
        run,
        ref: () => timer,
        unref: () => timer,
        hasRef: () => false,
      }
      this.timers.add(timer)
      return timer
    }
    const drop = (timer: unknown): void => {
      this.timers.delete(timer as Timer)
    }
    Object.assign(globalThis, {
      setTimeout: (run: () => void, delay = 0) => add(run, Math.max(1, delay), null),
      setInterval: (run: () => void, delay = 0) => add(run, Math.max(1, delay), Math.max(1, delay)),
      clearTimeout: drop,
      clearInterval: drop,
    })
    performance.now = () => this.now
    return this
  }

  restore(): void {
    const { now, ...timers } = real
    Object.assign(globalThis, timers)
    performance.now = now
  }

  /** Timers that are set. */
  get pending(): number {
    return this.timers.size
  }

  /** Milliseconds until the next timer; null when there is none. */
  get next(): number | null {
    let next: number | null = null
    for (const { at } of this.timers) next = Math.min(next ?? at, at)
    return next === null ? null : next - this.now
  }

  /** Time passes, and every timer that becomes due runs at its moment. */
  advance(milliseconds: number): void {
    const end = this.now + milliseconds
    for (;;) {
      let due: Timer | undefined
      for (const timer of this.timers) if (timer.at <= end && (due === undefined || timer.at < due.at)) due = timer
      if (due === undefined) break
      this.now = due.at
      if (due.every === null) this.timers.delete(due)
      else due.at += due.every
      due.run()
    }
    this.now = end
  }

  /** Time passes without anybody noticing: the event loop stood still, then each timer that is due runs once. */
  jump(milliseconds: number): void {
    this.now += milliseconds
    for (const timer of [...this.timers]) {
      if (timer.at > this.now || !this.timers.has(timer)) continue
      if (timer.every === null) this.timers.delete(timer)
      else timer.at = this.now + timer.every
      timer.run()
    }
  }
}
