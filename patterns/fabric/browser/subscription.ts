import { closedError, HeddleError } from "../../../core/errors.ts"
import { Backlog, type DropReason, Lane, type LanePolicy } from "../backlog.ts"
import type { FabricMessage } from "./message.ts"

export type Handler<T> = (message: FabricMessage<T>) => unknown

/** What a subscription needs of its client. */
export interface SubscriptionHost {
  dropped(subscription: Subscription, reason: DropReason): void
  failed(subscription: Subscription, error: unknown): void
  /** A message was handled, handed out, or dropped here. */
  done(subscription: Subscription, message: FabricMessage): void
  /** The node is told; resolves when all that was on the way has come. */
  retire(subscription: Subscription): Promise<void>
  ended(subscription: Subscription): void
}

interface Waiter {
  resolve(result: IteratorResult<FabricMessage, undefined>): void
  reject(error: HeddleError): void
}

/** What a subscription was asked for. */
export interface SubscriptionSpec {
  readonly pattern: string
  /** Queue group; "" = none. */
  readonly queue: string
  /** Kept messages of each subject to begin with. */
  readonly history: number
  readonly policy: LanePolicy
  /** Handlers at a time. */
  readonly concurrency: number
  /** Ends by itself after so many messages; 0 = never. */
  readonly max: number
}

/**
 * One wish for messages, by handler or as an async iterator. Messages wait here, bounded by the policy, while the handler's promise is
 * pending or nobody asks for the next.
 */
export class Subscription<T = unknown> implements AsyncIterable<FabricMessage<T>> {
  /** @internal */
  readonly spec: SubscriptionSpec
  /**
   * Resolves when the node knows of it: what is published from then on arrives. Also when it ends before. Rejects when the node refuses it (EACCES: the
   * client may not subscribe to this).
   */
  ready: Promise<void> = Promise.resolve()
  /** Messages given to the handler or iterator. */
  delivered = 0
  /** Messages whose handler threw, or whose promise was rejected. */
  failed = 0
  /** Messages lost here, because it was too slow. */
  dropped = 0
  /** Messages that the node passed over because the way here was too slow, for newer ones of the same subject (policies "conflate" and "keep-last"). */
  droppedBefore = 0
  /** Messages that the node could not give: the connection was away too long, or too slow (`gap` events). */
  missed = 0
  private readonly host: SubscriptionHost
  private readonly handler: Handler<unknown> | null
  private readonly lane: Lane
  private readonly backlog: Backlog<FabricMessage>
  private readonly waiters: Waiter[] = []
  /** Why it ended, until a reader was told. */
  private error: HeddleError | null = null
  private running = 0
  private working = false
  private ended = false
  /** Nothing new is taken; what waits is still handled. */
  private closing = false
  private whenIdle: (() => void)[] = []

  /** @internal */
  constructor(host: SubscriptionHost, spec: SubscriptionSpec, handler: Handler<T> | null) {
    this.host = host
    this.spec = spec
    this.handler = handler as Handler<unknown> | null
    this.lane = new Lane(spec.policy)
    this.backlog = new Backlog((_lane, message, reason) => {
      this.dropped++
      host.done(this, message)
      host.dropped(this, reason)
    })
  }

  get pattern(): string {
    return this.spec.pattern
  }

  /** Queue group; "" = none. */
  get queue(): string {
    return this.spec.queue
  }

  get closed(): boolean {
    return this.ended || this.closing
  }

  /** Messages that wait here. */
  get queued(): number {
    return this.backlog.length
  }

  /** @internal */
  deliver(message: FabricMessage): void {
    if (this.ended || this.closing) return
    if (this.backlog.length === 0 && !this.working) {
      if (this.handler !== null && this.running < this.spec.concurrency) {
        this.call(message)
        return
      }
      const waiter = this.waiters.shift()
      if (waiter !== undefined) {
        this.hand(waiter, message)
        return
      }
    }
    this.backlog.push(this.lane, message.subject, message, message.size, performance.now())
  }

