import { BusyPoll } from "../../../core/busy-poll.ts"
import { clock } from "../../../core/clock.ts"
import type { Codecs } from "../../../core/codec.ts"
import { HeddleError } from "../../../core/errors.ts"
import type { Arrival } from "../link/incoming.ts"
import type { Link } from "../link/link.ts"
import { NOTHING, Parcel } from "../link/parcel.ts"
import { END, FAILED, MORE } from "../link/records.ts"
import { Envelope, extraOf, FabricMessage, type Origin } from "../message.ts"
import { CallTable } from "./call-table.ts"
import { RequestMessage } from "./request-message.ts"
import { type Responder, ServerCall, type Service } from "./service.ts"

/**
 * Requests in a batch up to which the server looks for the next batch instead of sleeping. With one it halves the round trip and what
 * that costs both processors; with 50 the client has work meanwhile, and looking brought nothing (measured).
 */
const FEW = 8

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
  private readonly clients = new Map<Link, LinkResponder>()
  /** Whose request came last: the next is mostly of the same. */
  private latest: LinkResponder | null = null
  private readonly local = new Map<number, ServerCall>()
  private readonly localResponder: Responder
  private readonly poll: BusyPoll
  /** Of the batch that came last, and how many requests were in it. */
  private arrival: Arrival | null = null
  private came = 0

  /** `busyPoll`: microseconds, see `JoinOptions`. */
  constructor(host: ServicesHost, busyPoll: number) {
    this.host = host
    this.poll = new BusyPoll(busyPoll, () => true)
    this.localResponder = new LocalResponder(host)
  }

  /** A request of a peer. */
  take(link: Link, service: Service, id: number, message: RequestMessage, credit: number): void {
    if (message.arrival !== this.arrival) this.batchCame(message.arrival, link)
    this.came++
    const client = this.latest !== null && this.latest.link === link ? this.latest : this.clientOf(link)
    service.answer(id, client, message, credit)
  }

  /** A request of this node: answered in a later turn, as a peer's would be. */
  call(service: Service, id: number, subject: string, parcel: Parcel, timeout: number, credit: number): void {
    const { payload, codec, codecName, headers } = parcel
    const envelope = new Envelope(subject, this.host.origin)
    const extra = extraOf(codecName, headers)
    const arrival = { at: clock.now() }
    const message = new RequestMessage(envelope, codec, payload, 0, payload.length, extra, arrival, timeout)
    const call = new ServerCall(id, this.localResponder, message, credit)
    call.held = true
    this.local.set(id, call)
    process.nextTick(() => {
      if (call.cancelled) this.local.delete(id)
      else service.take(call)
    })
  }

  /** Who waits for one answer will ask again at once: the server does not go to sleep for that. */
  private batchCame(arrival: Arrival, { connection }: Link): void {
    this.arrival = arrival
    this.poll.answered(arrival.at)
    if (this.came <= FEW && connection?.vigilant !== true) this.poll.start(arrival.at)
    this.came = 0
  }

  /** Any kind of client. */
  takeFrom(service: Service, responder: Responder, id: number, message: RequestMessage, credit: number): ServerCall {
    const call = new ServerCall(id, responder, message, credit)
    service.take(call)
    return call
  }

  cancel(link: Link | null, id: number): void {
    this.find(link, id)?.cancel(
      new HeddleError("ECANCELED", "The client has cancelled the request, or waits no longer"),
    )
  }

  credit(link: Link | null, id: number, count: number): void {
    this.find(link, id)?.grant(count)
  }

  /** The call was not answered at once: the client may cancel it. */
  hold(call: ServerCall): void {
    if (call.responder instanceof LinkResponder) call.responder.calls.set(call)
  }

  /** A call that was held. */
  over(call: ServerCall): void {
    if (call.responder === this.localResponder) this.local.delete(call.id)
    else if (call.responder instanceof LinkResponder) {
      call.responder.calls.delete(call)
      call.responder.link.whenRoom.delete(call)
    }
  }

  /** A client, or what was on the way to it, is gone: what it asked for is in vain. */
  linkEnded(link: Link): void {
    const client = this.clients.get(link)
    if (client === undefined) return
    for (const call of client.calls.values()) {
      call.cancel(new HeddleError("ECONNRESET", `The client ${link.name} is gone`))
    }
    this.clients.delete(link)
    if (this.latest === client) this.latest = null
  }

  private find(link: Link | null, id: number): ServerCall | undefined {
    return link === null ? this.local.get(id) : this.clients.get(link)?.calls.get(id)
  }

  private clientOf(link: Link): LinkResponder {
    let client = this.clients.get(link)
    if (client === undefined) {
      client = new LinkResponder(this.host, link)
      this.clients.set(link, client)
    }
    this.latest = client
    return client
  }
}

/** One per client. */
class LinkResponder implements Responder {
  readonly link: Link
  /** Those that were not answered at once. */
  readonly calls = new CallTable()
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
    if (parcel.size > most) {
      throw new HeddleError("EMSGSIZE", `The reply has ${parcel.size} bytes; the client takes ${most} (its maxPayload)`)
    }
    if (this.listens) this.link.reply(id, more ? MORE : 0, parcel)
  }

  end(id: number): void {
    if (this.listens) this.link.reply(id, END, NOTHING)
  }

  fail(id: number, failure: Buffer): void {
    if (this.listens) this.link.reply(id, FAILED, Parcel.failure(failure))
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
    this.pass(id, FAILED, Parcel.failure(failure))
  }

  private pass(id: number, options: number, { payload, codec, codecName }: Parcel): void {
    const message = new FabricMessage(
      this.host.origin.nameless,
      codec,
      payload,
      0,
      payload.length,
      extraOf(codecName, null),
    )
    process.nextTick(() => this.host.replied(id, options, message))
  }
}
