import { closedError, HeddleError } from "../../../core/errors.ts"
import { hold, release } from "../../../core/keep-alive.ts"
import { Queue } from "../../../core/queue.ts"
import type { InterestSpec } from "../interest.ts"
import { encodeFailure, ownFailure } from "./failures.ts"
import type { RequestMessage } from "./request-message.ts"
import { CREDIT_AHEAD } from "./requests.ts"

/** What a handler may give back: a value, a promise of one, or many of them one after the other. */
export type ServiceHandler<Req, Res> = (
  message: RequestMessage<Req>,
) => Res | Promise<Res> | AsyncIterable<Res> | Iterator<Res> | Promise<AsyncIterable<Res>>

/** Where the answers to one client go. */
export interface Responder {
  /** A value, encoded here; `more` = others follow. Throws when it cannot be encoded. */
  reply(id: number, value: unknown, more: boolean): void
  end(id: number): void
  fail(id: number, failure: Buffer): void
  /** False = the way to the client is full; `call.go` is called when it has room again. Absent: it never is. */
  room?(call: ServerCall): boolean
}

/** A request that a server has in hand. */
export class ServerCall {
  readonly id: number
  readonly responder: Responder
  readonly message: RequestMessage
  /** Replies that the client still takes; only streams ask. */
  credit: number
  /** The client has gone away or has lost its patience. */
  cancelled = false
  /** The stream that waits for credit or room. */
  wake: (() => void) | null = null
  /** While it waits for the handler: how it leaves the queue. */
  leave: (() => void) | null = null
  /** It waits, or its handler has not answered at once: the host knows of it. */
  held = false
  working = false
  /** Its handler is at work: its place among those. */
  before: ServerCall | null = null
  after: ServerCall | null = null

  constructor(id: number, responder: Responder, message: RequestMessage, credit: number) {
    this.id = id
    this.responder = responder
    this.message = message
    this.credit = Math.min(credit, CREDIT_AHEAD)
  }

  cancel(reason: HeddleError): void {
    this.cancelled = true
    this.message.abort(reason)
    this.leave?.()
    this.wake?.()
  }

  /** No client grants more than it has read; a generator that never ends must not be let loose by one that lies. */
  grant(count: number): void {
    this.credit = Math.min(this.credit + count, CREDIT_AHEAD)
    this.wake?.()
  }

  /** The way to the client has room. */
  go(): void {
    this.wake?.()
  }
}

export interface ServiceHost {
  /** A call is not answered at once. */
  hold(call: ServerCall): void
  /** A call that was held has been answered, or its client has gone. */
  over(call: ServerCall): void
  /** Clients are told that it ends; resolves when what they sent before they knew has come. */
  retire(service: Service): Promise<void>
  ended(service: Service): void
}

/** One `serve`: requests wait here, bounded, until the handler has time for them. */
export class Service {
  readonly spec: InterestSpec
  /** Resolves when all peers that are known know of the service. */
  ready: Promise<void> = Promise.resolve()
  /** Requests answered, answered with an error, and turned away because too many waited. */
  answered = 0
  failed = 0
  refused = 0
  private readonly host: ServiceHost
  private readonly handler: ServiceHandler<unknown, unknown>
  private readonly concurrency: number
  private readonly limit: number
  private readonly waiting = new Queue<ServerCall>()
  /** Of those that wait: cancelled, and passed over when their turn comes. */
  private stale = 0
  /** Those whose handlers are at work: the last to begin, and how many. */
  private latest: ServerCall | null = null
  private running = 0
  private advancing = false
  private ended = false
  private closing = false
  private whenIdle: (() => void)[] = []

  /** `concurrency`: handlers at a time, 0 = no limit. `limit`: requests that may wait. */
  constructor(
    host: ServiceHost,
    spec: InterestSpec,
    handler: ServiceHandler<unknown, unknown>,
    concurrency: number,
    limit: number,
  ) {
    this.host = host
    this.spec = spec
    this.handler = handler
    this.concurrency = concurrency === 0 ? Number.POSITIVE_INFINITY : concurrency
    this.limit = limit
    hold()
  }

  get subject(): string {
    return this.spec.pattern
  }

  get queue(): string {
    return this.spec.group
  }

  get closed(): boolean {
    return this.ended || this.closing
  }

  /** Requests that wait, and requests whose handler is at work. */
  get queued(): number {
    return this.waiting.length - this.stale
  }

  get busy(): number {
    return this.running
  }

  /** @internal A new request. Most are answered at once, and need no more than the message. */
  answer(id: number, responder: Responder, message: RequestMessage, credit: number): void {
    if (this.ended || this.running >= this.concurrency) {
      this.take(new ServerCall(id, responder, message, credit))
      return
    }
    let result: unknown
    let later = false
    try {
      result = this.handler(message)
      later = isPromise(result) || isStream(result)
      if (!later) responder.reply(id, result, false)
    } catch (error) {
      this.fail(new ServerCall(id, responder, message, credit), error)
      return
    }
    if (later) {
      this.goOn(new ServerCall(id, responder, message, credit), result)
      return
    }
    this.answered++
    message.close()
    if (this.waiting.length > 0 || this.whenIdle.length > 0) this.advance()
  }

  /** @internal */
  take(call: ServerCall): void {
    if (this.ended) {
      this.refuse(call, "ERR_NO_RESPONDERS", "the server has just ended")
      return
    }
    if (this.running < this.concurrency) this.run(call)
    else if (this.queued < this.limit) {
      this.hold(call)
      call.leave = () => this.forget(call)
      this.waiting.push(call)
    } else {
      this.refused++
      this.refuse(call, "EBUSY", `${this.limit} requests wait already (serve's option limit)`)
    }
  }

