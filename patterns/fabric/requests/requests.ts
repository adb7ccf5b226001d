import { closedError, HeddleError } from "../../../core/errors.ts"
import { hold, release } from "../../../core/keep-alive.ts"
import { choose } from "../choice.ts"
import type { Interest } from "../interest.ts"
import type { Link } from "../link/link.ts"
import { CANCEL, CREDIT, END, FAILED, MORE, REQUEST } from "../link/records.ts"
import { type Parcel, writeNumbers } from "../link/write.ts"
import type { FabricMessage } from "../message.ts"
import type { Topic } from "../topics.ts"
import { cancelled, noResponders, timedOut, toError } from "./failures.ts"
import type { Service } from "./service.ts"

export interface RequestLimits {
  /** Milliseconds. */
  readonly timeout: number
  readonly signal: AbortSignal | undefined
}

/** Who waits for the replies of one server. */
export interface ReplySink {
  /** `more`: others follow. Null: a stream has ended without another. */
  reply(message: FabricMessage | null, more: boolean): void
  /** Exactly once, instead of a last reply. */
  failed(error: HeddleError): void
}

/** How calls get to services of this node itself. */
export interface LocalServices {
  call(service: Service, id: number, topic: Topic, parcel: Parcel, timeout: number, credit: number): void
  cancel(id: number): void
  credit(id: number, count: number): void
}

/** Replies of a stream that a server may send ahead; the client grants more as it reads. */
export const CREDIT_AHEAD = 256

/** One request to one server. */
export class Call {
  readonly id: number
  readonly topic: Topic
  readonly member: Interest
  readonly parcel: Parcel
  readonly timeout: number
  readonly credit: number
  readonly sink: ReplySink
  readonly signal: AbortSignal | undefined
  sent = false
  over = false
  timer: NodeJS.Timeout | undefined
  private readonly calls: Requests
  readonly aborted = (): void => this.calls.cancel(this, cancelled(this.what, this.signal?.reason))

  constructor(
    calls: Requests,
    id: number,
    topic: Topic,
    member: Interest,
    parcel: Parcel,
    limits: RequestLimits,
    credit: number,
    sink: ReplySink,
  ) {
    this.calls = calls
    this.id = id
    this.topic = topic
    this.member = member
    this.parcel = parcel
    this.timeout = limits.timeout
    this.signal = limits.signal
    this.credit = credit
    this.sink = sink
  }

  get what(): string {
    return `Request to ${this.topic.subject}`
  }

  /** The link has room. */
  go(): void {
    this.calls.send(this)
  }
}

/** Requests of this node that are not answered. */
export class Requests {
  private readonly pending = new Map<number, Call>()
  private readonly local: LocalServices
  private readonly limit: number
  private nextId = 1
  private whenIdle: (() => void)[] = []

  constructor(local: LocalServices, limit: number) {
    this.local = local
    this.limit = limit
  }

  get outstanding(): number {
    return this.pending.size
  }

  /** To the server with the least to do; the first reply, or an error. */
  request(topic: Topic, parcel: Parcel, limits: RequestLimits): Promise<FabricMessage> {
    const member = choose(topic.services)
    if (member === null) return Promise.reject(noResponders(topic.subject))
    return new Promise((resolve, reject) => {
      const call: Call | null = this.start(topic, member, parcel, limits, 1, {
        reply: (message, more) => {
          if (message === null)
            reject(
              new HeddleError("ERR_REMOTE", `Request to ${topic.subject}: the server ended a stream without a value`),
            )
          else resolve(message)
          // Somebody streams where one answer was wanted.
          if (more && call !== null) this.cancel(call, null)
        },
        failed: reject,
      })
    })
  }

