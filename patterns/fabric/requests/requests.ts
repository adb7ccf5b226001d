import { BusyPoll } from "../../../core/busy-poll.ts"
import { clock } from "../../../core/clock.ts"
import { Deadlines, type Limited, NEVER, timeLeft } from "../../../core/deadlines.ts"
import { closedError, HeddleError } from "../../../core/errors.ts"
import { hold, release } from "../../../core/keep-alive.ts"
import { Slots } from "../../../core/slots.ts"
import { Ticks } from "../../../core/ticks.ts"
import type { Interest } from "../interest.ts"
import type { Link } from "../link/link.ts"
import { CANCEL, CREDIT, END, FAILED, MORE } from "../link/records.ts"
import { type Parcel, writeNumbers } from "../link/write.ts"
import type { FabricMessage } from "../message.ts"
import type { Topic } from "../topics.ts"
import { cancelled, isUntouched, noResponders, timedOut, toError } from "./failures.ts"
import { chooseServer, NOBODY_YET, Search, type SearchHost } from "./search.ts"
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
  /** Servers of a call to all of them that began when none was known: they are asked one by one, this call is over. `timeout`: milliseconds left. */
  spread?(servers: readonly Interest[], timeout: number): void
}

/** How calls get to services of this node itself, and find others. */
export interface RequestsHost extends SearchHost {
  call(service: Service, id: number, topic: Topic, parcel: Parcel, timeout: number, credit: number): void
  cancel(id: number): void
  credit(id: number, count: number): void
}

/** Replies of a stream that a server may send ahead; the client grants more as it reads. */
export const CREDIT_AHEAD = 256

/** One request to one server. */
export class Call implements Limited {
  id = 0
  readonly topic: Topic
  member: Interest
  readonly parcel: Parcel
  readonly timeout: number
  readonly credit: number
  /** Replies of a stream that the server may still send. */
  granted: number
  /** Null: one reply is wanted, and `resolve` gets it. */
  readonly sink: ReplySink | null
  resolve: Resolve | null = null
  readonly signal: AbortSignal | undefined
  /** Any server will do; otherwise only those of the queue group of the first. */
  readonly anyone: boolean
  /** Batch of the link that it was sent with, or an earlier one; 0 = it was not sent. */
  batch = 0
  over = false
  since: Limited["since"] = NEVER
  earlier: Limited | null = null
  later: Limited | null = null
  deadlines: Limited["deadlines"] = null
  /** Listens to `signal`. */
  aborted: (() => void) | null = null
  private readonly calls: Requests

  constructor(
    calls: Requests,
    topic: Topic,
    member: Interest,
    parcel: Parcel,
    timeout: number,
    signal: AbortSignal | undefined,
    credit: number,
    sink: ReplySink | null,
    anyone: boolean,
  ) {
    this.calls = calls
    this.topic = topic
    this.member = member
    this.parcel = parcel
    this.timeout = timeout
    this.signal = signal
    this.credit = credit
    this.granted = credit
    this.anyone = anyone
    this.sink = sink
  }

  get what(): string {
    return `Request to ${this.topic.subject}`
  }

  /** The link has room: some of the time is gone. */
  go(): void {
    this.calls.send(this, Math.max(1, timeLeft(this, clock.now())))
  }

  reply(message: FabricMessage | null, more: boolean): void {
    if (this.sink !== null) this.sink.reply(message, more)
    else if (message === null)
      this.failed(new HeddleError("ERR_REMOTE", `${this.what}: the server ended a stream without a value`))
    else {
      this.resolve?.(message)
      // Somebody streams where one answer was wanted.
      if (more) this.calls.cancel(this, null)
    }
  }

  failed(error: HeddleError): void {
    if (this.sink !== null) this.sink.failed(error)
    // One function for both costs less memory for each call that is answered.
    else this.resolve?.(Promise.reject(error))
  }
}

type Resolve = (message: FabricMessage | Promise<never>) => void

/** One function for all promises, which leaves what it is given here: one of its own for each is garbage. */
let resolveOfLast: Resolve | null = null
const keepResolve = (resolve: Resolve): void => {
  resolveOfLast = resolve
}

/** Requests of this node that are not answered. */
export class Requests {
  private readonly pending: Slots<Call>
  private readonly poll: BusyPoll
  private readonly host: RequestsHost
  private readonly limit: number
  private readonly limits = new Deadlines<Call>(call => this.cancel(call, timedOut(call.what, call.timeout)))
  private readonly ticks = new Ticks(now => this.ticked(now))
  private readonly search: Search
  /** Something was sent in this tick. */
  private asked = false
  private whenIdle: (() => void)[] = []

