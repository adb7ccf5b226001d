import { HeddleError } from "../../core/errors.ts"
import { hold, release } from "../../core/keep-alive.ts"
import type { Timer } from "./clock.ts"
import { VirtualClock, type VirtualClockOptions } from "./virtual-clock.ts"

/** What is replaced, as it was when this module was loaded. */
const real = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
  setImmediate: globalThis.setImmediate,
  clearImmediate: globalThis.clearImmediate,
}
const realNow = performance.now
const realRandom = Math.random

/** How long the operating system may take for an answer (real milliseconds) before time goes on without it. */
const PATIENCE = 1_000

/**
 * Bun 1.4 always says that nothing was asked of the operating system: each moment takes a real millisecond there, in which short
 * work gets done. A run is slower for it, and need not be the same each time.
 */
const BLIND = process.versions.bun !== undefined

/** Only one clock can be the clock of the process. */
let installed: ProcessClock | null = null

/** Node counts in whole milliseconds and takes no delay below one, nor above 2^31 - 1. */
function nodeDelay(delay: number | undefined): number {
  const milliseconds = Math.trunc(Number(delay))
  return milliseconds >= 1 && milliseconds <= 2 ** 31 - 1 ? milliseconds : 1
}

/**
 * A virtual clock that stands in for the process's own: `setTimeout`, `setInterval`, `performance.now` and `Math.random`
 * of everything in this thread, whole sockets and fabrics included. `Date` and what Node does inside (files, real
 * sockets, `AbortSignal.timeout`) keep real time.
 */
export class ProcessClock extends VirtualClock {
  private readonly random: () => number
  private immediates = 0

  /** @param random takes the place of `Math.random`, so that back-offs are the same each time */
  constructor(random: () => number, options: VirtualClockOptions = {}) {
    super(options)
    this.random = random
  }

  /** Takes over until `restore`. Throws EBUSY while another one has done so. */
  install(): void {
    if (installed !== null) {
      throw new HeddleError("EBUSY", "Another simulation with virtual time runs in this thread; close it first")
    }
    installed = this
    // The engine's one timer that keeps the process alive is to be a real one, whoever needs it first.
    hold()
    release()
    Object.assign(globalThis, {
      setTimeout: this.timeout,
      setInterval: this.interval,
      clearTimeout: clear,
      clearInterval: clear,
      setImmediate: this.immediate,
      clearImmediate: this.clearImmediate,
    })
    performance.now = () => this.now()
    Math.random = this.random
  }

  /** Idempotent. Timers that were set on this clock never run. */
  restore(): void {
    if (installed !== this) return
    installed = null
    Object.assign(globalThis, real)
    performance.now = realNow
    Math.random = realRandom
  }

  /** Waits for Node's own work, too (files that are read, modules that are loaded): no time passes meanwhile. */
  override async settle(): Promise<void> {
    await super.settle()
    if (BLIND) {
      await new Promise(resolve => real.setTimeout(resolve, 1))
      await super.settle()
    }
    for (let wait = 0; wait < PATIENCE && works(); wait++) {
      await new Promise(resolve => real.setTimeout(resolve, 1))
      await super.settle()
    }
  }

  protected override busy(): boolean {
    return this.immediates > 0
  }

  private readonly timeout = (run: (...given: unknown[]) => void, delay?: number, ...given: unknown[]): ClockTimeout =>
    new ClockTimeout(this, () => run(...given), nodeDelay(delay), false)

  private readonly interval = (run: (...given: unknown[]) => void, delay?: number, ...given: unknown[]): ClockTimeout =>
    new ClockTimeout(this, () => run(...given), nodeDelay(delay), true)

  private readonly immediate = (run: (...given: unknown[]) => void, ...given: unknown[]): NodeJS.Immediate => {
    this.immediates++
    const made = real.setImmediate(() => {
      pending.delete(made)
      this.immediates--
      run(...given)
    })
    pending.add(made)
    return made
  }

  private readonly clearImmediate = (made: NodeJS.Immediate | undefined): void => {
    if (made !== undefined && pending.delete(made)) this.immediates--
    real.clearImmediate(made)
  }
}

/** Something was asked of the operating system, and the answer has not come. */
function works(): boolean {
  return process.getActiveResourcesInfo().some(name => /Req/.test(name))
}

/** Immediates that were counted and have not run. */
const pending = new Set<NodeJS.Immediate>()

/** What Node's timers offer, as far as it means something here. */
class ClockTimeout {
  private readonly clock: VirtualClock
  private readonly run: () => void
  private readonly delay: number
  private readonly repeats: boolean
  private timer: Timer

  constructor(clock: VirtualClock, run: () => void, delay: number, repeats: boolean) {
    this.clock = clock
    this.run = run
    this.delay = delay
    this.repeats = repeats
    this.timer = this.arm()
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  hasRef(): boolean {
    return false
  }

  refresh(): this {
    this.timer.cancel()
    this.timer = this.arm()
    return this
  }

  close(): this {
    this.timer.cancel()
    return this
  }

  [Symbol.dispose](): void {
    this.timer.cancel()
  }

  private arm(): Timer {
    return this.clock.after(this.delay, () => {
      // Before the call, which may end it.
      if (this.repeats) this.timer = this.arm()
      this.run()
    })
  }
}

/** Of either kind: a timer may be older than the clock. */
function clear(timer: unknown): void {
  if (timer instanceof ClockTimeout) timer.close()
  else real.clearTimeout(timer as NodeJS.Timeout | undefined)
}
