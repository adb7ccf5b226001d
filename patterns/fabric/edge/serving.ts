import { HeddleError } from "../../../core/errors.ts"
import { Queue } from "../../../core/queue.ts"
import { decodeFailure } from "../requests/failures.ts"
import type { RequestMessage } from "../requests/request-message.ts"
import type { Service } from "../requests/service.ts"
import { checkUserPattern } from "../reserved.ts"
import type { EdgeClient } from "./client.ts"
import { asBuffer, encoded, writeMessage } from "./content.ts"
import { forbidden, mayTake } from "./permissions.ts"
import * as P from "./protocol.ts"
import type { Content, RecordReader } from "./wire.ts"

/** Results of a stream that a client may send ahead of what was passed on. */
const AHEAD = 64

/** Services of one client, and the calls that it has in hand. */
export class Serving {
  private readonly client: EdgeClient
  private readonly services = new Map<number, { service: Service; pattern: string }>()
  private readonly calls = new Map<number, HeldCall>()
  private lastCall = 0

  constructor(client: EdgeClient) {
    this.client = client
  }

  get size(): number {
    return this.services.size
  }

  /** Throws what is to be told to the client. */
  serve(id: number, pattern: string, group: string, concurrency: number, limit: number): void {
    const { client } = this
    const { edge } = client
    const { maxServices, maxCalls } = edge.settings
    if (this.services.has(id))
      throw new HeddleError("EINVAL", `This client has a service with the number ${id} already`)
    if (this.services.size >= maxServices) {
      throw new HeddleError("EAGAIN", `A client may have ${maxServices} services (edge.maxServices); end some first`)
    }
    checkUserPattern(pattern)
    if (!mayTake(client.permissions, "serve", pattern)) throw forbidden("serve", pattern)
    const service = edge.serve(pattern, message => this.call(id, message), {
      queue: group === "" ? undefined : group,
      concurrency: concurrency === 0 ? maxCalls : Math.min(concurrency, maxCalls),
      limit: Math.min(limit, MOST_WAITING),
    })
    this.services.set(id, { service, pattern })
    void service.ready.then(() => {
      if (this.services.get(id)?.service === service) client.out(P.SERVING).varint(id).end()
    })
  }

  unserve(id: number): void {
    const known = this.services.get(id)
    if (known === undefined) return
    this.services.delete(id)
    // What the client has in hand is still answered.
    void known.service.drain()
  }

  /** Throws EPROTO. */
  result(reader: RecordReader): void {
    const id = reader.varint()
    const flags = reader.byte()
    const content = (flags & P.END) === 0 ? reader.content() : null
    const call = this.calls.get(id)
    // It may have been cancelled meanwhile.
    if (call === undefined) return
    if (call.take(flags, content)) this.calls.delete(id)
  }

  /** What the client may not serve any more; their numbers. */
  forbiddenNow(): [id: number, pattern: string][] {
    return [...this.services]
      .filter(([, { pattern }]) => !mayTake(this.client.permissions, "serve", pattern))
      .map(([id, { pattern }]) => [id, pattern])
  }

  /** The client is gone. */
  end(): void {
    const calls = [...this.calls.values()]
    this.calls.clear()
    // Before the services end, which tells their calls that nobody waits.
    for (const call of calls) call.lost()
    for (const { service } of this.services.values()) service.close()
    this.services.clear()
  }

  private call(service: number, message: RequestMessage): Promise<unknown> {
    const { client } = this
    const id = ++this.lastCall
    client.out(P.CALL).varint(id).varint(service).varint(Math.ceil(message.timeLeft)).varint(AHEAD)
    try {
      writeMessage(client.outbox, message, message.subject)
      client.outbox.end()
    } catch (error) {
      client.outbox.abandon()
      throw error
    }
    const call = new HeldCall(message.subject, count => {
      if (this.calls.get(id) !== call) return
      if (count > 0) client.out(P.CALL_CREDIT).varint(id).varint(count).end()
      else {
        this.calls.delete(id)
        client.out(P.CALL_CANCEL).varint(id).end()
      }
    })
    this.calls.set(id, call)
    message.signal.addEventListener("abort", () => call.cancel(message.signal.reason), { once: true })
    return call.answer
  }
}

/** Requests that may wait for one service: more than `serve` takes by itself is of no use. */
const MOST_WAITING = 1_000

