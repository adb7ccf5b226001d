/** Waiting for less is not worth a timer: those of Node come a millisecond late. */
const LEAST_WAIT = 1

/** When the next record may go. */
export class Pace {
  /** Records have no other limit than what the way takes. */
  readonly free: boolean
  private readonly rate: number
  private readonly original: boolean
  private readonly began = performance.now()
  private first = 0
  private count = 0

  /** `rate`: records a second; `original`: as far apart as their times are. */
  constructor(rate: number, original: boolean) {
    this.rate = rate
    this.original = original
    this.free = !original && rate === Number.POSITIVE_INFINITY
  }

  /** Milliseconds to wait before a record of this time; 0 = it may go. Ask once for each. */
  before(timestamp: number): number {
    const count = this.count++
    if (count === 0) this.first = timestamp
    const due = this.original ? timestamp - this.first : (count / this.rate) * 1_000
    const left = this.began + due - performance.now()
    return left < LEAST_WAIT ? 0 : left
  }
}

/** Longest timeout that Node takes. */
const LONGEST = 2 ** 31 - 1

/** Resolves after so many milliseconds, or when the signal is aborted. */
export async function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>(resolve => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener("abort", done)
      resolve()
    }
    const timer = setTimeout(done, Math.min(milliseconds, LONGEST))
    timer.unref()
    signal.addEventListener("abort", done, { once: true })
  })
}
