import { clock } from "../../../core/clock.ts"
import { HeddleError } from "../../../core/errors.ts"
import { hold, release } from "../../../core/keep-alive.ts"
import { Queue } from "../../../core/queue.ts"
import type { InterestSpec } from "../interest.ts"
import type { FabricMessage } from "../message.ts"
import { whole } from "../options.ts"
import { encodeFailure, MOST_RETRY, ownFailure, withRetry } from "../requests/failures.ts"

/** What the handler of a worker gets besides the message. */
export interface TaskContext {
  /** 1 = for the first time; more: it was given to a worker before, which may have done it. */
  readonly deliveries: number
  /** Aborted when the pusher withdraws the task, or `ackWait` is over: nobody waits for it here. */
  readonly signal: AbortSignal
  /**
   * The task goes round again when the handler is through, as if it had thrown: after `delay` milliseconds, or as the pusher says
   * (`retryDelay`). Counts as a failure, so `maxDeliveries` ends it. Throws EINVAL. As `nak` of JetStream.
   */
  nak(delay?: number): void
  /**
   * No worker shall have the task again: when the handler is through it has failed for good, whatever `maxDeliveries` says. `reason`
   * is the text of the error at the pusher. As `term` of JetStream.
   */
  term(reason?: string): void
  /** The handler is still at it: `ackWait` begins again. May be called as often as you like; does nothing without `ackWait`. As `working` of JetStream. */
  working(): void
}

export type TaskHandler<T> = (message: FabricMessage<T>, task: TaskContext) => unknown

/** Says to the pusher what became of a task; a null failure = done. */
export type Acknowledge = (failure: Buffer | null, load: number) => void

export interface WorkerHost {
  /** The pusher hears that its task is being worked at. `from`: as for `take`. */
  working(from: object | null, id: number): void
  /** Pushers are told that it ends; resolves when they know. */
  retire(worker: Worker): Promise<void>
  ended(worker: Worker): void
}

/** A task that a worker has. */
class Given implements TaskContext {
  readonly message: FabricMessage
  readonly deliveries: number
  readonly acknowledge: Acknowledge
  readonly from: object | null
  readonly id: number
  withdrawn = false
  /** Its handler has begun. */
  begun = false
  /** When the pusher last heard that the handler is at work, by `clock.now`. */
  private told = Number.NEGATIVE_INFINITY
  private readonly worker: { readonly ackWait: number; working(from: object | null, id: number): void }
  /** What its handler has said of its future; null = nothing. */
  private verdict: { readonly retry: number | false | null; readonly reason: string } | null = null
  private controller: AbortController | null = null

  constructor(
    worker: Given["worker"],
    message: FabricMessage,
    deliveries: number,
    acknowledge: Acknowledge,
    from: object | null,
    id: number,
  ) {
    this.worker = worker
    this.message = message
    this.deliveries = deliveries
    this.acknowledge = acknowledge
    this.from = from
    this.id = id
  }

  get signal(): AbortSignal {
    this.controller ??= new AbortController()
    if (this.withdrawn) this.controller.abort(withdrawnError())
    return this.controller.signal
  }

  nak(delay?: number): void {
    const retry = delay === undefined ? null : whole("nak: delay", delay, 0, 0, MOST_RETRY)
    this.verdict = { retry, reason: "the handler wants it later" }
  }

  term(reason = "the handler says that it must not be tried again"): void {
    this.verdict = { retry: false, reason }
  }

  working(): void {
    const { ackWait } = this.worker
    const now = clock.now()
    // A handler may say so in a loop.
    if (ackWait === 0 || this.withdrawn || now - this.told < ackWait / WORD_EVERY) return
    this.told = now
    this.worker.working(this.from, this.id)
  }

  /** What to answer; null = it is done. `error`: what the handler has thrown, if `failed`. */
  failureOf(error: unknown, failed: boolean): Buffer | null {
    const { verdict } = this
    if (verdict === null) return failed ? encodeFailure(error) : null
    const failure = encodeFailure(failed ? error : new Error(verdict.reason))
    return verdict.retry === null ? failure : withRetry(failure, verdict.retry)
  }

  withdraw(): void {
    this.withdrawn = true
    this.controller?.abort(withdrawnError())
  }
}

/** One `work`: takes tasks, a bounded number at a time, and acknowledges each when its handler is through. */
export class Worker {
  readonly spec: InterestSpec
  /** Resolves when all peers that are known know of the worker. */
  ready: Promise<void> = Promise.resolve()
  done = 0
  failed = 0
  private readonly host: WorkerHost
  private readonly handler: TaskHandler<unknown>
  private readonly concurrency: number
  private readonly waiting = new Queue<Given>()
  /** Of those that wait: withdrawn, and passed over when their turn comes. */
  private stale = 0
  /** Those that it has, by pusher and number. */
  private readonly given = new Map<object | null, Map<number, Given>>()
  private running = 0
  private advancing = false
  private ended = false
  private closing = false
  private whenIdle: (() => void)[] = []

