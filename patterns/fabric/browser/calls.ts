import { HeddleError } from "../../../core/errors.ts"
import {
  type ASK_MANY,
  ASK_ONE,
  type ASK_STREAM,
  CANCEL,
  CREDIT,
  END,
  FAILED,
  MORE,
  REPLY,
  REQUEST,
} from "../edge/protocol.ts"
import type { RecordReader } from "../edge/wire.ts"
import { cancelled, decodeFailure, timedOut } from "./failures.ts"
import { FabricMessage } from "./message.ts"
import type { Parcel } from "./outbox.ts"
import type { PageCodecs } from "./payload.ts"
import type { Part, Session } from "./session.ts"

/** Replies of a stream that may be here unread; more are granted as they are read. */
export const CREDIT_AHEAD = 64

export type AskKind = typeof ASK_ONE | typeof ASK_STREAM | typeof ASK_MANY

/** Who waits for replies. */
export interface ReplySink {
  /** `more`: others follow. Null: that was all. */
  reply(message: FabricMessage | null, more: boolean): void
  /** Exactly once, instead of a last reply. */
  failed(error: HeddleError): void
}

export interface CallLimits {
  /** Milliseconds. */
  readonly timeout: number
  readonly signal: AbortSignal | undefined
}

/** A request that has not been answered. */
export class Call {
  readonly id: number
  readonly kind: AskKind
  readonly parcel: Parcel
  readonly deadline: number
  readonly sink: ReplySink
  readonly signal: AbortSignal | undefined
  sent = false
  timer: ReturnType<typeof setTimeout> | undefined
  aborted: (() => void) | null = null
  /** Replies that were read since credit was granted last. */
  read = 0

  constructor(id: number, kind: AskKind, parcel: Parcel, limits: CallLimits, sink: ReplySink) {
    this.id = id
    this.kind = kind
    this.parcel = parcel
    this.deadline = performance.now() + limits.timeout
    this.signal = limits.signal
    this.sink = sink
  }

  get what(): string {
    return `Request to ${this.parcel.subject}`
  }
}

/** Requests of the client. Without a connection they wait for one, as long as their time lasts. */
export class Calls implements Part {
  private readonly session: Session
  private readonly codecs: PageCodecs
  private readonly most: number
  private readonly calls = new Map<number, Call>()
  private last = 0

  constructor(session: Session, codecs: PageCodecs, most: number) {
    this.session = session
    this.codecs = codecs
    this.most = most
  }

  get length(): number {
    return this.calls.size
  }

  /** What goes wrong is told to `sink`, at once where it can be: null then. */
  start(kind: AskKind, parcel: Parcel, limits: CallLimits, sink: ReplySink): Call | null {
    const what = `Request to ${parcel.subject}`
    if (limits.signal?.aborted === true) {
      sink.failed(cancelled(what, limits.signal.reason))
      return null
    }
    if (this.calls.size >= this.most) {
      sink.failed(
        new HeddleError("EAGAIN", `${what}: ${this.most} requests have no answer yet (connect's option maxRequests)`),
      )
      return null
    }
    const call = new Call(++this.last, kind, parcel, limits, sink)
    this.calls.set(call.id, call)
    call.timer = setTimeout(() => this.fail(call, timedOut(what, limits.timeout), true), limits.timeout)
    if (limits.signal !== undefined) {
      call.aborted = () => this.fail(call, cancelled(what, limits.signal?.reason), true)
      limits.signal.addEventListener("abort", call.aborted, { once: true })
    }
    if (this.session.up) this.send(call)
    return call
  }

  /** Its replies are of no use any more; its sink is told nothing. */
  cancel(call: Call): void {
    if (!this.remove(call) || !call.sent || !this.session.up) return
    this.session.begin(CANCEL).varint(call.id)
    this.session.end()
  }

  /** A reply was read: there is room for another. */
  grant(call: Call): void {
    if (++call.read < CREDIT_AHEAD / 2 || !this.session.up || !this.calls.has(call.id)) return
    this.session.begin(CREDIT).varint(call.id).varint(call.read)
    this.session.end()
    call.read = 0
  }

  up(): void {
    for (const call of this.calls.values()) this.send(call)
  }

  down(error: HeddleError): void {
    for (const call of [...this.calls.values()]) {
      if (!call.sent) continue
      const text = `${call.what}: the connection broke; it may or may not have been done`
      this.fail(call, new HeddleError("ECONNRESET", text, { cause: error }), false)
    }
  }

  closed(error: HeddleError): void {
    for (const call of [...this.calls.values()]) this.fail(call, error, false)
  }

  record(type: number, reader: RecordReader): boolean {
    if (type !== REPLY) return false
    const call = this.calls.get(reader.varint())
    if (call === undefined) return true
    const flags = reader.byte()
    if ((flags & END) !== 0) {
      this.remove(call)
      call.sink.reply(null, false)
      return true
    }
    const content = reader.content()
    if ((flags & FAILED) !== 0) {
      this.fail(call, decodeFailure(call.what, content.payload), false)
      return true
    }
    const more = (flags & MORE) !== 0
    if (!more) this.remove(call)
    call.sink.reply(new FabricMessage(content, this.codecs, null), more)
    return true
  }

  refused(): void {
    // A request that is refused is answered by a reply.
  }

  private send(call: Call): void {
    call.sent = true
    const { subject, payload, headers } = call.parcel
    this.session
      .begin(REQUEST)
      .varint(call.id)
      .byte(call.kind)
      .varint(Math.max(1, Math.ceil(call.deadline - performance.now())))
      .varint(call.kind === ASK_ONE ? 0 : CREDIT_AHEAD)
      .content(subject, payload.codec, payload.codecName, headers, payload.payload)
    this.session.end()
  }

  private fail(call: Call, error: HeddleError, tell: boolean): void {
    if (!this.calls.has(call.id)) return
    if (tell) this.cancel(call)
    else this.remove(call)
    call.sink.failed(error)
  }

  private remove(call: Call): boolean {
    clearTimeout(call.timer)
    if (call.aborted !== null) call.signal?.removeEventListener("abort", call.aborted)
    return this.calls.delete(call.id)
  }
}

/** A request that wants one reply. */
export function askOne(calls: Calls, parcel: Parcel, limits: CallLimits): Promise<FabricMessage> {
  return new Promise((resolve, reject) => {
    calls.start(ASK_ONE, parcel, limits, {
      reply: message => {
        if (message !== null) resolve(message)
        else
          reject(
            new HeddleError("ERR_REMOTE", `Request to ${parcel.subject}: the server ended a stream without a value`),
          )
      },
      failed: reject,
    })
  })
}
