/** Milliseconds beyond the usual from which a message was held up: the engine waits so long for one that was overtaken. */
const HELD_UP = 1.5

/** What messages took at an even pace. */
export interface Delays {
  /** Milliseconds of those that nothing held up, in the middle. */
  readonly usual: number
  /** Milliseconds of each that was lost, and repaired. */
  readonly late: readonly number[]
}

/** The first of those that come late together is the one that was lost; the others wait for it. */
export function stalls(delays: readonly number[]): Delays {
  const usual = [...delays].sort((a, b) => a - b)[delays.length >> 1]
  const isLate = (delay: number): boolean => delay > usual + HELD_UP
  return { usual, late: delays.filter((delay, i) => isLate(delay) && (i === 0 || !isLate(delays[i - 1]))) }
}
