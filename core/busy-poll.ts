/**
 * While an answer is expected at any moment, the event loop looks for it instead of sleeping: to put a processor to sleep
 * and to wake it costs more than most round trips on one machine.
 */
export class BusyPoll {
  private readonly limit: number
  private readonly wanted: () => boolean
  private until = 0
  private looking = false
  private readonly look = (): void => {
    if (performance.now() < this.until && this.wanted()) setImmediate(this.look)
    else this.looking = false
  }

  /** @param microseconds how long to look at most since the last `start`; 0 = never */
  constructor(microseconds: number, wanted: () => boolean) {
    this.limit = microseconds / 1000
    this.wanted = wanted
  }

  /** Something was sent that will be answered. `now`: milliseconds of `performance.now`. */
  start(now: number): void {
    if (this.limit === 0) return
    this.until = now + this.limit
    if (this.looking) return
    this.looking = true
    setImmediate(this.look)
  }
}
