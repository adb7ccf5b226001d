import { closedError, HeddleError } from "../../core/errors.ts"

/** Wakes whoever waits for interests or peers. */
export class Changes {
  private changed = new Set<() => void>()
  private readonly isClosed: () => boolean

  constructor(isClosed: () => boolean) {
    this.isClosed = isClosed
  }

  /** They have changed. */
  tell(): void {
    const { changed } = this
    if (changed.size === 0) return
    this.changed = new Set()
    for (const check of changed) check()
  }

  /** Checks again, whenever wishes or peers have changed, until `reached`. */
  until(
    reached: () => boolean,
    timeout: number | undefined,
    signal: AbortSignal | undefined,
    state: () => string,
  ): Promise<void> {
    if (reached()) return Promise.resolve()
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined
      let over = false
      const end = (error?: Error): void => {
        over = true
        this.changed.delete(check)
        clearTimeout(timer)
        signal?.removeEventListener("abort", aborted)
        if (error === undefined) resolve()
        else reject(error)
      }
      const aborted = (): void =>
        end(new HeddleError("ECANCELED", `Waiting was cancelled: ${state()}`, { cause: signal?.reason }))
      const check = (): void => {
        if (over) return
        if (this.isClosed()) end(closedError("Fabric"))
        else if (reached()) end()
        else this.changed.add(check)
      }
      if (signal?.aborted === true) {
        aborted()
        return
      }
      signal?.addEventListener("abort", aborted, { once: true })
      // Referenced: somebody waits.
      if (timeout !== undefined)
        timer = setTimeout(
          () => end(new HeddleError("ETIMEDOUT", `Not ready within ${timeout} ms: ${state()}`)),
          timeout,
        )
      check()
    })
  }
}
