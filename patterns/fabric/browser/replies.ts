import type { HeddleError } from "../../../core/errors.ts"
import { Queue } from "../../../core/queue.ts"
import { ASK_MANY, ASK_STREAM } from "../edge/protocol.ts"
import type { Call, CallLimits, Calls } from "./calls.ts"
import type { FabricMessage } from "./message.ts"
import type { RequestOptions } from "./options.ts"
import type { Parcel } from "./outbox.ts"

export interface RequestManyOptions extends RequestOptions {
  /** Replies at most. Default 0: as many as come. */
  max?: number
  /** Milliseconds in all. Default: `timeout`. */
  wait?: number
  /** Milliseconds after a reply within which the next must come. Default 0: no limit. */
  stall?: number
  /** True for a reply that says that it was the last; it is not handed out. */
  sentinel?: (message: FabricMessage) => boolean
}

/** When to stop waiting for replies: as in `RequestManyOptions`. */
export interface RepliesEnd {
  readonly max: number
  readonly stall: number
  readonly sentinel: ((message: FabricMessage) => boolean) | null
  /** One server whose errors count (a stream), or many, of which it is enough that some answer. */
  readonly strict: boolean
}

interface Reader {
  resolve(result: IteratorResult<FabricMessage, undefined>): void
  reject(error: unknown): void
}

/** The replies to one request, as an async iterator with flow control. */
export class Replies implements AsyncIterableIterator<FabricMessage, undefined> {
  private readonly calls: Calls
  private readonly end: RepliesEnd
  private readonly call: Call | null
  /** Bounded by the credit that the node has. */
  private readonly waiting = new Queue<FabricMessage>()
  private readonly readers: Reader[] = []
  private count = 0
  private failure: { readonly error: unknown } | null = null
  private over = false
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(calls: Calls, parcel: Parcel, limits: CallLimits, end: RepliesEnd) {
    this.calls = calls
    this.end = end
    this.call = calls.start(end.strict ? ASK_STREAM : ASK_MANY, parcel, limits, {
      reply: (message, more) => this.take(message, more),
      failed: error => this.fail(error, limits.signal),
    })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<FabricMessage, undefined>> {
    const message = this.waiting.shift()
    if (message !== undefined) {
      this.grant()
      return Promise.resolve({ done: false, value: message })
    }
    if (this.over) return this.last()
    return new Promise((resolve, reject) => this.readers.push({ resolve, reject }))
  }

  return(): Promise<IteratorResult<FabricMessage, undefined>> {
    this.stop(null)
    this.waiting.clear()
    this.failure = null
    return Promise.resolve({ done: true, value: undefined })
  }

  /** What comes after the last reply: the error, once, and then nothing. */
  private last(): Promise<IteratorResult<FabricMessage, undefined>> {
    const { failure } = this
    this.failure = null
    return failure === null ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(failure.error)
  }

  private take(message: FabricMessage | null, more: boolean): void {
    if (this.over) return
    if (message !== null) {
      if (this.isSentinel(message)) return
      this.count++
      const reader = this.readers.shift()
      if (reader !== undefined) {
        this.grant()
        reader.resolve({ done: false, value: message })
      } else this.waiting.push(message)
    }
    if (!more || this.count === this.end.max) this.stop(null)
    else if (this.end.stall > 0) {
      clearTimeout(this.timer)
      this.timer = setTimeout(() => this.stop(null), this.end.stall)
    }
  }

  /** The user's function must not throw into the connection. */
  private isSentinel(message: FabricMessage): boolean {
    try {
      if (this.end.sentinel?.(message) !== true) return false
      this.stop(null)
    } catch (error) {
      this.stop({ error })
    }
    return true
  }

  private fail(error: HeddleError, signal: AbortSignal | undefined): void {
    // With many servers the time limit is when to stop, and those that answered count; unless the user or the connection ends it.
    const counts = this.end.strict || signal?.aborted === true || error.code === "EBADF" || error.code === "ECONNRESET"
    if (counts || (error.code !== "ETIMEDOUT" && this.count === 0)) this.stop({ error })
    else this.stop(null)
  }

  private grant(): void {
    if (this.call !== null && !this.over) this.calls.grant(this.call)
  }

  private stop(failure: { readonly error: unknown } | null): void {
    if (this.over) return
    this.over = true
    this.failure = failure
    clearTimeout(this.timer)
    // Not there yet while the constructor is at work: then there is nothing to cancel.
    if (this.call) this.calls.cancel(this.call)
    for (const { resolve, reject } of this.readers.splice(0)) this.last().then(resolve, reject)
  }
}
