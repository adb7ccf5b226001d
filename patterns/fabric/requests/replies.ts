import type { HeddleError } from "../../../core/errors.ts"
import { Queue } from "../../../core/queue.ts"
import type { Interest } from "../interest.ts"
import type { Parcel } from "../link/write.ts"
import type { FabricMessage } from "../message.ts"
import type { Topic } from "../topics.ts"
import { type Call, CREDIT_AHEAD, type RequestLimits, type Requests } from "./requests.ts"

/** When to stop waiting for replies. */
export interface RepliesEnd {
  /** Replies at most; 0 = no limit. */
  readonly max: number
  /** Milliseconds after a reply within which the next must come; 0 = no limit. */
  readonly stall: number
  /** True for a reply that is the last; it is not handed out. */
  readonly sentinel: ((message: FabricMessage) => boolean) | null
  /** An error of one server ends everything (a stream), or counts only when nobody answers (many servers). */
  readonly strict: boolean
}

/** The replies of one or several servers, as an async iterator with flow control. */
export class Replies implements AsyncIterableIterator<FabricMessage, undefined> {
  private readonly requests: Requests
  private readonly end: RepliesEnd
  private readonly waiting = new Queue<{ message: FabricMessage; call: Call | null }>()
  private waiter: {
    resolve(result: IteratorResult<FabricMessage, undefined>): void
    reject(error: Error): void
  } | null = null
  private readonly calls = new Set<Call>()
  private left: number
  private count = 0
  private failure: HeddleError | null = null
  private over = false
  private timer: NodeJS.Timeout | undefined

  constructor(
    requests: Requests,
    topic: Topic,
    members: readonly Interest[],
    parcel: Parcel,
    limits: RequestLimits,
    end: RepliesEnd,
  ) {
    this.requests = requests
    this.end = end
    this.left = members.length
    for (const member of members) {
      let call: Call | null = null
      call = requests.start(topic, member, parcel, limits, CREDIT_AHEAD, {
        reply: (message, more) => this.take(message, call, more),
        failed: error => this.fail(error, call, limits),
      })
      // A local server cannot have answered yet: it answers in a later turn.
      if (call !== null) this.calls.add(call)
    }
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<FabricMessage, undefined>> {
    const first = this.waiting.shift()
    if (first !== undefined) {
      if (first.call !== null) this.requests.grant(first.call, 1)
      return Promise.resolve({ done: false, value: first.message })
    }
    if (this.over) {
      const { failure } = this
      this.failure = null
      return failure === null ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(failure)
    }
    return new Promise((resolve, reject) => {
      this.waiter = { resolve, reject }
    })
  }

  return(): Promise<IteratorResult<FabricMessage, undefined>> {
    this.stop()
    this.waiting.clear()
    this.failure = null
    return Promise.resolve({ done: true, value: undefined })
  }

  private take(message: FabricMessage | null, call: Call | null, more: boolean): void {
    if (this.over) return
    if (!more) this.oneLess(call)
    if (message !== null) {
      if (this.end.sentinel?.(message) === true) {
        this.stop()
        return
      }
      this.count++
      if (this.waiter !== null) {
        const { resolve } = this.waiter
        this.waiter = null
        if (more && call !== null) this.requests.grant(call, 1)
        resolve({ done: false, value: message })
      } else this.waiting.push({ message, call: more ? call : null })
    }
    if (this.count === this.end.max || this.left === 0) this.stop()
    else if (this.end.stall > 0) {
      clearTimeout(this.timer)
      this.timer = setTimeout(() => this.stop(), this.end.stall)
    }
  }

  private fail(error: HeddleError, call: Call | null, limits: RequestLimits): void {
    if (this.over) return
    this.oneLess(call)
    // With many servers the time limit is when to stop, unless nobody has answered at all.
    const expected = !this.end.strict && error.code === "ETIMEDOUT"
    if (this.end.strict || limits.signal?.aborted === true) {
      this.failure = error
      this.stop()
    } else {
      if (!expected && this.count === 0) this.failure ??= error
      if (this.left === 0) this.stop()
    }
  }

  private oneLess(call: Call | null): void {
    this.left--
    if (call !== null) this.calls.delete(call)
  }

  private stop(): void {
    if (this.over) return
    this.over = true
    clearTimeout(this.timer)
    if (this.count > 0 && !this.end.strict) this.failure = null
    for (const call of this.calls) this.requests.cancel(call, null)
    this.calls.clear()
    const { waiter, failure } = this
    if (waiter === null) return
    this.waiter = null
    this.failure = null
    if (failure === null) waiter.resolve({ done: true, value: undefined })
    else waiter.reject(failure)
  }
}
