import { HeddleError } from "../../core/errors.ts"

export type Library = typeof import("@platformatic/kafka")
export type { Base, Connection, Reader, Writer } from "@platformatic/kafka"

/** The one thing of a newer Node that the client needs: without it, it fails at the first send on Node 20. */
function providePromiseResolvers(): void {
  if ("withResolvers" in Promise) return
  Object.defineProperty(Promise, "withResolvers", {
    configurable: true,
    writable: true,
    value<T>(this: PromiseConstructor) {
      let resolve!: (value: T | PromiseLike<T>) => void
      let reject!: (reason?: unknown) => void
      // A subclass of Promise makes its own kind.
      const promise = new this<T>((good, bad) => {
        resolve = good
        reject = bad
      })
      return { promise, resolve, reject }
    },
  })
}

/** The client is loaded when it is needed first: whoever has no Kafka need not install it. */
export async function loadLibrary(): Promise<Library> {
  providePromiseResolvers()
  try {
    return await import("@platformatic/kafka")
  } catch (cause) {
    if ((cause as { code?: string }).code !== "ERR_MODULE_NOT_FOUND") throw cause
    const text = "The Kafka client is not installed; install it with: npm install @platformatic/kafka"
    throw new HeddleError("ERR_MISSING_PACKAGE", text, { cause })
  }
}
