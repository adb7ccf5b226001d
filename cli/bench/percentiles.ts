/** Microseconds. */
export interface RoundTrips {
  p50: number
  p90: number
  p99: number
  p999: number
  max: number
}

/** `times` in milliseconds; it is sorted in place. */
export function summarize(times: Float64Array): RoundTrips {
  times.sort()
  const at = (rank: number): number => percentile(times, rank) * 1000
  return { p50: at(50), p90: at(90), p99: at(99), p999: at(99.9), max: at(100) }
}

/** The `rank`-th percentile (0 < rank <= 100) of an ascending list, by nearest rank: a value that was measured. */
export function percentile(ascending: ArrayLike<number>, rank: number): number {
  // Rounded, or 99.9 % of 10,000 would be 9,990.000000000002 and thus the next rank.
  const place = Math.ceil(Number(((ascending.length * rank) / 100).toFixed(6)))
  return ascending[Math.max(0, place - 1)]
}
