import type { HeddleError } from "../../core/errors.ts"

/** One limit of time, and one signal, for several waits in a row. */
export class Late {
  private timer: NodeJS.Timeout | undefined
  private fail: ((error: HeddleError) => void) | null = null
  private error: HeddleError | null = null
  private readonly signal: AbortSignal | undefined
  private readonly aborted: () => void

  /** `timeout` in milliseconds; undefined = none. `make`: the error, asked for when it is over. */
  constructor(
    timeout: number | undefined,
    signal: AbortSignal | undefined,
    make: (code: "ETIMEDOUT" | "ECANCELED", cause: unknown) => HeddleError,
  ) {
    const over = (code: "ETIMEDOUT" | "ECANCELED", cause: unknown): void => {
      this.error ??= make(code, cause)
      this.fail?.(this.error)
    }
    this.signal = signal
    this.aborted = () => over("ECANCELED", signal?.reason)
    if (signal?.aborted === true) this.aborted()
    else signal?.addEventListener("abort", this.aborted, { once: true })
    if (timeout !== undefined) this.timer = setTimeout(() => over("ETIMEDOUT", undefined), timeout)
  }

  /** Resolves when `wait` calls back, rejects when it is too late. `wait` returns how to stop waiting. */
  async or(wait: (done: () => void) => () => void): Promise<void> {
    if (this.error !== null) throw this.error
    let stop: () => void = () => {}
    try {
      await new Promise<void>((resolve, reject) => {
        this.fail = reject
        stop = wait(resolve)
      })
    } finally {
      this.fail = null
      stop()
    }
  }

  end(): void {
    clearTimeout(this.timer)
    this.signal?.removeEventListener("abort", this.aborted)
  }
}
