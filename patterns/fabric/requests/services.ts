import type { Codecs } from "../../../core/codec.ts"
import { HeddleError } from "../../../core/errors.ts"
import type { Link } from "../link/link.ts"
import { END, FAILED, MORE, REPLY } from "../link/records.ts"
import type { Parcel } from "../link/write.ts"
import { FabricMessage, type Origin } from "../message.ts"
import { RequestMessage } from "./request-message.ts"
import { type Responder, ServerCall, type Service } from "./service.ts"

const NOTHING: Parcel = { payload: Buffer.alloc(0), codec: 5, codecName: "", headers: null, structures: 0 }
/** Codec number of JSON: failures are JSON. */
const JSON_CODEC = 2

export interface ServicesHost {
  readonly codecs: Codecs
  parcelOf(value: unknown, codec: string | undefined): Parcel
  /** For calls of this node itself. */
  readonly origin: Origin
  replied(id: number, options: number, message: FabricMessage): void
}

/** Calls that services of this node have in hand, by client. */
export class Services {
  private readonly host: ServicesHost
  private readonly remote = new Map<Link, Map<number, ServerCall>>()
  private readonly local = new Map<number, ServerCall>()
  private readonly localResponder: Responder

  constructor(host: ServicesHost) {
    this.host = host
    this.localResponder = new LocalResponder(host)
  }

  /** A request of a peer. */
  take(link: Link, service: Service, id: number, message: RequestMessage, credit: number): void {
    let calls = this.remote.get(link)
    if (calls === undefined) {
      calls = new Map()
      this.remote.set(link, calls)
    }
    const call = new ServerCall(id, new LinkResponder(this.host, link), message, credit)
    calls.set(id, call)
    service.take(call)
  }

  /** A request of this node: answered in a later turn, as a peer's would be. */
  call(service: Service, id: number, subject: string, parcel: Parcel, timeout: number, credit: number): void {
    const { payload, codec, codecName, headers } = parcel
    const message = new RequestMessage(
      subject,
      this.host.origin,
      codec,
      codecName,
      payload,
      0,
      payload.length,
      headers,
      timeout,
    )
    const call = new ServerCall(id, this.localResponder, message, credit)
    this.local.set(id, call)
    process.nextTick(() => {
      if (call.cancelled) this.local.delete(id)
      else service.take(call)
    })
  }

  /** Any kind of client. */
  takeFrom(service: Service, responder: Responder, id: number, message: RequestMessage, credit: number): ServerCall {
    const call = new ServerCall(id, responder, message, credit)
    service.take(call)
    return call
  }

  cancel(link: Link | null, id: number): void {
    const calls = link === null ? this.local : this.remote.get(link)
    calls?.get(id)?.cancel(new HeddleError("ECANCELED", "The client has cancelled the request, or waits no longer"))
  }

  credit(link: Link | null, id: number, count: number): void {
    const calls = link === null ? this.local : this.remote.get(link)
    calls?.get(id)?.grant(count)
  }

  over(call: ServerCall): void {
    if (call.responder === this.localResponder) this.local.delete(call.id)
    else if (call.responder instanceof LinkResponder) {
      const { link } = call.responder
      const calls = this.remote.get(link)
      // After a break the client may have used the number again.
      if (calls?.get(call.id) === call) calls.delete(call.id)
      if (calls?.size === 0) this.remote.delete(link)
      link.whenRoom.delete(call)
    }
  }

  /** A client, or what was on the way to it, is gone: what it asked for is in vain. */
  linkEnded(link: Link): void {
    for (const call of [...(this.remote.get(link)?.values() ?? [])]) {
      call.cancel(new HeddleError("ECONNRESET", `The client ${link.name} is gone`))
    }
    this.remote.delete(link)
  }
}

class LinkResponder implements Responder {
  readonly link: Link
  private readonly host: ServicesHost

  constructor(host: ServicesHost, link: Link) {
    this.host = host
    this.link = link
  }

  /** After the resume window the client has given up, or will be told of a gap. */
  private get listens(): boolean {
    return !this.link.ended && !this.link.lapsed
  }

  reply(id: number, value: unknown, more: boolean): void {
    const parcel = this.host.parcelOf(value, undefined)
    const most = this.link.info.maxPayload
    if (parcel.payload.length > most) {
      throw new HeddleError(
        "EMSGSIZE",
        `The reply has ${parcel.payload.length} bytes; the client takes ${most} (its maxPayload)`,
      )
    }
    if (this.listens) this.link.write(REPLY, more ? MORE : 0, [id], null, parcel)
  }

  end(id: number): void {
    if (this.listens) this.link.write(REPLY, END, [id], null, NOTHING)
  }

  fail(id: number, failure: Buffer): void {
    if (this.listens) this.link.write(REPLY, FAILED, [id], null, { ...NOTHING, payload: failure, codec: JSON_CODEC })
  }

  room(call: ServerCall): boolean {
    if (this.link.ended || this.link.outgoing.hasRoom()) return true
    this.link.whenRoom.add(call)
    return false
  }
}

class LocalResponder implements Responder {
  private readonly host: ServicesHost

  constructor(host: ServicesHost) {
    this.host = host
  }

  reply(id: number, value: unknown, more: boolean): void {
    this.pass(id, more ? MORE : 0, this.host.parcelOf(value, undefined))
  }

  end(id: number): void {
    this.pass(id, END, NOTHING)
  }

  fail(id: number, failure: Buffer): void {
    this.pass(id, FAILED, { ...NOTHING, payload: failure, codec: JSON_CODEC })
  }

  private pass(id: number, options: number, { payload, codec, codecName }: Parcel): void {
    const message = new FabricMessage("", this.host.origin, codec, codecName, payload, 0, payload.length, null, false)
    process.nextTick(() => this.host.replied(id, options, message))
  }
}
