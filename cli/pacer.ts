import { setTimeout as sleep } from "node:timers/promises"

export interface Clock {
  /** Milliseconds, monotonic. */
  now(): number
  sleep(milliseconds: number): Promise<void>
}

/** A pause this long (milliseconds) is not made up for: a burst would be no pacing. */
const FORGIVEN = 1_000

/** Spaces messages evenly. Each has its place on one schedule, so that late timers do not add up. */
export class Pacer {
  private readonly interval: number
  private readonly clock: Clock
  private due: number | null = null

  /** `rate`: messages a second. The signal ends a wait. */
  constructor(rate: number, signal: AbortSignal, clock: Clock = realClock(signal)) {
    this.interval = 1000 / rate
    this.clock = clock
  }

  /** Resolves when the next message may go. */
  async next(): Promise<void> {
    const now = this.clock.now()
    if (this.due === null || now - this.due > FORGIVEN) this.due = now
    if (this.due > now) await this.clock.sleep(this.due - now)
    this.due += this.interval
  }
}

function realClock(signal: AbortSignal): Clock {
  return {
    now: () => performance.now(),
    async sleep(milliseconds) {
      // An ended wait is no error here: the caller looks at the signal anyhow.
      await sleep(milliseconds, undefined, { signal }).catch(() => {})
    },
  }
}