  /** `busyPoll`: microseconds, see `JoinOptions`. */
  constructor(host: RequestsHost, limit: number, busyPoll: number) {
    this.host = host
    this.limit = limit
    this.poll = new BusyPoll(busyPoll, () => this.pending.length > 0)
    this.pending = new Slots(limit)
    this.search = new Search(
      host,
      (call, server) => this.place(call, server),
      (call, error) => this.cancel(call, error),
    )
  }

  get outstanding(): number {
    return this.pending.length
  }

  /** The server with the least to do; who stands for it as long as none is known, but may be told of; null = there is none. */
  choose(servers: readonly Interest[]): Interest | null {
    return chooseServer(servers) ?? (this.host.expects() ? NOBODY_YET : null)
  }

  /** All that are meant when all are asked; empty = there is none. */
  chooseAll(servers: readonly Interest[]): readonly Interest[] {
    const all = this.host.everyone(servers)
    return all.length === 0 && this.host.expects() ? [NOBODY_YET] : all
  }

  /** Servers or peers have come or gone. */
  changed(): void {
    this.search.again()
  }

  /** To the server with the least to do; the first reply, or an error. */
  request(topic: Topic, parcel: Parcel, timeout: number, signal: AbortSignal | undefined): Promise<FabricMessage> {
    const member = this.choose(topic.services)
    if (member === null) return Promise.reject(noResponders(topic.subject))
    const call = new Call(this, topic, member, parcel, timeout, signal, 1, null, true)
    const reply = new Promise<FabricMessage>(keepResolve)
    call.resolve = resolveOfLast
    // Or the last promise of all would stay in memory, with its answer.
    resolveOfLast = null
    this.begin(call)
    return reply
  }

  /** Null: it has failed already, and the sink knows. `anyone`: another server may get it when this one has just ended. */
  start(
    topic: Topic,
    member: Interest,
    parcel: Parcel,
    limits: RequestLimits,
    credit: number,
    sink: ReplySink,
    anyone = false,
  ): Call | null {
    const call = new Call(this, topic, member, parcel, limits.timeout, limits.signal, credit, sink, anyone)
    return this.begin(call) ? call : null
  }

  /** False: it has failed already. */
  private begin(call: Call): boolean {
    const { signal, member, timeout } = call
    const { link } = member
    const failure = this.refusalOf(call)
    if (failure !== null) {
      call.failed(failure)
      return false
    }
    if (this.pending.length === 0) hold()
    call.id = this.pending.add(call)
    this.limits.enter(call, timeout, this.ticks.moment)
    if (signal !== undefined) {
      call.aborted = () => this.cancel(call, cancelled(call.what, signal.reason))
      signal.addEventListener("abort", call.aborted, { once: true })
    }
    member.outstanding++
    if (member === NOBODY_YET) this.search.add(call)
    else if (link === null || link.outgoing.hasRoom()) this.send(call, timeout)
    else link.whenRoom.add(call)
    return true
  }

  private refusalOf(call: Call): HeddleError | null {
    const { signal, parcel, member } = call
    if (signal?.aborted === true) return cancelled(call.what, signal.reason)
    if (this.pending.length >= this.limit) {
      return new HeddleError(
        "EAGAIN",
        `${this.limit} requests of this node wait for answers (maxRequests); try again later`,
      )
    }
    return parcel.size <= mostOf(member) ? null : tooLarge(call, member)
  }

  /** @internal `timeout`: milliseconds that are left. */
  send(call: Call, timeout: number): void {
    const { member, topic, parcel, credit } = call
    const { link } = member
    call.batch = link === null ? 1 : link.outgoing.sealed + 1
    if (link === null) this.host.call(member.owner as Service, call.id, topic, parcel, timeout, credit)
    else {
      link.request(call.id, member.spec.id, Math.ceil(timeout), credit, topic, parcel)
      this.asked = true
    }
  }

  private ticked(now: number): void {
    if (!this.asked) return
    this.asked = false
    this.poll.start(now)
  }

  /** A reply has come; one to a request that is over is ignored. `link`: from whom. Throws EPROTO for a second last reply, and one beyond the credit. */
  replied(id: number, options: number, message: FabricMessage, link: Link | null): void {
    const call = this.pending.get(id)
    if (call === undefined || call.member.link !== link) {
      // Whoever does that would answer the next request of this number before it has read it.
      if (link !== null && this.pending.isSettled(id))
        throw new HeddleError("EPROTO", `The peer answered request ${id}, which had its last reply`)
      return
    }
    if (link !== null) this.poll.answered()
    if ((options & FAILED) !== 0) {
      const error = toError(call.what, message.fromName, message.bytes)
      if (isUntouched(error) && this.reroute(call, false)) return
      this.finish(call, true)
      call.failed(error)
      return
    }
    const more = (options & MORE) !== 0
    // Nothing else bounds what waits for who reads the stream.
    if (more && --call.granted < 0)
      throw new HeddleError("EPROTO", `The peer sent more replies to request ${id} than it was granted`)
    if (!more) this.finish(call, true)
    call.reply((options & END) !== 0 ? null : message, more)
  }

