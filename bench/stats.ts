export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** Median (of an even number: the mean of the middle two), least and greatest. Throws when there is nothing. */
export function spread(values: readonly number[]): Spread {
  if (values.length === 0) throw new Error("no values to take a median of")
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  return { median, min: sorted[0], max: sorted[sorted.length - 1] }
}

/** The `rank`-th percentile (0 < rank <= 100) of an ascending list, by nearest rank: a value that was measured. */
export function percentile(ascending: ArrayLike<number>, rank: number): number {
  if (ascending.length === 0) throw new Error("no values to take a percentile of")
  return ascending[Math.max(0, Math.ceil((ascending.length * rank) / 100) - 1)]
}

/** `count`, rounded up to whole steps, at least one. */
export function wholeSteps(count: number, step: number): number {
  return Math.max(1, Math.ceil(count / step)) * step
}

/**
 * How many messages a round of about `seconds` takes. `measure` does `count` of them and answers the seconds that they
 * took. It begins with `first`, grows until a try is long enough to judge by, and never asks for more than `limit`.
 */
export async function calibrate(
  seconds: number,
  first: number,
  limit: number,
  measure: (count: number) => Promise<number>,
): Promise<number> {
  // A try of a fifth of a round is long enough; each step grows at most eightfold, because early tries mislead:
  // just-in-time compilation and connection set-up weigh most in them.
  let count = Math.min(first, limit)
  for (;;) {
    const took = Math.max(await measure(count), 1e-6)
    const wanted = Math.max(1, Math.min(limit, Math.round((count * seconds) / took)))
    if (took >= seconds / 5 || wanted <= count || count >= limit) return wanted
    count = Math.min(wanted, count * 8)
  }
}
