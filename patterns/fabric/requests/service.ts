import { HeddleError } from "../../../core/errors.ts"
import { hold, release } from "../../../core/keep-alive.ts"
import { Queue } from "../../../core/queue.ts"
import type { InterestSpec } from "../interest.ts"
import { encodeFailure, ownFailure } from "./failures.ts"
import type { RequestMessage } from "./request-message.ts"

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
  /** Whoever waits for credit. */
  wake: (() => void) | null = null

  constructor(id: number, responder: Responder, message: RequestMessage, credit: number) {
    this.id = id
    this.responder = responder
    this.message = message
    this.credit = credit
  }

  cancel(reason: HeddleError): void {
    this.cancelled = true
    this.message.abort(reason)
    this.wake?.()
  }

  grant(count: number): void {
    this.credit += count
    this.wake?.()
  }
}

export interface ServiceHost {
  /** A call has been answered, or its client has gone. */
  over(call: ServerCall): void
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
  private running = 0
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
    return this.waiting.length
  }

  get busy(): number {
    return this.running
  }

  /** @internal */
  take(call: ServerCall): void {
    if (this.ended) {
      this.refuse(call, "ERR_NO_RESPONDERS", "the server has just ended")
      return
    }
    if (this.running < this.concurrency) this.run(call)
    else if (this.waiting.length < this.limit) this.waiting.push(call)
    else {
      this.refused++
      this.refuse(call, "EBUSY", `${this.limit} requests wait already (serve's option limit)`)
    }
  }

  /** No new requests come; what has come is answered. Resolves when that is done. */
  async drain(): Promise<void> {
    if (this.ended) return
    if (!this.closing) {
      this.closing = true
      this.host.ended(this)
    }
    if (this.running > 0 || this.waiting.length > 0) await new Promise<void>(resolve => this.whenIdle.push(resolve))
    this.close()
  }

  /** Ends it: requests that wait are refused, those at work are told by their signal. Idempotent. */
  close(): void {
    if (this.ended) return
    this.ended = true
    for (let call = this.waiting.shift(); call !== undefined; call = this.waiting.shift()) {
      this.refuse(call, "ERR_NO_RESPONDERS", "the server has ended")
    }
    this.host.ended(this)
    release()
    for (const done of this.whenIdle.splice(0)) done()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  private refuse(call: ServerCall, code: "EBUSY" | "ERR_NO_RESPONDERS", why: string): void {
    call.responder.fail(call.id, Buffer.from(JSON.stringify(ownFailure(code, why))))
    this.host.over(call)
  }

  private run(call: ServerCall): void {
    this.running++
    let result: unknown
    try {
      result = this.handler(call.message)
    } catch (error) {
      this.fail(call, error)
      return
    }
    if (isPromise(result)) {
      result.then(
        value => this.finish(call, value),
        error => this.fail(call, error),
      )
    } else this.finish(call, result)
  }

  private finish(call: ServerCall, value: unknown): void {
    if (isStream(value)) {
      void this.stream(call, value)
      return
    }
    try {
      if (!call.cancelled) call.responder.reply(call.id, value, false)
      this.answered++
      this.done(call)
    } catch (error) {
      this.fail(call, error)
    }
  }

  private async stream(call: ServerCall, values: AsyncIterable<unknown> | Iterable<unknown>): Promise<void> {
    try {
      for await (const value of values) {
        while (call.credit <= 0 && !call.cancelled) await new Promise<void>(resolve => (call.wake = resolve))
        if (call.cancelled) break
        call.credit--
        call.responder.reply(call.id, value, true)
      }
      if (!call.cancelled) call.responder.end(call.id)
      this.answered++
      this.done(call)
    } catch (error) {
      this.fail(call, error)
    }
  }

  private fail(call: ServerCall, error: unknown): void {
    this.failed++
    if (!call.cancelled) {
      const own =
        error instanceof HeddleError &&
        (error.code === "ERR_CODEC" || error.code === "ERR_VALIDATION") &&
        error === call.message.fault
      const failure = own
        ? Buffer.from(JSON.stringify(ownFailure(error.code as "ERR_CODEC", error.message)))
        : encodeFailure(error)
      call.responder.fail(call.id, failure)
    }
    this.done(call)
  }

  private done(call: ServerCall): void {
    this.running--
    call.message.close()
    this.host.over(call)
    while (this.running < this.concurrency) {
      const next = this.waiting.shift()
      if (next === undefined) break
      // Cancelled or too late while it waited: nobody reads an answer.
      if (next.cancelled || next.message.expired) this.host.over(next)
      else this.run(next)
    }
    if (this.running === 0 && this.waiting.length === 0) for (const idle of this.whenIdle.splice(0)) idle()
  }
}

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