  /** Clients look for other servers; what they have sent before is answered. Resolves when that is done. */
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

  /** Ends it: requests that wait go to other servers, those at work are told by their signal, and may still answer. Idempotent. */
  close(): void {
    if (this.ended) return
    this.ended = true
    // Before the refusals: whom they reach must not choose this one again.
    this.host.ended(this)
    for (let call = this.waiting.shift(); call !== undefined; call = this.waiting.shift()) {
      call.leave = null
      if (!call.cancelled) this.refuse(call, "ERR_NO_RESPONDERS", "the server has ended")
    }
    this.stale = 0
    for (let call = this.latest; call !== null; call = call.before) call.message.abort(closedError("Service"))
    release()
    for (const done of this.whenIdle.splice(0)) done()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  private refuse(call: ServerCall, code: "EBUSY" | "ERR_NO_RESPONDERS", why: string): void {
    call.responder.fail(call.id, ownFailure(code, why))
    if (call.held) this.host.over(call)
  }

  /** Cancelled while it waited: it takes up no room any more. */
  private forget(call: ServerCall): void {
    call.leave = null
    this.host.over(call)
    this.stale++
    if (this.stale > STALE_MOST && this.stale * 2 > this.waiting.length) {
      for (let left = this.waiting.length; left > 0; left--) {
        const one = this.waiting.shift() as ServerCall
        if (!one.cancelled) this.waiting.push(one)
      }
      this.stale = 0
    }
    this.tellIdle()
  }

  private hold(call: ServerCall): void {
    if (call.held) return
    call.held = true
    this.host.hold(call)
  }

  /** The handler has not answered at once. */
  private begin(call: ServerCall): void {
    this.hold(call)
    this.running++
    call.before = this.latest
    if (this.latest !== null) this.latest.after = call
    this.latest = call
    call.working = true
  }

  private run(call: ServerCall): void {
    let result: unknown
    try {
      result = this.handler(call.message)
    } catch (error) {
      this.fail(call, error)
      return
    }
    this.goOn(call, result)
  }

  private goOn(call: ServerCall, result: unknown): void {
    try {
      if (isPromise(result)) {
        this.begin(call)
        result.then(
          value => this.finish(call, value),
          error => this.fail(call, error),
        )
        return
      }
    } catch (error) {
      this.fail(call, error)
      return
    }
    this.finish(call, result)
  }

  private finish(call: ServerCall, value: unknown): void {
    try {
      if (isStream(value)) {
        if (!call.working) this.begin(call)
        void this.stream(call, value)
        return
      }
      if (!call.cancelled) call.responder.reply(call.id, value, false)
    } catch (error) {
      this.fail(call, error)
      return
    }
    this.answered++
    this.done(call)
  }

  private async stream(call: ServerCall, values: AsyncIterable<unknown> | Iterable<unknown>): Promise<void> {
    const { responder } = call
    try {
      for await (const value of values) {
        while (!call.cancelled && (call.credit <= 0 || responder.room?.(call) === false)) {
          await new Promise<void>(resolve => (call.wake = resolve))
        }
        if (call.cancelled) break
        call.credit--
        responder.reply(call.id, value, true)
      }
      if (!call.cancelled) responder.end(call.id)
    } catch (error) {
      this.fail(call, error)
      return
    }
    this.answered++
    this.done(call)
  }

  private fail(call: ServerCall, error: unknown): void {
    this.failed++
    if (!call.cancelled) {
      const own =
        error instanceof HeddleError &&
        (error.code === "ERR_CODEC" || error.code === "ERR_VALIDATION") &&
        error === call.message.fault
      const failure = own ? ownFailure(error.code as "ERR_CODEC", error.message) : encodeFailure(error)
      call.responder.fail(call.id, failure)
    }
    this.done(call)
  }

  private done(call: ServerCall): void {
    if (call.working) {
      call.working = false
      this.running--
      if (call.after === null) this.latest = call.before
      else call.after.before = call.before
      if (call.before !== null) call.before.after = call.after
      call.before = null
      call.after = null
    }
    call.message.close()
    if (call.held) this.host.over(call)
    if (this.waiting.length > 0 || this.whenIdle.length > 0) this.advance()
  }

  private advance(): void {
    // Handlers that answer at once come back here: a loop, not as many calls within one another as requests wait.
    if (this.advancing) return
    this.advancing = true
    while (this.running < this.concurrency) {
      const next = this.waiting.shift()
      if (next === undefined) break
      next.leave = null
      if (next.cancelled) this.stale--
      // Too late while it waited: nobody reads an answer.
      else if (next.message.expired) this.host.over(next)
      else this.run(next)
    }
    this.advancing = false
    this.tellIdle()
  }

  private tellIdle(): void {
    if (this.running === 0 && this.queued === 0) for (const idle of this.whenIdle.splice(0)) idle()
  }
}

/** Cancelled requests that may lie between the others before they are cleared away. */
const STALE_MOST = 64

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function"
}

/** Generators of either kind and other asynchronous iterables; arrays and strings are values. */
function isStream(value: unknown): value is AsyncIterable<unknown> | Iterable<unknown> {
  if (typeof value !== "object" || value === null) return false
  if (typeof (value as AsyncIterable<unknown>)[Symbol.asyncIterator] === "function") return true
  return (
    typeof (value as Iterator<unknown>).next === "function" &&
    typeof (value as Iterable<unknown>)[Symbol.iterator] === "function"
  )
}
