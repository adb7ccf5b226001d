/** The burst is what is allowed in so many seconds: clients send in bunches, after a reconnect above all. */
const BURST = 2

/**
 * A token bucket for messages and bytes. What is refused costs as much as what is taken, so that a client that is not impressed goes
 * into debt: `flooded` when it owes a whole burst.
 */
export class RateLimit {
  private readonly messages: number
  private readonly bytes: number
  private messagesLeft: number
  private bytesLeft: number
  private at: number

  /** Per second; 0 = no limit. `now`: milliseconds of performance.now(). */
  constructor(messages: number, bytes: number, now: number) {
    this.messages = messages
    this.bytes = bytes
    this.messagesLeft = messages * BURST
    this.bytesLeft = bytes * BURST
    this.at = now
  }

  /** Bytes that came. */
  arrived(bytes: number, now: number): void {
    const seconds = (now - this.at) / 1_000
    this.at = now
    this.messagesLeft = Math.min(this.messages * BURST, this.messagesLeft + seconds * this.messages)
    this.bytesLeft = Math.min(this.bytes * BURST, this.bytesLeft + seconds * this.bytes) - bytes
  }

  /** One message; false = it is beyond the limit. */
  take(): boolean {
    this.messagesLeft--
    return (this.messages === 0 || this.messagesLeft >= 0) && (this.bytes === 0 || this.bytesLeft >= 0)
  }

  get flooded(): boolean {
    return (
      (this.messages > 0 && this.messagesLeft < -this.messages * BURST) ||
      (this.bytes > 0 && this.bytesLeft < -this.bytes * BURST)
    )
  }
}
