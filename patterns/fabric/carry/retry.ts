import { clock } from "../../../core/clock.ts"

/** Probe times until the first retry, and milliseconds until the last ones. */
const FIRST = 3
const LAST = 300_000

/** When something that failed is tried again: pauses that double, and begin anew once it has worked for long. */
export class Retry {
  private readonly first: number
  private pause: number
  private at = Number.NEGATIVE_INFINITY
  private workedAt = Number.POSITIVE_INFINITY

  constructor(probe: number) {
    this.first = FIRST * probe
    this.pause = this.first
  }

  get isDue(): boolean {
    return clock.now() >= this.at
  }

  works(): void {
    this.workedAt = Math.min(this.workedAt, clock.now())
  }

  later(): void {
    const now = clock.now()
    if (now - this.workedAt > 2 * this.pause) this.pause = this.first
    this.workedAt = Number.POSITIVE_INFINITY
    this.at = now + this.pause
    this.pause = Math.min(LAST, this.pause * 2)
  }
}
