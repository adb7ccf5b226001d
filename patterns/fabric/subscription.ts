import { closedError, HeddleError } from "../../core/errors.ts"
import { hold, release } from "../../core/keep-alive.ts"
import { turnIsSpent } from "../../core/turn.ts"
import { Backlog, Lane, type LanePolicy } from "./backlog.ts"
import { Had } from "./had.ts"
import type { InterestSpec } from "./interest.ts"
import type { Link } from "./link/link.ts"
import type { FabricMessage } from "./message.ts"

export type Handler<T> = (message: FabricMessage<T>) => unknown

/** What a subscription needs of its node. */
export interface SubscriptionHost {
  /** Who publishes shall wait, or may go on. */
  pause(subscription: Subscription): void
  resume(subscription: Subscription): void
  /** Publishers are told that it ends; resolves when what they had sent before has come. */
  retire(subscription: Subscription): Promise<void>
  /** A message of a queue group is done. */
  done(subscription: Subscription, link: Link | null): void
  dropped(subscription: Subscription, reason: "full" | "conflated" | "stale"): void
  failed(subscription: Subscription, error: unknown): void
  ended(subscription: Subscription): void
}

interface Held {
  readonly message: FabricMessage
  readonly link: Link | null
}

/**
 * A blocking subscriber asks publishers to wait when this share of its limit is taken, so that what is on the way finds
 * room, and lets them go on at the lower one.
 */
const PAUSE_AT = 0.75
const RESUME_AT = 0.25

/** What is on the way when publishers are asked to wait is bounded by their windows; it must not be refused here. */
const ON_THE_WAY = 2 ** 31

/**
 * One wish for messages, by handler or as an async iterator. Messages wait here, bounded by the policy, while the handler's promise
 * is pending or nobody asks for the next.
 */
export class Subscription<T = unknown> implements AsyncIterable<FabricMessage<T>> {
  // What every message needs, together: of a million subscriptions each is a miss of the cache.
  private readonly handler: Handler<unknown> | null
  /** Made when the first message has to wait. */
  private backlog: Backlog<Held> = NONE_WAIT
  private readonly concurrency: number
  private readonly most: number
  private running = 0
  /** Messages given to the handler or iterator. */
  delivered = 0
  private draining = false
  private ended = false
  /** Nothing new is taken; what waits is still handled. */
  private closing = false
  /** Member of a queue group: publishers hear of each message that is done. */
  private readonly isMember: boolean
  readonly spec: InterestSpec
  /** @internal With history: what has come from each publisher. */
  readonly had: Had
  /**
   * Resolves when all peers that are known know of the subscription: what they publish from then on arrives. Also when
   * it ends before.
   */
  ready: Promise<void> = Promise.resolve()
  /** Messages whose handler threw, or whose promise was rejected. */
  failed = 0
  /** Messages lost here, because it was too slow. */
  dropped = 0
  /** Messages that publishers had to drop because the way here was too slow, as they say. */
  droppedBefore = 0
  private readonly host: SubscriptionHost
  private lane: Lane | null = null
  private readonly waiters: { resolve(result: IteratorResult<FabricMessage>): void }[] = []
  private scheduled = false
  private paused = false
  /** `drain` was called: publishers are told, what is on the way is still taken. */
  private retiring: Promise<void> | null = null
  private whenIdle: (() => void)[] = []
  private iterating = false

  constructor(
    host: SubscriptionHost,
    spec: InterestSpec,
    handler: Handler<T> | null,
    concurrency: number,
    most: number,
  ) {
    this.host = host
    this.spec = spec
    this.had = spec.history > 0 ? new Had() : NOTHING_HAD
    this.isMember = spec.group !== ""
    this.handler = handler as Handler<unknown> | null
    this.concurrency = concurrency
    this.most = most
    if (handler !== null) hold()
  }

  get pattern(): string {
    return this.spec.pattern
  }

  /** Queue group; "" = none. */
  get queue(): string {
    return this.spec.group
  }

