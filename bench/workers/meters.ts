import { percentile } from "../stats.ts"
import type { Arguments } from "../task.ts"

/** Counts messages of a stream and keeps the time between the last of the warm-up and the last of all. */
export class StreamMeter {
  private readonly size: number
  private readonly warm: number
  private readonly end: number
  private seen = 0
  private started = 0
  private finished = 0
  private finish: () => void = () => {}
  /** Resolves when all have come. */
  readonly done = new Promise<void>(resolve => {
    this.finish = resolve
  })

  constructor(task: Arguments) {
    this.size = task.number("size")
    this.warm = task.number("warm")
    this.end = this.warm + task.number("count")
  }

  /** One message has come. True when it was the last. */
  message(length: number): boolean {
    if (length !== this.size) throw new Error(`a message of ${length} bytes instead of ${this.size}`)
    const seen = ++this.seen
    if (seen === this.warm) this.started = performance.now()
    if (seen < this.end) return false
    this.finished = performance.now()
    this.finish()
    return true
  }

  get result(): { seconds: number; count: number } {
    return { seconds: (this.finished - this.started) / 1000, count: this.end - this.warm }
  }
}

/** Makes `warm` trips, then times each of `count` by itself. */
export async function timeTrips(
  task: Arguments,
  trip: () => Promise<{ readonly length: number }>,
): Promise<{ seconds: number; count: number; p50: number; p99: number }> {
  const size = task.number("size")
  const count = task.number("count")
  const nanoseconds = new Float64Array(count)
  let start = 0n
  for (let i = -task.number("warm"); i < count; i++) {
    const before = process.hrtime.bigint()
    if (i === 0) start = before
    const answer = await trip()
    if (i >= 0) nanoseconds[i] = Number(process.hrtime.bigint() - before)
    if (answer.length !== size) throw new Error(`an answer of ${answer.length} bytes instead of ${size}`)
  }
  const seconds = Number(process.hrtime.bigint() - start) / 1e9
  nanoseconds.sort()
  return { seconds, count, p50: percentile(nanoseconds, 50) / 1000, p99: percentile(nanoseconds, 99) / 1000 }
}