/** Milliseconds by which two who measure one time limit may be apart. */
const ASKER_FIRST = 250

/** A request that the client has in hand: its answer is one value, or many. */
class HeldCall {
  readonly answer: Promise<unknown>
  private readonly subject: string
  /** Grants the client so many results more; 0 = tells it that nobody waits. */
  private readonly tell: (count: number) => void
  private resolve: (value: unknown) => void = () => {}
  private reject: (error: unknown) => void = () => {}
  private stream: Results | null = null
  private over = false

  constructor(subject: string, tell: (count: number) => void) {
    this.subject = subject
    this.tell = tell
    this.answer = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }

  /** True: it was the last. Throws EPROTO for a client that sends more than it may. */
  take(flags: number, content: Content | null): boolean {
    if ((flags & P.FAILED) !== 0 && content !== null) {
      this.fail(failureOf(content))
      return true
    }
    if ((flags & (P.MORE | P.END)) === 0 && content !== null && this.stream === null) {
      this.over = true
      try {
        this.resolve(encoded(content))
      } catch (error) {
        this.reject(error)
      }
      return true
    }
    if (this.stream === null) {
      this.stream = new Results(this.tell)
      this.resolve(this.stream)
    }
    const last = (flags & P.MORE) === 0
    try {
      this.stream.push(content === null ? null : encoded(content), last)
    } catch (error) {
      this.fail(error)
      if ((error as HeddleError).code === "EPROTO") throw error
      return true
    }
    this.over = last
    return last
  }

  cancel(reason: unknown): void {
    if (this.over) return
    this.over = true
    this.tell(0)
    const fail = (): void =>
      this.fail(new HeddleError("ECANCELED", `Nobody waits for the answer to ${this.subject} any more`))
    // Its time is up here; who asked finds that out by itself, and shall not hear of a failure just before.
    if ((reason as { code?: unknown })?.code === "ETIMEDOUT") setTimeout(fail, ASKER_FIRST).unref()
    else fail()
  }

  lost(): void {
    this.over = true
    this.fail(
      new HeddleError(
        "ECONNRESET",
        `The client that serves ${this.subject} at the edge is gone; it may or may not have done the work`,
      ),
    )
  }

  private fail(error: unknown): void {
    this.over = true
    if (this.stream === null) this.reject(error)
    else this.stream.fail(error)
  }
}

/** Results of a stream, as the service takes them. */
class Results implements AsyncIterableIterator<unknown, undefined> {
  private readonly waiting = new Queue<unknown>()
  private readonly tell: (count: number) => void
  private reader: { resolve(result: IteratorResult<unknown, undefined>): void; reject(error: unknown): void } | null =
    null
  private ended = false
  private failure: unknown = null

  constructor(tell: (count: number) => void) {
    this.tell = tell
  }

  /** Null: no value, only the end. Throws EPROTO. */
  push(value: unknown, last: boolean): void {
    if (value !== null) {
      if (this.waiting.length >= AHEAD)
        throw new HeddleError("EPROTO", `The client sent more than ${AHEAD} results ahead`)
      this.waiting.push(value)
    }
    this.ended ||= last
    this.serve()
  }

  fail(error: unknown): void {
    this.failure = error
    this.ended = true
    this.serve()
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    return new Promise((resolve, reject) => {
      this.reader = { resolve, reject }
      this.serve()
    })
  }

  return(): Promise<IteratorResult<unknown, undefined>> {
    if (!this.ended) this.tell(0)
    this.ended = true
    this.waiting.clear()
    return Promise.resolve({ done: true, value: undefined })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  private serve(): void {
    const { reader } = this
    if (reader === null) return
    const value = this.waiting.shift()
    if (value === undefined && !this.ended) return
    this.reader = null
    if (value !== undefined) {
      if (!this.ended) this.tell(1)
      reader.resolve({ done: false, value })
    } else if (this.failure === null) reader.resolve({ done: true, value: undefined })
    else {
      const { failure } = this
      this.failure = null
      reader.reject(failure)
    }
  }
}

/** What the client's handler threw, as if it had been thrown here. */
function failureOf({ payload }: Content): Error {
  const { name, code, message, details } = decodeFailure(asBuffer(payload))
  return Object.assign(new Error(message), { name, code, ...(details === undefined ? {} : { details }) })
}
