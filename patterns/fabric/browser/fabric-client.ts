import { closedError, HeddleError } from "../../../core/errors.ts"
import { checkSubject } from "../../../core/subject.ts"
import { refuseReserved } from "../reserved.ts"
import type {
  KnownPattern,
  KnownSubject,
  PatternPayload,
  PayloadOf,
  ReplyOf,
  RequestOf,
  Subjects,
} from "../typed-subjects.ts"
import { askOne, Calls } from "./calls.ts"
import type { ClientEvents } from "./events.ts"
import { cancelled } from "./failures.ts"
import { encodeHeaders, MessageHeaders } from "./headers.ts"
import type { FabricMessage } from "./message.ts"
import {
  type ClientSettings,
  invalid,
  type PublishOptions,
  type RequestOptions,
  type SendOptions,
  type ServeOptions,
  type SubscribeOptions,
  whole,
} from "./options.ts"
import { Outbox, type OutboxItem, type Parcel, type PublishResult, type SendResult } from "./outbox.ts"
import type { PageCodecs } from "./payload.ts"
import { Replies, type RequestManyOptions } from "./replies.ts"
import type { Service, ServiceHandler } from "./service.ts"
import { Services } from "./services.ts"
import type { Session, Status } from "./session.ts"
import { serviceOf, subscriptionOf } from "./specs.ts"
import type { Handler, Subscription } from "./subscription.ts"
import { Subscriptions } from "./subscriptions.ts"

/** What a record needs besides its payload, subject and headers: varints. */
const FRAME = 64

/**
 * A fabric as a page sees it, through a node that opened its edge; `connect` makes it. It is there over as many connections as it takes: what is
 * asked of it without one is done with the next. All methods may be called at any time, also from handlers. Methods that return promises
 * reject with EBADF once it is closed; others throw it.
 */
export class FabricClient<S extends object = Subjects> {
  /** What happens, by `on` or as an async iterator; see `ClientEvent`. */
  readonly events: ClientEvents
  private readonly settings: ClientSettings
  private readonly codecs: PageCodecs
  private readonly session: Session
  private readonly subscriptions: Subscriptions
  private readonly outbox: Outbox
  private readonly calls: Calls
  private readonly services: Services
  private closing: Promise<void> | null = null
  private draining = false

  /** @internal */
  constructor(session: Session, settings: ClientSettings, codecs: PageCodecs, events: ClientEvents) {
    this.session = session
    this.settings = settings
    this.codecs = codecs
    this.events = events
    this.subscriptions = new Subscriptions(session, codecs, events)
    this.outbox = new Outbox(session, events, settings.outboxMessages, settings.outboxBytes)
    this.calls = new Calls(session, codecs, settings.maxRequests)
    this.services = new Services(session, codecs, events)
    // Services first: what is published or asked then may come back to them.
    session.add(this.services, this.subscriptions, this.outbox, this.calls)
  }

  /** Name of the fabric. */
  get fabric(): string {
    return this.session.welcome?.fabric ?? ""
  }

  /** Name of the node that this client is or was last connected to. */
  get node(): string {
    return this.session.welcome?.node ?? ""
  }

  get status(): Status {
    return this.session.status
  }

  get closed(): boolean {
    return this.session.status === "closed"
  }

  /** Published messages that the node has not acknowledged, or that wait for a connection. */
  get waiting(): number {
    return this.outbox.length
  }

  /**
   * Sends a message to everybody who wants the subject; never waits. Without a connection it is kept for the next one. `taken: false` = the outbox is full. Bytes must
   * not be changed afterwards. Throws EINVAL for an invalid subject or a value that cannot be serialised, EMSGSIZE. What the
   * node refuses is told by an `error` event.
   */
  publish<P extends string>(subject: P, data: PayloadOf<S, P>, options: PublishOptions = {}): PublishResult {
    this.mustBeOpen()
    const taken = this.outbox.push(this.parcel(subject, data, options), null) !== null
    return { taken, waiting: this.outbox.length }
  }

  /**
   * `publish` that waits for room and for the node's answer. Rejects with ETIMEDOUT or ECANCELED (the text says whether it may have been
   * published), ECONNRESET (it was on the way when the connection broke, and the node does not remember), and with what the node refuses it for:
   * EACCES, EAGAIN (too many), ERR_VALIDATION.
   */
  async send<P extends string>(subject: P, data: PayloadOf<S, P>, options: SendOptions = {}): Promise<SendResult> {
    this.mustBeOpen()
    return this.deliver(this.parcel(subject, data, options), options)
  }