  constructor(host: WorkerHost, spec: InterestSpec, handler: TaskHandler<unknown>, concurrency: number) {
    this.host = host
    this.spec = spec
    this.handler = handler
    this.concurrency = concurrency
    hold()
  }

  get subject(): string {
    return this.spec.pattern
  }

  get closed(): boolean {
    return this.ended || this.closing
  }

  /** @internal Milliseconds; 0 = none. */
  get ackWait(): number {
    return this.spec.ackWait ?? 0
  }

  /** @internal */
  working(from: object | null, id: number): void {
    this.host.working(from, id)
  }

  get queued(): number {
    return this.waiting.length - this.stale
  }

  get busy(): number {
    return this.running
  }

  /** @internal Pushers give each worker no more than its capacity, so the queue is bounded by their number. */
  take(message: FabricMessage, deliveries: number, acknowledge: Acknowledge, from: object | null, id: number): void {
    // A task that crossed with our leaving goes to another worker.
    if (this.ended) {
      acknowledge(ended(), 0)
      return
    }
    const given = new Given(this, message, deliveries, acknowledge, from, id)
    const ofPusher = this.given.get(from)
    if (ofPusher === undefined) this.given.set(from, new Map([[id, given]]))
    else ofPusher.set(id, given)
    if (this.running < this.concurrency) this.run(given)
    else this.waiting.push(given)
  }

  /** @internal The pusher wants it no more. One that is not here any more has been answered. */
  withdraw(from: object | null, id: number): void {
    const given = this.given.get(from)?.get(id)
    if (given === undefined || given.withdrawn) return
    given.withdraw()
    if (given.begun) return
    this.forget(given)
    this.stale++
    given.acknowledge(
      ownFailure("ERR_NO_RESPONDERS", "it was withdrawn before its handler began"),
      this.running + this.queued,
    )
    if (this.stale > STALE_MOST && this.stale > this.queued) this.sweep()
    this.tellIdle()
  }

  /** No new tasks come; those at work and waiting are done. */
  async drain(): Promise<void> {
    if (this.ended) return
    if (!this.closing) {
      this.closing = true
      await this.host.retire(this)
      if (this.ended) return
      this.host.ended(this)
    }
    if (this.running > 0 || this.queued > 0) await new Promise<void>(resolve => this.whenIdle.push(resolve))
    this.close()
  }

  /** Ends it: tasks that wait go to other workers; what the handler has at hand is acknowledged when it is through. */
  close(): void {
    if (this.ended) return
    this.ended = true
    this.host.ended(this)
    for (let given = this.waiting.shift(); given !== undefined; given = this.waiting.shift()) {
      if (given.withdrawn) continue
      this.forget(given)
      given.acknowledge(ended(), 0)
    }
    this.stale = 0
    release()
    for (const idle of this.whenIdle.splice(0)) idle()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  private run(given: Given): void {
    this.running++
    given.begun = true
    let result: unknown
    try {
      result = this.handler(given.message, given)
      if (typeof (result as Promise<unknown> | null | undefined)?.then === "function") {
        ;(result as Promise<unknown>).then(
          () => this.finished(given, null, false),
          error => this.finished(given, error, true),
        )
        return
      }
    } catch (error) {
      this.finished(given, error, true)
      return
    }
    this.finished(given, null, false)
  }

  private finished(given: Given, error: unknown, failed: boolean): void {
    this.running--
    this.forget(given)
    const failure = given.failureOf(error, failed)
    if (failure === null) this.done++
    else this.failed++
    given.acknowledge(failure, this.running + this.queued)
    // Handlers that are through at once come back here: a loop, not as many calls within one another as tasks wait.
    if (this.advancing) return
    this.advancing = true
    while (this.running < this.concurrency) {
      const next = this.waiting.shift()
      if (next === undefined) break
      if (next.withdrawn) this.stale--
      else this.run(next)
    }
    this.advancing = false
    this.tellIdle()
  }

  private forget(given: Given): void {
    const { from, id } = given
    const ofPusher = this.given.get(from)
    // Given again after `ackWait`, it has the same number.
    if (ofPusher?.get(id) !== given) return
    ofPusher.delete(id)
    if (ofPusher.size === 0) this.given.delete(from)
  }

  private sweep(): void {
    for (let left = this.waiting.length; left > 0; left--) {
      const given = this.waiting.shift() as Given
      if (!given.withdrawn) this.waiting.push(given)
    }
    this.stale = 0
  }

  private tellIdle(): void {
    if (this.running === 0 && this.queued === 0) for (const idle of this.whenIdle.splice(0)) idle()
  }
}

/** Times within `ackWait` that a handler's word is passed on: one may be late by a few times what a round trip takes. */
const WORD_EVERY = 4

/** Withdrawn tasks that may lie between the others before they are cleared away. */
const STALE_MOST = 64

function withdrawnError(): HeddleError {
  return new HeddleError("ECANCELED", "The pusher has withdrawn the task")
}

function ended(): Buffer {
  return ownFailure("ERR_NO_RESPONDERS", "the worker has ended")
}
