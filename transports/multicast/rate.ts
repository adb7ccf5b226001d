/**
 * Token bucket: so many bytes a second, with bursts of at most `capacity`. It may be overdrawn by the packet that finds it
 * not empty, so that a packet longer than the capacity passes, too.
 */
export class TokenBucket {
  /** All that was ever let in, what did not fit included: shares of it can be reckoned from differences. */
  granted = 0
  private readonly perMillisecond: number
  private readonly capacity: number
  private tokens: number
  private at: number

  /** `rate` in bytes a second. */
  constructor(rate: number, capacity: number, now: number) {
    this.perMillisecond = rate / 1_000
    this.capacity = capacity
    this.tokens = capacity
    this.at = now
  }

  /** Whether something may be taken now. */
  ready(now: number): boolean {
    this.put((now - this.at) * this.perMillisecond)
    this.at = now
    return this.tokens > 0
  }

  take(bytes: number): void {
    this.tokens -= bytes
  }

  put(bytes: number): void {
    this.granted += bytes
    this.tokens = Math.min(this.capacity, this.tokens + bytes)
  }

  /** When something may be taken again, as far as time alone brings it. A little late, lest it is asked too early again. */
  readyAt(now: number): number {
    return this.tokens > 0 ? now : now + 0.01 + -this.tokens / this.perMillisecond
  }
}
