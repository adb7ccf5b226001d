import type { HeddleError } from "../../../core/errors.ts"
import { Queue } from "../../../core/queue.ts"
import type { Interest } from "../interest.ts"
import type { Parcel } from "../link/write.ts"
import type { FabricMessage } from "../message.ts"
import type { Topic } from "../topics.ts"
import { noResponders } from "./failures.ts"
import { type Call, CREDIT_AHEAD, type ReplySink, type RequestLimits, type Requests } from "./requests.ts"

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
  /** Calls of `next` that wait, when `waiting` is empty. */
  private readonly readers: {
    resolve(result: IteratorResult<FabricMessage, undefined>): void
    reject(error: unknown): void
  }[] = []
  private readonly calls = new Set<Call>()
  private left: number
  private count = 0
  private failed = false
  private failure: unknown = null
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
    this.begin(topic, members, parcel, limits)
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
    if (this.over) return this.last()
    return new Promise((resolve, reject) => this.readers.push({ resolve, reject }))
  }

  return(): Promise<IteratorResult<FabricMessage, undefined>> {
    this.stop()
    this.waiting.clear()
    this.failed = false
    return Promise.resolve({ done: true, value: undefined })
  }

  /** What comes after the last reply: the error, once, and then nothing. */
  private last(): Promise<IteratorResult<FabricMessage, undefined>> {
    if (!this.failed) return Promise.resolve({ done: true, value: undefined })
    this.failed = false
    return Promise.reject(this.failure)
  }

  private begin(topic: Topic, members: readonly Interest[], parcel: Parcel, limits: RequestLimits): void {
    for (const member of members) {
      let call: Call | null = null
      const sink: ReplySink = {
        reply: (message, more) => this.take(message, call, more),
        failed: error => this.fail(error, call, limits),
        spread: (servers, timeout) => {
          if (servers.length === 0) this.fail(noResponders(topic.subject), call, limits)
          else if (!this.over) {
            this.left += servers.length
            this.oneLess(call)
            this.begin(topic, servers, parcel, { ...limits, timeout })
          }
        },
      }
      call = this.requests.start(topic, member, parcel, limits, CREDIT_AHEAD, sink, this.end.strict)
      // A local server cannot have answered yet: it answers in a later turn.
      if (call !== null) this.calls.add(call)
    }
  }

  private take(message: FabricMessage | null, call: Call | null, more: boolean): void {
    if (this.over) return
    if (!more) this.oneLess(call)
    if (message !== null) {
      if (this.isSentinel(message)) return
      this.count++
      const reader = this.readers.shift()
      if (reader !== undefined) {
        if (more && call !== null) this.requests.grant(call, 1)
        reader.resolve({ done: false, value: message })
      } else this.waiting.push({ message, call: more ? call : null })
    }
    if (this.count === this.end.max || this.left === 0) this.stop()
    else if (this.end.stall > 0) {
      clearTimeout(this.timer)
      this.timer = setTimeout(() => this.stop(), this.end.stall)
    }
  }

  /** The user's function must not throw into the link that the reply came by. */
  private isSentinel(message: FabricMessage): boolean {
    try {
      if (this.end.sentinel?.(message) !== true) return false
      this.stop()
    } catch (error) {
      this.failed = true
      this.failure = error
      this.stop(true)
    }
    return true
  }

  private fail(error: HeddleError, call: Call | null, limits: RequestLimits): void {
    if (this.over) return
    this.oneLess(call)
    const ends = this.end.strict || limits.signal?.aborted === true || error.code === "EBADF"
    // With many servers the time limit is when to stop, not an error.
    if (ends || (error.code !== "ETIMEDOUT" && !this.failed)) {
      this.failed = true
      this.failure = error
    }
    if (ends || this.left === 0) this.stop(ends)
  }

  private oneLess(call: Call | null): void {
    this.left--
    if (call !== null) this.calls.delete(call)
  }

  /** `failed`: the error counts, whoever has answered before. */
  private stop(failed = false): void {
    if (this.over) return
    this.over = true
    clearTimeout(this.timer)
    if (this.count > 0 && !failed) this.failed = false
    for (const call of this.calls) this.requests.cancel(call, null)
    this.calls.clear()
    for (const { resolve, reject } of this.readers.splice(0)) this.last().then(resolve, reject)
  }
}
