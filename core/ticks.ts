import { clock } from "./clock.ts"

/** A time that several things share, in milliseconds of `clock.now`. */
export interface Moment {
  at: number
}

/**
 * What happens in one tick happens at one moment: to read the clock for each of a batch of requests takes a thirtieth of what
 * they cost. Nothing goes out before the tick is over, and no timer fires: the moment is its end, and its beginning until then.
 */
export class Ticks {
  private current: Moment | null = null
  private readonly ended: (now: number) => void
  private readonly end = (): void => {
    const now = clock.now()
    if (this.current !== null) this.current.at = now
    this.current = null
    this.ended(now)
  }

  /** `ended` is called at the end of each tick in which somebody asked for its moment. */
  constructor(ended: (now: number) => void) {
    this.ended = ended
  }

  get moment(): Moment {
    if (this.current === null) {
      this.current = { at: clock.now() }
      process.nextTick(this.end)
    }
    return this.current
  }
}
