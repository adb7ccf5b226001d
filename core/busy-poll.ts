/**
 * While an answer is expected at any moment, the event loop looks for it instead of sleeping: to put a processor to sleep
 * and to wake it costs more than most round trips on one machine. Where answers take longer, it soon leaves that be.
 */
import { clock } from "./clock.ts"
import { Payoff } from "./payoff.ts"

export class BusyPoll {
  private readonly limit: number
  private readonly wanted: () => boolean
  private readonly payoff = new Payoff()
  private until = 0
  private looking = false
  private found = false
  private readonly look = (): void => {
    const wanted = this.wanted()
    if (wanted && clock.now() < this.until) setImmediate(this.look)
    else {
      this.looking = false
      this.payoff.learn(this.found || !wanted)
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
      setImmediate(this.look)
    }
    this.until = now + this.limit
  }

  /** An answer has come. */
  answered(): void {
    this.found = true
  }
}
