import { HeddleError } from "../../core/errors.ts"

/** One limit of time for several waits in a row. */
export class Late {
  private timer: NodeJS.Timeout | undefined
  private fail: ((error: HeddleError) => void) | null = null
  private error: HeddleError | null = null

  /** `timeout` in milliseconds; undefined = none. `text`: what was waited for, asked when it is over. */
  constructor(timeout: number | undefined, text: () => string) {
    if (timeout === undefined) return
    this.timer = setTimeout(() => {
      this.error = new HeddleError("ETIMEDOUT", text())
      this.fail?.(this.error)
    }, timeout)
  }

  /** Resolves when `wait` calls back, rejects with ETIMEDOUT when it is too late. `wait` returns how to stop waiting. */
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
  }
}