  /**
   * Gets what is published to subjects that match. With a handler, messages are handled in order; without, the subscription is an async
   * iterator. Throws EINVAL for an invalid pattern or option.
   */
  subscribe<P extends string>(
    pattern: P & KnownPattern<S, P>,
    options?: SubscribeOptions,
  ): Subscription<PatternPayload<S, P>>
  subscribe<P extends string>(
    pattern: P & KnownPattern<S, P>,
    handler: Handler<PatternPayload<S, P>>,
    options?: SubscribeOptions,
  ): Subscription<PatternPayload<S, P>>
  subscribe<P extends string>(
    pattern: P,
    handlerOrOptions?: Handler<PatternPayload<S, P>> | SubscribeOptions,
    more?: SubscribeOptions,
  ): Subscription<PatternPayload<S, P>> {
    this.mustTake()
    const handler = typeof handlerOrOptions === "function" ? handlerOrOptions : null
    const options = (handler === null ? (handlerOrOptions as SubscribeOptions | undefined) : more) ?? {}
    const spec = subscriptionOf(pattern, options, this.settings.highWaterMark)
    return this.subscriptions.subscribe(spec, handler as Handler<unknown> | null) as Subscription<PatternPayload<S, P>>
  }

  /**
   * Asks one server of the subject. Without a connection it waits for one. Rejects with ERR_NO_RESPONDERS, ERR_REMOTE (`RemoteError`: the handler
   * threw), ETIMEDOUT, ECANCELED, EACCES (the client may not ask this), EBUSY (the server has too many waiting), EAGAIN (`maxRequests`, or the
   * node's limits), ECONNRESET (the connection or the server is gone; it may or may not have been done).
   */
  async request<P extends string>(
    subject: P & KnownSubject<S, P>,
    data: RequestOf<S, P>,
    options: RequestOptions = {},
  ): Promise<FabricMessage<ReplyOf<S, P>>> {
    this.mustBeOpen()
    const limits = { timeout: this.timeoutOf(options.timeout), signal: options.signal }
    return askOne(this.calls, this.parcel(subject, data, options), limits) as Promise<FabricMessage<ReplyOf<S, P>>>
  }

  /**
   * Asks every server of the subject, one of each queue group, and gives the replies as they come. It ends after `max` replies, after `wait` or
   * `stall` milliseconds, with a `sentinel`, or when all have answered. Errors of single servers are passed over unless all fail.
   */
  requestMany<P extends string>(
    subject: P & KnownSubject<S, P>,
    data: RequestOf<S, P>,
    options: RequestManyOptions = {},
  ): AsyncIterableIterator<FabricMessage<ReplyOf<S, P>>, undefined> {
    return this.replies(subject, data, options, false) as AsyncIterableIterator<FabricMessage<ReplyOf<S, P>>, undefined>
  }

  /** Asks one server, whose handler answers with many messages (a generator). Errors of the server end the iteration. */
  stream<P extends string>(
    subject: P & KnownSubject<S, P>,
    data: RequestOf<S, P>,
    options: RequestManyOptions = {},
  ): AsyncIterableIterator<FabricMessage<ReplyOf<S, P>>, undefined> {
    return this.replies(subject, data, options, true) as AsyncIterableIterator<FabricMessage<ReplyOf<S, P>>, undefined>
  }

  /**
   * Answers requests. The handler gives back a value, a promise, or a generator for a stream of replies; what it throws arrives
   * as a `RemoteError`. Throws EINVAL.
   */
  serve<P extends string>(
    subject: P & KnownPattern<S, P>,
    handler: ServiceHandler<PatternPayload<S, P>, unknown>,
    options: ServeOptions = {},
  ): Service {
    this.mustTake()
    if (typeof handler !== "function") throw invalid(`serve("${subject}") needs a handler`)
    return this.services.serve(serviceOf(subject, options), handler as ServiceHandler<unknown, unknown>)
  }

  /** A new token, before the old one expires. Rejects with what the node says of it; the old one goes on then. */
  async authenticate(token: string): Promise<void> {
    this.mustBeOpen()
    await this.session.authenticate(token)
  }

  /**
   * Resolves when the node has handled all that was published until now. Rejects with ETIMEDOUT after `timeout` milliseconds (what was published stays in the
   * outbox), ECONNRESET when nobody knows what became of some.
   */
  async flush({ timeout }: { timeout?: number } = {}): Promise<void> {
    this.mustBeOpen()
    const flushed = this.outbox.flush()
    if (timeout === undefined) return flushed
    flushed.catch(() => {})
    const late = new HeddleError("ETIMEDOUT", `flush: the node has not handled everything within ${timeout} ms`)
    await within(flushed, whole("timeout", timeout, 0, 0), () => {
      throw late
    })
  }

