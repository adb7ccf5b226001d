import { HeddleError } from "../core/errors.ts"

export interface BackoffOptions {
  /** Milliseconds: the first wait is a random part of it. Default 100. */
  readonly min?: number
  /** Milliseconds: no wait is longer. Default 60,000. */
  readonly max?: number
  /** 0 up to, not including, 1. Default Math.random. */
  readonly random?: () => number
}

/**
 * How long to wait before the next attempt: a random part ("full jitter") of a time that doubles with each attempt up to
 * `max`, so that many instances that lost one broker do not come back all at once.
 */
export class Backoff {
  private readonly min: number
  private readonly max: number
  private readonly random: () => number
  private tries = 0

  constructor({ min = 100, max = 60_000, random = Math.random }: BackoffOptions = {}) {
    if (!(min >= 1 && max >= min)) {
      throw new HeddleError(
        "EINVAL",
        `Invalid argument: back-off from ${min} to ${max} ms; min must be 1 or more, max not less`,
      )
    }
    this.min = min
    this.max = max
    this.random = random
  }

  /** Attempts since the last success. */
  get attempts(): number {
    return this.tries
  }

  /** Milliseconds to wait now; counts as an attempt. */
  next(): number {
    // 2 ** 31 is more than any max; beyond, the power would become Infinity, and Infinity * 0 no number.
    const most = Math.min(this.max, this.min * 2 ** Math.min(this.tries++, 31))
    return this.random() * most
  }

  /** After a success: the next failure begins small again. */
  reset(): void {
    this.tries = 0
  }

  /**
   * Waits as long as `next` says. Resolves with false as soon as `signal` is aborted, so that no loop needs a catch. The
   * timer does not keep the process alive.
   */
  wait(signal?: AbortSignal): Promise<boolean> {
    if (signal?.aborted === true) return Promise.resolve(false)
    return new Promise(resolve => {
      const done = (waited: boolean): void => {
        clearTimeout(timer)
        signal?.removeEventListener("abort", stop)
        resolve(waited)
      }
      const stop = (): void => done(false)
      const timer = setTimeout(done, this.next(), true)
      timer.unref()
      signal?.addEventListener("abort", stop)
    })
  }
}