  get closed(): boolean {
    return this.retiring !== null || this.ended
  }

  /** Messages that wait here. */
  get queued(): number {
    return this.backlog.length
  }

  /** @internal A blocking subscription that publishers of this node must wait for. */
  get full(): boolean {
    return this.spec.policy.policy === "block" && this.backlog.length >= this.spec.policy.limit
  }

  /** @internal From a link: handled at once when nothing is before it. */
  deliver(message: FabricMessage, link: Link | null): void {
    // Not by their truth, which takes V8 five comparisons each (as in core/pipe.ts).
    if (this.ended === true || this.closing === true) return
    if (this.backlog.length === 0 && this.draining === false) {
      if (this.handler !== null && this.running < this.concurrency) {
        this.call(message, link)
        return
      }
      const waiter = this.waiters.shift()
      if (waiter !== undefined) {
        this.hand(waiter.resolve, message, link)
        return
      }
    }
    this.enqueue(message, link)
  }

  /** @internal From this node itself: never from within `publish`. False = dropped. */
  post(message: FabricMessage): boolean {
    if (this.ended || this.closing) return true
    const taken = this.enqueue(message, null)
    if (taken && !this.scheduled) {
      this.scheduled = true
      if (due.push(this) === 1) process.nextTick(workDue)
    }
    return taken
  }

  /** Ends it: publishers are told, and what waits is forgotten. Idempotent. */
  unsubscribe(): void {
    if (this.ended) return
    this.ended = true
    while (this.backlog.shift(0) !== undefined);
    this.host.ended(this)
    if (this.handler !== null) release()
    for (const waiter of this.waiters.splice(0)) {
      release()
      waiter.resolve({ done: true, value: undefined })
    }
    for (const done of this.whenIdle.splice(0)) done()
  }

  /** Publishers are told, and what they had sent before is still handled; resolves when that is done. */
  async drain(): Promise<void> {
    if (this.ended) return
    this.retiring ??= this.host.retire(this)
    await this.retiring
    if (this.ended) return
    if (!this.closing) {
      this.closing = true
      this.host.ended(this)
    }
    if (
      this.handler === null ? this.backlog.length > 0 && this.iterating : this.backlog.length > 0 || this.running > 0
    ) {
      await new Promise<void>(resolve => this.whenIdle.push(resolve))
    }
    this.unsubscribe()
  }

  [Symbol.dispose](): void {
    this.unsubscribe()
  }