  /**
   * Leaves in order: nothing new is taken, what has come is handled and answered, what was published is acknowledged; then `close`.
   * `timeout`: milliseconds after which it closes in any case, default 10,000. Throws EINVAL.
   */
  async drain({ timeout }: { timeout?: number } = {}): Promise<void> {
    const limit = whole("timeout", timeout, 10_000, 0)
    if (!this.closed && !this.draining) {
      this.draining = true
      const takers = [...this.subscriptions.list(), ...this.services.list()]
      const finished = Promise.allSettled(takers.map(taker => taker.drain())).then(() => this.outbox.flush())
      await within(finished, limit, () => {}).catch(() => {})
    }
    await this.close()
  }

  /** Leaves now. What the node has not acknowledged is lost, or may be: `flush` before, or `drain`. */
  close(): Promise<void> {
    this.closing ??= Promise.resolve()
    this.session.close(null)
    return this.closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  private async deliver(parcel: Parcel, { timeout, signal }: SendOptions): Promise<SendResult> {
    const what = `send to ${parcel.subject}`
    if (signal?.aborted === true) throw cancelled(what, signal.reason)
    return new Promise((resolve, reject) => {
      let item: OutboxItem | null = null
      let over = false
      let timer: ReturnType<typeof setTimeout> | undefined
      const end = (): void => {
        over = true
        clearTimeout(timer)
        signal?.removeEventListener("abort", aborted)
      }
      const wanted = {
        resolve: (result: SendResult) => {
          end()
          resolve(result)
        },
        reject: (error: HeddleError) => {
          end()
          reject(error)
        },
      }
      const giveUp = (code: "ETIMEDOUT" | "ECANCELED", cause: unknown): void => {
        const unsent = item === null || this.outbox.takeBack(item)
        const text = unsent ? "nothing was published" : "it may have been published"
        wanted.reject(
          new HeddleError(
            code,
            `${what}: ${code === "ETIMEDOUT" ? `no answer within ${timeout} ms` : "cancelled"}; ${text}`,
            { cause },
          ),
        )
      }
      const aborted = (): void => giveUp("ECANCELED", signal?.reason)
      const attempt = (): void => {
        if (over) return
        if (this.closed) {
          wanted.reject(closedError("Fabric"))
          return
        }
        item = this.outbox.push(parcel, wanted)
        if (item === null) this.outbox.whenRoom(attempt)
      }
      signal?.addEventListener("abort", aborted, { once: true })
      if (timeout !== undefined)
        timer = setTimeout(() => giveUp("ETIMEDOUT", undefined), whole("timeout", timeout, 0, 0))
      attempt()
    })
  }

  private replies(subject: string, data: unknown, options: RequestManyOptions, strict: boolean): Replies {
    this.mustBeOpen()
    const limits = {
      timeout: whole("wait", options.wait, this.timeoutOf(options.timeout), 1),
      signal: options.signal,
    }
    const end = {
      max: whole("max", options.max, 0, 0),
      stall: whole("stall", options.stall, 0, 0),
      sentinel: options.sentinel ?? null,
      strict,
    }
    return new Replies(this.calls, this.parcel(subject, data, options), limits, end)
  }

  private parcel(subject: string, data: unknown, { codec, headers }: PublishOptions): Parcel {
    checkSubject(subject)
    refuseReserved(subject)
    const payload = this.codecs.encode(data, codec)
    const list =
      headers === undefined ? null : headers instanceof MessageHeaders ? headers : MessageHeaders.from(headers)
    const encoded = list === null || list.size === 0 ? null : encodeHeaders(list)
    // Subjects are counted as if every character took three bytes.
    const size = payload.payload.length + (encoded?.length ?? 0) + subject.length * 3 + FRAME
    const most = this.session.welcome?.maxMessage ?? Number.POSITIVE_INFINITY
    if (size > most) {
      const text = `A message to ${subject} takes ${size} bytes; the node takes at most ${most} (its option maxMessageSize)`
      throw new HeddleError("EMSGSIZE", text)
    }
    return { subject, payload, headers: encoded }
  }

  private timeoutOf(timeout: number | undefined): number {
    return whole("timeout", timeout, this.settings.timeout, 1)
  }

  private mustBeOpen(): void {
    if (this.closed) throw closedError("Fabric")
  }

  /** For whatever takes messages. */
  private mustTake(): void {
    if (this.closed || this.draining) throw closedError("Fabric")
  }
}

/** Settles as `promise` does, or as `late` says after so many milliseconds. */
async function within(promise: Promise<unknown>, milliseconds: number, late: () => void): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const passed = new Promise<void>((resolve, reject) => {
    timer = setTimeout(() => {
      try {
        resolve(late())
      } catch (error) {
        reject(error)
      }
    }, milliseconds)
  })
  try {
    await Promise.race([promise, passed])
  } finally {
    clearTimeout(timer)
  }
}