  /** Ends it: the node is told, and what waits is forgotten. Idempotent. */
  unsubscribe(): void {
    if (this.ended) return
    this.ended = true
    for (let message = this.backlog.shift(0); message !== undefined; message = this.backlog.shift(0))
      this.host.done(this, message)
    this.host.ended(this)
    for (const { resolve } of this.waiters.splice(0)) resolve({ done: true, value: undefined })
    this.tellIdle()
  }

  /** @internal The node refused it, or the client is closed: whoever waits for messages hears of it. */
  fail(error: HeddleError): void {
    if (this.ended) return
    this.error = error
    const reader = this.waiters.shift()
    if (reader !== undefined) {
      this.error = null
      reader.reject(error)
    }
    this.unsubscribe()
  }

  /** The node is told, and what it had sent before is still handled; resolves when that is done. */
  async drain(): Promise<void> {
    if (this.ended) return
    await this.host.retire(this)
    this.closing = true
    if (this.handler !== null && (this.backlog.length > 0 || this.running > 0))
      await new Promise<void>(resolve => this.whenIdle.push(resolve))
    this.unsubscribe()
  }

  [Symbol.dispose](): void {
    this.unsubscribe()
  }

  /** Messages in order of arrival, until the subscription ends. Leaving the loop ends it. Throws EINVAL when it has a handler. */
  [Symbol.asyncIterator](): AsyncIterator<FabricMessage<T>, undefined> {
    if (this.handler !== null)
      throw new HeddleError("EINVAL", `The subscription to ${this.pattern} has a handler; leave it out to iterate`)
    return {
      next: () => this.next() as Promise<IteratorResult<FabricMessage<T>, undefined>>,
      return: () => {
        this.unsubscribe()
        return Promise.resolve({ done: true, value: undefined })
      },
    }
  }

  /** The next message. Rejects with EBADF when the subscription has ended. */
  async receive(): Promise<FabricMessage<T>> {
    const result = await this.next()
    if (result.done === true) throw closedError("Subscription")
    return result.value as FabricMessage<T>
  }

  private next(): Promise<IteratorResult<FabricMessage, undefined>> {
    // Those who asked before are served first.
    const message = this.waiters.length === 0 ? this.backlog.shift(performance.now()) : undefined
    if (message !== undefined) return new Promise((resolve, reject) => this.hand({ resolve, reject }, message))
    const { error } = this
    if (error !== null) {
      this.error = null
      return Promise.reject(error)
    }
    if (this.closing || this.ended) return Promise.resolve({ done: true, value: undefined })
    return new Promise((resolve, reject) => this.waiters.push({ resolve, reject }))
  }

  private hand(waiter: Waiter, message: FabricMessage): void {
    this.delivered++
    this.host.done(this, message)
    waiter.resolve({ done: false, value: message })
    if (this.delivered === this.spec.max) this.unsubscribe()
  }

  private call(message: FabricMessage): void {
    this.delivered++
    const last = this.delivered === this.spec.max
    this.running++
    try {
      const result = (this.handler as Handler<unknown>)(message)
      if (typeof (result as Promise<unknown> | null | undefined)?.then === "function") {
        ;(result as Promise<unknown>).then(
          () => this.finish(message),
          error => this.finish(message, error, true),
        )
      } else this.finish(message)
    } catch (error) {
      this.finish(message, error, true)
    }
    if (last) this.unsubscribe()
  }

  private finish(message: FabricMessage, error?: unknown, failed = false): void {
    this.running--
    this.host.done(this, message)
    if (failed) {
      this.failed++
      this.host.failed(this, error)
    }
    this.work()
  }

  /** Gives what waits to the handler. Handlers that answer at once come back here: a loop, not a tower of calls. */
  private work(): void {
    if (this.working || this.handler === null) return
    this.working = true
    while (!this.ended && this.running < this.spec.concurrency) {
      const message = this.backlog.shift(performance.now())
      if (message === undefined) break
      this.call(message)
    }
    this.working = false
    this.tellIdle()
  }

  private tellIdle(): void {
    if (this.ended || (this.backlog.length === 0 && this.running === 0))
      for (const idle of this.whenIdle.splice(0)) idle()
  }
}