  /** Null: it has failed already, and the sink knows. */
  start(
    topic: Topic,
    member: Interest,
    parcel: Parcel,
    limits: RequestLimits,
    credit: number,
    sink: ReplySink,
  ): Call | null {
    const { signal } = limits
    if (signal?.aborted === true) {
      sink.failed(cancelled(`Request to ${topic.subject}`, signal.reason))
      return null
    }
    if (this.pending.size >= this.limit) {
      sink.failed(
        new HeddleError(
          "EAGAIN",
          `${this.limit} requests of this node wait for answers (maxRequests); try again later`,
        ),
      )
      return null
    }
    const call = new Call(this, this.nextId++, topic, member, parcel, limits, credit, sink)
    if (this.pending.size === 0) hold()
    this.pending.set(call.id, call)
    member.outstanding++
    call.timer = setTimeout(expire, limits.timeout, this, call)
    signal?.addEventListener("abort", call.aborted, { once: true })
    const { link } = member
    if (link === null || link.outgoing.hasRoom()) this.send(call)
    else link.whenRoom.add(call)
    return call
  }

  /** @internal */
  send(call: Call): void {
    const { member, topic, parcel, timeout, credit } = call
    call.sent = true
    if (member.link === null) this.local.call(member.owner as Service, call.id, topic, parcel, timeout, credit)
    else member.link.write(REQUEST, 0, [call.id, member.spec.id, Math.ceil(timeout), credit], topic, parcel)
  }

  /** A reply has come; one to a request that is over is ignored. `link`: from whom. */
  replied(id: number, options: number, message: FabricMessage, link: Link | null): void {
    const call = this.pending.get(id)
    if (call === undefined || call.member.link !== link) return
    if ((options & FAILED) !== 0) {
      this.finish(call)
      call.sink.failed(toError(call.what, message.fromName, message.bytes))
      return
    }
    const more = (options & MORE) !== 0
    if (!more) this.finish(call)
    call.sink.reply((options & END) !== 0 ? null : message, more)
  }

  /** The client has read so many replies of a stream. */
  grant(call: Call, count: number): void {
    if (call.over) return
    const { link } = call.member
    if (link === null) this.local.credit(call.id, count)
    else writeNumbers(link.outgoing, CREDIT, [call.id, count])
  }

  /** Ends a call on our side; the server is told. A null error: nobody needs to know. */
  cancel(call: Call, error: HeddleError | null): void {
    if (call.over) return
    const { sent } = call
    this.finish(call)
    const { link } = call.member
    if (sent) {
      if (link === null) this.local.cancel(call.id)
      else writeNumbers(link.outgoing, CANCEL, [call.id])
    }
    if (error !== null) call.sink.failed(error)
  }

  /** @internal The time is up. */
  expired(call: Call): void {
    this.cancel(call, timedOut(call.what, call.timeout))
  }

  /** A peer is gone for good: what it had is lost, what had not been sent goes to others. */
  linkEnded(link: Link, fresh: (subject: string) => Topic): void {
    for (const call of [...this.pending.values()]) {
      if (call.member.link !== link) continue
      const { sent } = call
      this.finish(call)
      const other = sent ? null : choose(fresh(call.topic.subject).services)
      if (other !== null && other.link !== link) {
        this.start(
          call.topic,
          other,
          call.parcel,
          { timeout: call.timeout, signal: call.signal },
          call.credit,
          call.sink,
        )
      } else {
        call.sink.failed(
          new HeddleError(
            "ECONNRESET",
            `${call.what}: the server ${link.name} is gone; it may or may not have done the work`,
          ),
        )
      }
    }
  }

  /** Resolves when none waits for an answer. */
  async idle(): Promise<void> {
    if (this.pending.size > 0) await new Promise<void>(resolve => this.whenIdle.push(resolve))
  }

  close(): void {
    for (const call of [...this.pending.values()]) this.cancel(call, closedError("Fabric"))
  }

  private finish(call: Call): void {
    call.over = true
    clearTimeout(call.timer)
    call.signal?.removeEventListener("abort", call.aborted)
    this.pending.delete(call.id)
    call.member.outstanding--
    if (!call.sent) call.member.link?.whenRoom.delete(call)
    if (this.pending.size > 0) return
    release()
    for (const idle of this.whenIdle.splice(0)) idle()
  }
}

function expire(requests: Requests, call: Call): void {
  requests.expired(call)
}
