import { closedError, HeddleError } from "../../core/errors.ts"
import { hold, release } from "../../core/keep-alive.ts"

/** Sends and pushes that wait for room. */
export class Waits {
  private readonly pending = new Set<Promise<unknown>>()
  private readonly isClosed: () => boolean

  constructor(isClosed: () => boolean) {
    this.isClosed = isClosed
  }

  get length(): number {
    return this.pending.size
  }

  /** Resolves when those that wait now do not any more. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.pending)
  }

  /** Tries again and again, as `attempt` arranges by what it returns instead of a result: how to stop waiting. */
  for<T extends object>(
    what: string,
    { timeout, signal }: { timeout?: number; signal?: AbortSignal },
    attempt: (again: () => void) => T | (() => void),
  ): Promise<T> {
    const result = new Promise<T>((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined
      let stop: () => void = () => {}
      const end = (): void => {
        clearTimeout(timer)
        signal?.removeEventListener("abort", aborted)
        stop()
        release()
      }
      const fail = (error: unknown): void => {
        end()
        reject(error)
      }
      const aborted = (): void => fail(new HeddleError("ECANCELED", `${what} was cancelled`, { cause: signal?.reason }))
      const again = (): void => {
        if (this.isClosed()) {
          fail(closedError("Fabric"))
          return
        }
        try {
          const result = attempt(again)
          if (typeof result === "function") stop = result as () => void
          else {
            end()
            resolve(result)
          }
        } catch (error) {
          fail(error)
        }
      }
      hold()
      if (timeout !== undefined) {
        timer = setTimeout(() => fail(new HeddleError("ETIMEDOUT", `${what}: no room within ${timeout} ms`)), timeout)
      }
      if (signal?.aborted === true) aborted()
      else {
        signal?.addEventListener("abort", aborted, { once: true })
        again()
      }
    })
    this.pending.add(result)
    const over = (): void => void this.pending.delete(result)
    result.then(over, over)
    return result
  }
}
