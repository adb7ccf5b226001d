/**
 * While news is expected at any moment (the answer to a request, the next request of a client), the event loop looks for it
 * instead of sleeping: to put a processor to sleep and to wake it costs more than most round trips on one machine, on both
 * sides. Where news takes longer, it soon leaves that be.
 */
import { clock } from "./clock.ts"
import { Payoff } from "./payoff.ts"

/**
 * Milliseconds between a look and the news that it found. More than these and somebody else had the processor meanwhile, who may
 * have been waiting for it to make the news: a turn in which there is nothing to do takes a few microseconds.
 */
const CONTESTED = 0.015

export class BusyPoll {
  private readonly limit: number
  private readonly wanted: () => boolean
  private readonly payoff = new Payoff()
  private until = 0
  private looked = 0
  private looking = false
  private found = false
  private contested = false
  private readonly look = (): void => {
    const wanted = this.wanted()
    const now = clock.now()
    this.looked = now
    if (wanted && now < this.until && !this.contested) setImmediate(this.look)
    else {
      this.looking = false
      this.payoff.learn((this.found || !wanted) && !this.contested)
    }
  }

  /** @param microseconds how long to look at most since the last `start`; 0 = never */
  constructor(microseconds: number, wanted: () => boolean) {
    this.limit = microseconds / 1000
    this.wanted = wanted
  }

  /** Something was sent that will be answered. `now`: milliseconds of `performance.now`. */
  start(now: number): void {
    if (this.limit === 0) return
    if (!this.looking) {
      if (!this.payoff.isWorthATry) return
      this.looking = true
      this.found = false
      this.contested = false
      this.looked = now
      setImmediate(this.look)
    }
    this.until = now + this.limit
  }

  /** News has come; `at`, if it is known when. */
  answered(at = this.looked): void {
    this.found = true
    if (at - this.looked > CONTESTED) this.contested = true
  }
}
