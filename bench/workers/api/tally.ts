import { createHistogram, type RecordableHistogram } from "node:perf_hooks"

/** Longest latency told apart, in nanoseconds: far above what a round lasts. Longer ones count as this. */
const LONGEST = 120e9

/** Latencies from a HDR histogram with three significant digits. Microseconds outside, nanoseconds inside. */
export class Latencies {
  private readonly histogram: RecordableHistogram = createHistogram({ lowest: 1, highest: LONGEST, figures: 3 })

  /** `milliseconds` may be zero, or noise below it. */
  add(milliseconds: number): void {
    this.histogram.record(Math.min(LONGEST, Math.max(1, Math.round(milliseconds * 1e6))))
  }

  /** The `rank`-th percentile in microseconds (0 < rank <= 100); zero when there is nothing. */
  percentile(rank: number): number {
    return this.histogram.count === 0 ? 0 : this.histogram.percentile(rank) / 1000
  }
}

/**
 * The books of an open loop. Latency counts from when a request was DUE, whether or not it could be sent then: waiting
 * behind a slow answer is part of it. All times are in milliseconds from the beginning of the schedule.
 */
export class Tally {
  /** Answers that came before the schedule was over: what the service kept up with. */
  inTime = 0
  answered = 0
  private readonly due: Float64Array
  private readonly span: number
  private readonly settled: Uint8Array
  private readonly latencies = new Latencies()
  private readonly lags = new Latencies()

  /** `span`: length of the schedule in milliseconds. */
  constructor(due: Float64Array, span: number) {
    this.due = due
    this.span = span
    this.settled = new Uint8Array(due.length)
  }

  sent(index: number, at: number): void {
    this.lags.add(at - this.due[index])
  }

  answer(index: number, at: number): void {
    if (this.settled[index] === 1) return
    this.settled[index] = 1
    this.answered++
    if (at <= this.span) this.inTime++
    this.latencies.add(at - this.due[index])
  }

  /**
   * No more answers count. Requests that failed, were not answered or not even sent have waited until `at` and are
   * latencies too: without them a service that stops answering would look fast.
   */
  close(at: number): void {
    for (let i = 0; i < this.due.length; i++) {
      if (this.settled[i] === 1) continue
      this.settled[i] = 1
      this.latencies.add(at - this.due[i])
    }
  }

  /** Percentiles and the lag of the sender in microseconds, `reached` in answers a second within the schedule. */
  get result() {
    return {
      p50: this.latencies.percentile(50),
      p99: this.latencies.percentile(99),
      p999: this.latencies.percentile(99.9),
      lag: this.lags.percentile(99),
      reached: (this.inTime * 1000) / this.span,
      lost: this.due.length - this.answered,
      answered: this.answered,
    }
  }
}
