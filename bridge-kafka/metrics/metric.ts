/**
 * Counters, gauges and histograms that cost a record one addition to a field: a handle is made once for its labels and kept
 * by whoever counts. Not prom-client, the usual library: its counters look their labels up in a hash by text at every increment, with or without
 * labels, and these stand in the way of each record; what is left of it (the text format) is a page.
 */

/** A number, counted here or read elsewhere when somebody looks. */
class Value {
  value = 0
  /** Called at each look instead of reading `value`: for what another part counts already. */
  read: (() => number) | null = null

  get current(): number {
    return this.read === null ? this.value : this.read()
  }
}

/** Only ever goes up. `counter.value += n` is as good as `add(n)`. */
export class Counter extends Value {
  add(count = 1): void {
    this.value += count
  }
}

/** Goes up and down. */
export class Gauge extends Value {
  set(value: number): void {
    this.value = value
  }
}

/** Counts of values up to each of some bounds. */
export class Histogram {
  /** Ascending; the last bucket, +Inf, is not among them. */
  readonly bounds: readonly number[]
  /** Values in each bucket alone, one more than there are bounds. */
  readonly counts: Float64Array
  sum = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  /** A dozen bounds are searched through faster than halved. */
  observe(value: number): void {
    let at = 0
    while (at < this.bounds.length && value > this.bounds[at]) at++
    this.counts[at]++
    this.sum += value
  }

  get count(): number {
    let count = 0
    for (const one of this.counts) count += one
    return count
  }
}

export type Metric = Counter | Gauge | Histogram
export type MetricType = "counter" | "gauge" | "histogram"
