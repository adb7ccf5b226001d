import { HeddleError } from "../../core/errors.ts"
import { Agenda } from "./agenda.ts"
import type { Clock, Timer } from "./clock.ts"

export interface VirtualClockOptions {
  /** Milliseconds that the clock shows at first. Default 0. */
  start?: number
  /**
   * Timers that may wait at once. Default 1,000,000: more means that something sets timers without end, and would take
   * all memory.
   */
  maxTimers?: number
  /** Timers that may run at one and the same moment. Default 1,000,000: more means that time will never go on. */
  maxStandstill?: number
}

/** Rounds of the event loop that `settle` takes at most while functions of the program go on calling `setImmediate`. */
const MOST_ROUNDS = 1_000

/**
 * Time that passes only when it is told to: hours in milliseconds, and the same order of events each time. Timers run
 * in the order of their moments, and those of one moment in the order in which they were set.
 */
export class VirtualClock implements Clock {
  private time: number
  private readonly agenda = new Agenda()
  private readonly maxTimers: number
  private readonly maxStandstill: number
  private standing = 0

  constructor({ start = 0, maxTimers = 1_000_000, maxStandstill = 1_000_000 }: VirtualClockOptions = {}) {
    this.time = start
    this.maxTimers = maxTimers
    this.maxStandstill = maxStandstill
  }

  now(): number {
    return this.time
  }

  /** Timers that wait. */
  get pending(): number {
    return this.agenda.size
  }

  /** The moment of the next timer; Infinity = there is none. */
  get next(): number {
    return this.agenda.first?.at ?? Number.POSITIVE_INFINITY
  }

  /** Throws EINVAL for a delay that is no number, EMFILE when `maxTimers` wait. */
  after(milliseconds: number, run: () => void): Timer {
    if (Number.isNaN(milliseconds)) throw new HeddleError("EINVAL", "Invalid argument: the delay of a timer is NaN")
    if (this.agenda.size >= this.maxTimers) {
      throw new HeddleError(
        "EMFILE",
        `${this.maxTimers} timers wait on the virtual clock (maxTimers): something sets timers without end`,
      )
    }
    return this.agenda.add(this.time + Math.max(0, milliseconds), run)
  }

  /**
   * Goes to the moment of the next timer and runs it; false = there is none. Throws EBUSY when `maxStandstill` timers have
   * run and time has not gone on.
   */
  step(): boolean {
    const next = this.agenda.first
    if (next === null) return false
    this.agenda.remove(next)
    if (next.at > this.time) this.standing = 0
    else if (++this.standing > this.maxStandstill) {
      throw new HeddleError(
        "EBUSY",
        `${this.maxStandstill} timers ran at ${this.time} ms (maxStandstill): something sets timers of 0 ms without end`,
      )
    }
    this.time = Math.max(this.time, next.at)
    next.run()
    return true
  }

  /** Runs all that is due up to `until`, this moment included, without a pause for promises; then it is `until`. */
  run(until: number): void {
    while (this.next <= until) this.step()
    if (until > this.time && until !== Number.POSITIVE_INFINITY) this.time = until
  }

  /** Lets `milliseconds` pass, and before each moment at which something happens all promises that can go on. */
  async advance(milliseconds: number): Promise<void> {
    const until = this.time + milliseconds
    await this.settle()
    while (this.next <= until) {
      this.run(this.next)
      await this.settle()
    }
    this.run(until)
  }

  /** Resolves when the promises and immediates that are due without any time passing have had their turns. */
  async settle(): Promise<void> {
    for (let round = 0; round < 2 || (round < MOST_ROUNDS && this.busy()); round++) {
      await new Promise<void>(resolve => setTurn(resolve))
    }
  }

  /** True while functions of the program wait for the next turn; only who watches `setImmediate` can know. */
  protected busy(): boolean {
    return false
  }
}

/** The real one: whoever replaces the global function must not hear of our turns. */
const setTurn = setImmediate
