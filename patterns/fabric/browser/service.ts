import { closedError, type HeddleError } from "../../../core/errors.ts"
import { encodeFailure } from "./failures.ts"
import type { RequestMessage } from "./message.ts"

/** What a handler may give back: a value, a promise of one, or many of them one after the other. */
export type ServiceHandler<Req, Res> = (
  message: RequestMessage<Req>,
) => Res | Promise<Res> | AsyncIterable<Res> | Iterator<Res> | Promise<AsyncIterable<Res>>

export interface ServiceHost {
  /** A value, encoded here. Throws when it cannot be. */
  reply(call: ServerCall, value: unknown, more: boolean): void
  end(call: ServerCall): void
  fail(call: ServerCall, failure: Uint8Array): void
  /** Resolves when the node takes more; null = it does. */
  room(): Promise<void> | null
  /** It has been answered, or nobody waits for an answer. */
  over(call: ServerCall): void
  retire(service: Service): Promise<void>
  ended(service: Service): void
}

export interface ServiceSpec {
  readonly subject: string
  /** Queue group; "" = none. */
  readonly queue: string
  /** Handlers at a time; 0 = no limit. The node sees to it. */
  readonly concurrency: number
  /** Requests that may wait at the node. */
  readonly limit: number
}

/** A request in hand. */
export class ServerCall {
  readonly id: number
  readonly service: Service
  readonly message: RequestMessage
  /** Replies that the client still takes; only streams ask. */
  credit: number
  cancelled = false
  /** The stream that waits for credit. */
  private wake: (() => void) | null = null

  constructor(id: number, service: Service, message: RequestMessage, credit: number) {
    this.id = id
    this.service = service
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

  /** Resolves when there is credit, or when nobody waits any more. */
  async room(): Promise<void> {
    while (!this.cancelled && this.credit <= 0) await new Promise<void>(resolve => (this.wake = resolve))
  }
}

/** One `serve`. Requests wait at the node until the handler has time for them. */
export class Service {
  /** @internal */
  readonly spec: ServiceSpec
  /** Resolves when all nodes know of the service. Rejects when the node refuses it (EACCES: this client may not serve that). */
  ready: Promise<void> = Promise.resolve()
  /** Requests answered, and answered with an error. */
  answered = 0
  failed = 0
  private readonly host: ServiceHost
  private readonly handler: ServiceHandler<unknown, unknown>
  private readonly calls = new Set<ServerCall>()
  private ended = false
  private closing = false
  private whenIdle: (() => void)[] = []

  /** @internal */
  constructor(host: ServiceHost, spec: ServiceSpec, handler: ServiceHandler<unknown, unknown>) {
    this.host = host
    this.spec = spec
    this.handler = handler
  }

  get subject(): string {
    return this.spec.subject
  }

  /** Queue group; "" = none. */
  get queue(): string {
    return this.spec.queue
  }

  get closed(): boolean {
    return this.ended || this.closing
  }

  /** Requests whose handler is at work. */
  get busy(): number {
    return this.calls.size
  }

  /** No further requests come; those that came are answered. Resolves when that is done. */
  async drain(): Promise<void> {
    if (this.ended) return
    this.closing = true
    await this.host.retire(this)
    if (this.calls.size > 0) await new Promise<void>(resolve => this.whenIdle.push(resolve))
    this.close()
  }

  /** Ends it: requests in hand are told by their signal, and may still answer. Idempotent. */
  close(): void {
    if (this.ended) return
    this.ended = true
    this.host.ended(this)
    for (const call of this.calls) call.message.abort(closedError("Service"))
    for (const done of this.whenIdle.splice(0)) done()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  /** @internal */
  take(call: ServerCall): void {
    this.calls.add(call)
    let result: unknown
    try {
      result = this.handler(call.message)
    } catch (error) {
      this.fail(call, error)
      return
    }
    if (typeof (result as Promise<unknown> | null | undefined)?.then === "function") {
      ;(result as Promise<unknown>).then(
        value => this.finish(call, value),
        error => this.fail(call, error),
      )
    } else this.finish(call, result)
  }

  private finish(call: ServerCall, value: unknown): void {
    try {
      if (isStream(value)) {
        void this.stream(call, value)
        return
      }
      if (!call.cancelled) this.host.reply(call, value, false)
    } catch (error) {
      this.fail(call, error)
      return
    }
    this.answered++
    this.done(call)
  }

  private async stream(call: ServerCall, values: AsyncIterable<unknown> | Iterable<unknown>): Promise<void> {
    try {
      for await (const value of values) {
        await call.room()
        for (let wait = this.host.room(); wait !== null && !call.cancelled; wait = this.host.room()) await wait
        if (call.cancelled) break
        call.credit--
        this.host.reply(call, value, true)
      }
      if (!call.cancelled) this.host.end(call)
    } catch (error) {
      this.fail(call, error)
      return
    }
    this.answered++
    this.done(call)
  }

  private fail(call: ServerCall, error: unknown): void {
    this.failed++
    if (!call.cancelled) this.host.fail(call, encodeFailure(error))
    this.done(call)
  }

  private done(call: ServerCall): void {
    call.message.close()
    this.host.over(call)
    this.calls.delete(call)
    if (this.calls.size === 0) for (const idle of this.whenIdle.splice(0)) idle()
  }
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