  /** The client has read so many replies of a stream. */
  grant(call: Call, count: number): void {
    if (call.over) return
    call.granted += count
    const { link } = call.member
    if (link === null) this.host.credit(call.id, count)
    else writeNumbers(link.outgoing, CREDIT, [call.id, count])
  }

  /** Ends a call on our side; the server is told. A null error: nobody needs to know. */
  cancel(call: Call, error: HeddleError | null): void {
    if (call.over) return
    const { batch } = call
    this.finish(call, false)
    const { link } = call.member
    if (batch > 0) {
      if (link === null) this.host.cancel(call.id)
      else writeNumbers(link.outgoing, CANCEL, [call.id])
    }
    if (error !== null) call.failed(error)
  }

  /**
   * A peer, or what was on the way to it or from it, is gone for good: what it had is lost, what had not been sent goes to others. `had`:
   * what was sent with later batches than so many reaches the peer behind all that is lost, and will be answered.
   */
  linkEnded(link: Link, had = Number.POSITIVE_INFINITY): void {
    for (const call of [...this.pending.values()]) {
      if (call.over || call.member.link !== link || call.batch > had) continue
      const sent = call.batch > 0
      if (!sent && (this.stays(call, link) || this.reroute(call, true))) continue
      this.finish(call, false)
      const why = sent ? "it may or may not have done the work" : "it has not got the request"
      call.failed(new HeddleError("ECONNRESET", `${call.what}: the server ${link.name} is gone; ${why}`))
    }
  }

  /** A server has ended without a look at the call: another one gets it. False = there is none. `gone`: with its link. */
  private reroute(call: Call, gone: boolean): boolean {
    const { member } = call
    const { services } = this.host.topic(call.topic.subject)
    // It does not say that it has ended, so it may do this again and again.
    if (!gone && services.includes(member)) return false
    const { group } = member.spec
    const fits = (one: Interest): boolean => call.anyone || (group !== "" && one.spec.group === group)
    const others = services.filter(one => one !== member && fits(one))
    // Who has lost its server with the link may find it again by the next one; a server that says that it has ended is not waited for.
    const other = gone && call.anyone ? this.choose(others) : chooseServer(others)
    if (other === null || call.parcel.size > mostOf(other)) return false
    this.move(call, other)
    return true
  }

  /** It waits for room on a link that has begun anew, and its server is still there. */
  private stays({ topic, member }: Call, link: Link): boolean {
    return link.up && this.host.topic(topic.subject).services.includes(member)
  }

  /** A call that waited for a server has one. */
  private place(call: Call, server: Interest): void {
    if (call.parcel.size > mostOf(server)) this.cancel(call, tooLarge(call, server))
    else this.move(call, server)
  }

  private move(call: Call, server: Interest): void {
    this.leave(call)
    call.member = server
    call.batch = 0
    server.outstanding++
    if (server === NOBODY_YET) this.search.add(call)
    else if (server.link === null || server.link.outgoing.hasRoom()) call.go()
    else server.link.whenRoom.add(call)
  }

  /** Resolves when none waits for an answer. */
  async idle(): Promise<void> {
    if (this.pending.length > 0) await new Promise<void>(resolve => this.whenIdle.push(resolve))
  }

  close(): void {
    for (const call of [...this.pending.values()]) this.cancel(call, closedError("Fabric"))
  }

  /** `answered`: nothing more comes, so that the number may serve another call. */
  private finish(call: Call, answered: boolean): void {
    call.over = true
    this.limits.leave(call)
    if (call.aborted !== null) call.signal?.removeEventListener("abort", call.aborted)
    if (answered) this.pending.settle(call.id)
    else this.pending.delete(call.id)
    this.leave(call)
    if (this.pending.length > 0) return
    release()
    for (const idle of this.whenIdle.splice(0)) idle()
  }

  private leave(call: Call): void {
    call.member.outstanding--
    if (call.batch > 0) return
    call.member.link?.whenRoom.delete(call)
    this.search.delete(call)
  }
}

function tooLarge({ what, parcel }: Call, server: Interest): HeddleError {
  const most = mostOf(server)
  return new HeddleError("EMSGSIZE", `${what}: ${parcel.size} bytes; the server takes ${most} (its maxPayload)`)
}

/** Bytes that a server takes. */
function mostOf({ link }: Interest): number {
  return link === null ? Number.POSITIVE_INFINITY : link.info.maxPayload
}