  /** Messages in order of arrival, until the subscription ends. Leaving the loop ends it. Throws EINVAL when it has a handler. */
  [Symbol.asyncIterator](): AsyncIterator<FabricMessage<T>, undefined> {
    if (this.handler !== null) {
      throw new HeddleError("EINVAL", `The subscription to ${this.pattern} has a handler; leave it out to iterate`)
    }
    this.iterating = true
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

  private next(): Promise<IteratorResult<FabricMessage>> {
    // Those who asked before are served first.
    const held = this.waiters.length === 0 ? this.backlog.shift(performance.now()) : undefined
    this.afterShift()
    if (held !== undefined) return new Promise(resolve => this.hand(resolve, held.message, held.link, true))
    if (this.closing || this.ended) {
      for (const done of this.whenIdle.splice(0)) done()
      return Promise.resolve({ done: true, value: undefined })
    }
    hold()
    return new Promise(resolve => this.waiters.push({ resolve }))
  }

  private hand(
    resolve: (result: IteratorResult<FabricMessage>) => void,
    message: FabricMessage,
    link: Link | null,
    held = false,
  ): void {
    if (!held) release()
    this.delivered++
    if (this.isMember) this.host.done(this, link)
    resolve({ done: false, value: message })
    if (this.delivered === this.most) this.unsubscribe()
  }

  private enqueue(message: FabricMessage, link: Link | null): boolean {
    if (this.lane === null) this.makeBacklog()
    const taken = this.backlog.push(
      this.lane as unknown as Lane,
      message.subject,
      { message, link },
      message.size,
      performance.now(),
    )
    const { policy, limit } = this.spec.policy
    if (policy === "block" && !this.paused && this.backlog.length >= limit * PAUSE_AT) {
      this.paused = true
      this.host.pause(this)
    }
    return taken
  }

  private makeBacklog(): void {
    this.lane = new Lane(laneOf(this.spec.policy))
    this.backlog = new Backlog<Held>((_lane, held, reason) => {
      this.dropped++
      if (this.isMember) this.host.done(this, held.link)
      this.host.dropped(this, reason)
    })
  }

  private afterShift(): void {
    if (this.paused && this.backlog.length <= this.spec.policy.limit * RESUME_AT) {
      this.paused = false
      this.host.resume(this)
    }
  }

  /** @internal Gives what waits to whoever has time, within the budget of the turn. */
  work(): void {
    this.scheduled = false
    if (this.draining) return
    this.draining = true
    while (!this.ended && this.backlog.length > 0) {
      if (this.handler === null ? this.waiters.length === 0 : this.running >= this.concurrency) break
      const held = this.backlog.shift(performance.now())
      // Also when all were stale: publishers wait for the room.
      this.afterShift()
      if (held === undefined) break
      if (this.handler === null) {
        const waiter = this.waiters.shift() as { resolve(result: IteratorResult<FabricMessage>): void }
        this.hand(waiter.resolve, held.message, held.link)
      } else this.call(held.message, held.link)
      if (turnIsSpent() && this.backlog.length > 0) {
        if (!this.scheduled) {
          this.scheduled = true
          setImmediate(() => this.work())
        }
        break
      }
    }
    this.draining = false
    if (this.backlog.length === 0) {
      // Of a million subscriptions few have something to wait for: the next that has makes it anew.
      this.backlog = NONE_WAIT
      this.lane = null
    }
    if (this.backlog.length === 0 && this.running === 0) for (const done of this.whenIdle.splice(0)) done()
  }

  private call(message: FabricMessage, link: Link | null): void {
    this.delivered++
    const last = this.delivered === this.most
    try {
      const result = (this.handler as Handler<unknown>)(message)
      if (result !== undefined && result !== null && typeof (result as Promise<unknown>).then === "function") {
        this.running++
        ;(result as Promise<unknown>).then(
          () => this.finished(link),
          error => {
            this.fail(error)
            this.finished(link)
          },
        )
      } else if (this.isMember === true) this.host.done(this, link)
    } catch (error) {
      if (this.isMember) this.host.done(this, link)
      this.fail(error)
    }
    if (last) this.unsubscribe()
  }

  private fail(error: unknown): void {
    this.failed++
    this.host.failed(this, error)
  }

  private finished(link: Link | null): void {
    this.running--
    if (this.isMember) this.host.done(this, link)
    if (this.backlog.length > 0) this.work()
    else if (this.running === 0) for (const done of this.whenIdle.splice(0)) done()
  }
}

/** Subscriptions that were given something by this node in this tick. */
let due: Subscription[] = []

function workDue(): void {
  const subscriptions = due
  due = []
  for (let i = 0; i < subscriptions.length; i++) {
    subscriptions[i].work()
    if (turnIsSpent() && i + 1 < subscriptions.length) {
      // In front of what was given meanwhile: each is in the list once.
      const more = due.length > 0
      due = subscriptions.slice(i + 1).concat(due)
      // Otherwise a tick is under way that takes these too.
      if (!more) setImmediate(workDue)
      return
    }
  }
}

/** Of subscriptions without history, which nobody asks. */
const NOTHING_HAD = new Had()

const NONE_WAIT = new Backlog<Held>(() => {})

function laneOf(policy: LanePolicy): LanePolicy {
  return policy.policy === "block" ? { ...policy, limit: policy.limit + ON_THE_WAY } : policy
}
