/** When the node takes no more for now, it is tried again after so many milliseconds: a bunch at a time. */
const PAUSE = 50

/**
 * How fast this client may talk: the node closes one that says more records a second than it allows (a token bucket on either side). What can wait,
 * does; all else counts, and finds room in the half of the node's burst that is not used here.
 */
export class Pace {
  /** Records a second; 0 = any number. */
  private rate = 0
  private left = 0
  private at = 0
  private readonly waiters: (() => void)[] = []
  private timer: ReturnType<typeof setTimeout> | undefined

  /** A new connection, and what its node allows. */
  reset(rate: number): void {
    this.rate = rate
    this.left = rate
    this.at = performance.now()
    this.wake()
  }

  /** One record was said. */
  spend(): void {
    this.left--
  }

  /** False = whatever can wait should. */
  get free(): boolean {
    if (this.rate === 0 || this.left >= 1) return true
    const now = performance.now()
    this.left = Math.min(this.rate, this.left + ((now - this.at) * this.rate) / 1_000)
    this.at = now
    return this.left >= 1
  }

  /** Calls once, when it is worth another look. */
  whenFree(wake: () => void): void {
    this.waiters.push(wake)
    this.timer ??= setTimeout(() => this.wake(), Math.max(PAUSE, 1_000 / this.rate))
  }

  /** Nothing is said any more: who waits may look, and finds that it is over. */
  stop(): void {
    this.rate = 0
    this.wake()
  }

  private wake(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    for (const wake of this.waiters.splice(0)) wake()
  }
}
