import { xorshift32 } from "../../random.ts"

/** Odd and without a pattern in its bits: spreads small seeds, whose first numbers would resemble each other. */
const SPREAD = 0x9e3779b1

/**
 * When requests are due, in milliseconds from the beginning, ascending: a Poisson process, as many clients that know
 * nothing of each other make. It is fixed before the first request and knows nothing of the answers. Exactly
 * `rate * seconds` arrivals (a Poisson process with a known number of arrivals is so many independent uniform times),
 * so that everybody is asked for the same; the same seed gives the same schedule.
 */
export function poissonSchedule(rate: number, seconds: number, seed: number): Float64Array {
  const next = xorshift32(Math.imul(seed + 1, SPREAD))
  const span = seconds * 1000
  return Float64Array.from({ length: Math.max(1, Math.round(rate * seconds)) }, () => (next() / 2 ** 32) * span).sort()
}
