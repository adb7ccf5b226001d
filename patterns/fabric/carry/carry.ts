import { clock } from "../../../core/clock.ts"
import type { Context } from "../../../core/context.ts"
import type { Connection, Handshake, Hello, LinkOptions, Listener, ListenerSink } from "../../../core/contract.ts"
import { parseEndpoint } from "../../../core/endpoint.ts"
import { HeddleError } from "../../../core/errors.ts"
import { overlaps } from "../../../core/subject.ts"
import type { Reader } from "../../../core/varint.ts"
import type { FabricEvent } from "../events.ts"
import { type InterestSpec, SUBSCRIBE } from "../interest.ts"
import type { NumberedSubject } from "../link/incoming.ts"
import type { Link } from "../link/link.ts"
import type { Extra } from "../message.ts"
import type { FabricSettings } from "../options.ts"
import { MESSAGES, readHead, TOKEN_SIZE } from "./batch.ts"
import * as C from "./control.ts"
import { type CarryGroup, groupOptions } from "./options.ts"
import type { CarryPort } from "./port.ts"
import { CarryReceiver } from "./receiver.ts"
import { CarrySender } from "./sender.ts"

/** What carried subjects need of the node. */
export interface CarryHost {
  readonly settings: FabricSettings
  links(): Iterable<Link>
  emit(event: FabricEvent): void
  published(
    subject: NumberedSubject,
    codec: number,
    bytes: Buffer,
    start: number,
    end: number,
    extra: Extra | null,
  ): void
}

/** Milliseconds between beacons, unless a shorter probe asks for more of them. */
const BEAT = 1_000
const BEATS_A_PROBE = 3
/** Milliseconds that peers have to say how far they came when this node leaves. */
const GOODBYE = 1_000
const NO_ID = Buffer.alloc(0)
const NO_METADATA: ReadonlyMap<string, Buffer> = new Map()

/** Subjects that groups carry: the senders and receivers of one node. */
export class Carry implements CarryPort {
  readonly settings: FabricSettings
  readonly beat: number
  readonly senders: readonly CarrySender[]
  readonly receivers: readonly CarryReceiver[]
  private readonly host: CarryHost
  private readonly context: Context
  private readonly byKey = new Map<string, { sender: CarrySender; receiver: CarryReceiver }>()
  private timer: NodeJS.Timeout | undefined
  private lastTick = clock.now()
  private leaving = false
  private over = false

  constructor(groups: readonly CarryGroup[], host: CarryHost, context: Context) {
    this.host = host
    this.settings = host.settings
    this.context = context
    this.beat = Math.floor(Math.min(BEAT, ...groups.map(({ probe }) => probe / BEATS_A_PROBE)))
    this.senders = groups.map(group => new CarrySender(group, this))
    this.receivers = groups.map(group => new CarryReceiver(group, this, (kind, key) => this.tellAll(kind, key)))
    for (const [i, { key }] of groups.entries())
      this.byKey.set(key, { sender: this.senders[i], receiver: this.receivers[i] })
    this.schedule()
  }

  // CarryPort

  async dial({ href }: CarryGroup, signal: AbortSignal): Promise<Connection> {
    const endpoint = parseEndpoint(href)
    const transport = this.context.transportOf(endpoint.scheme, href)
    return transport.dial(endpoint, this.handshake("PUB"), signal)
  }

  async listen({ href }: CarryGroup, sink: ListenerSink): Promise<Listener> {
    const endpoint = parseEndpoint(href)
    const transport = this.context.transportOf(endpoint.scheme, href)
    return transport.listen(endpoint, this.handshake("SUB"), sink)
  }

  warn(error: HeddleError): void {
    this.host.emit({ type: "warning", error })
  }

  tell(
    { key }: CarryGroup,
    { node, name }: Link,
    where: "sending" | "receiving",
    by: "group" | "link",
    reason: string,
  ): void {
    if (!this.leaving) this.host.emit({ type: "carry", group: key, peer: { node, name }, where, by, reason })
  }

  gap({ node, name }: Link, missing: number | null): void {
    if (!this.leaving) this.host.emit({ type: "gap", peer: { node, name }, missing })
  }

  published(
    subject: NumberedSubject,
    codec: number,
    bytes: Buffer,
    start: number,
    end: number,
    extra: Extra | null,
  ): void {
    this.host.published(subject, codec, bytes, start, end, extra)
  }

  isOwn(token: string): boolean {
    return this.senders.some(sender => sender.tokenKey === token)
  }

  // From the node

  /** A wish of this node has come. */
  wished(spec: InterestSpec): void {
    for (const receiver of this.concerned(spec)) receiver.want()
  }

  unwished(spec: InterestSpec): void {
    for (const receiver of this.concerned(spec)) receiver.unwant()
  }

  /** A new peer, before its first batch. */
  linkMade(link: Link): void {
    for (const { open, group } of this.receivers) {
      if (open && link.info.carry) C.writeControl(link, C.LISTEN, group.keyBytes)
    }
  }

  linkUp(link: Link, freshIn: boolean, freshOut: boolean): void {
    for (const receiver of this.receivers) receiver.streamOf(link)?.suspend()
    if (!freshIn && !freshOut) {
      for (const sender of this.senders) sender.back(link)
      return
    }
    for (const sender of this.senders) sender.begunAnew(link, !freshIn)
    for (const receiver of this.receivers) receiver.begunAnew(link, freshIn)
    if (freshOut) this.linkMade(link)
  }

  linkDown(link: Link): void {
    for (const receiver of this.receivers) receiver.streamOf(link)?.suspend()
  }

  lapsed(link: Link): void {
    for (const sender of this.senders) sender.lapsed(link)
  }

  linkEnded(link: Link): void {
    for (const sender of this.senders) sender.ended(link)
    for (const receiver of this.receivers) receiver.ended(link, this.leaving)
  }

  roomAgain(link: Link): void {
    for (const sender of this.senders) sender.roomAgain(link)
  }

  /** What is said to the peer next comes after what groups have brought, or will bring. */
  tail(link: Link): void {
    for (const sender of this.senders) sender.tail(link)
  }

  /** Calls `then` when all is delivered that came before what the peer says now. */
  whenCaughtUp(link: Link, then: () => void): void {
    let next = then
    for (const receiver of this.receivers) {
      const stream = receiver.streamOf(link)
      if (stream === undefined) continue
      const after = next
      next = () => stream.whenCaughtUp(after)
    }
    next()
  }

  /** A CARRY record. Throws EPROTO. */
  record(link: Link, body: Reader, apart: Buffer | null): void {
    const kind = body.varint()
    const group = this.byKey.get(body.utf8(body.varint()))
    // It may know groups that we do not.
    if (group === undefined) return
    const { sender, receiver } = group
    if (kind === C.LISTEN) sender.listens(link)
    else if (kind === C.DEAF) sender.deaf(link)
    else if (kind === C.HEAR) sender.hears(link, body.view(TOKEN_SIZE))
    else if (kind === C.FETCH) sender.fetch(link, body.varint(), body.varint())
    else if (kind === C.LOST) sender.lost(link, body.varint(), body.varint())
    else if (kind === C.OFFER) receiver.offered(link, Buffer.from(body.view(TOKEN_SIZE)))
    else this.toStream(receiver, link, kind, body, apart)
  }

  /** Peers are told by link what groups have not brought them, before the goodbye. */
  async leave(): Promise<void> {
    this.leaving = true
    for (const sender of this.senders) {
      sender.flush()
      sender.giveUp(C.LEAVING)
    }
    const deadline = clock.now() + GOODBYE
    while (clock.now() < deadline && this.senders.some(sender => sender.waitsFor > 0))
      await new Promise(resolve => setTimeout(resolve, 2))
  }

  async close(): Promise<void> {
    this.leaving = true
    this.over = true
    clearTimeout(this.timer)
    for (const sender of this.senders) sender.end()
    await Promise.all(this.receivers.map(receiver => receiver.close()))
  }

  private toStream(receiver: CarryReceiver, link: Link, kind: number, body: Reader, apart: Buffer | null): void {
    const stream = receiver.streamOf(link)
    if (stream === undefined) {
      // We have left the group meanwhile.
      if (kind === C.ON) C.writeControl(link, C.LOST, receiver.group.keyBytes, [body.varint(), C.UNWANTED])
      return
    }
    if (kind === C.ON) stream.on(body.varint(), receiver.wanted > 0)
    else if (kind === C.OFF) stream.off(body.varint())
    else if (kind === C.END) stream.end(body.varint())
    else if (kind === C.MISSING) stream.lacks(body.varint())
    else if (kind === C.FETCHED) stream.fetched(body.varint(), body.varint())
    else if (kind === C.TAIL) stream.tail(body.varint())
    else if (kind === C.MARK) stream.work()
    else if (kind === C.STILL) stream.still()
    else if (kind === C.BATCH) {
      const bytes = body.view(body.left)
      const head = readHead(bytes)
      if (head?.kind !== MESSAGES) throw new HeddleError("EPROTO", "The peer sent a carried batch that is none")
      stream.batch(head, bytes, apart)
    }
    // Others are of later versions.
  }

  private concerned({ kind, targeted, pattern }: InterestSpec): readonly CarryReceiver[] {
    if (kind !== SUBSCRIBE || targeted) return []
    return this.receivers.filter(({ group }) => group.patterns.some(one => overlaps(one, pattern)))
  }

  private tellAll(kind: number, key: Buffer): void {
    for (const link of this.host.links()) if (link.info.carry && !link.lapsed) C.writeControl(link, kind, key)
  }

  private handshake(socketType: "PUB" | "SUB"): Handshake {
    const hello: Hello = { socketType, routingId: NO_ID, metadata: NO_METADATA }
    return { options: this.options, adaptive: false, answer: () => hello, admit: () => {} }
  }

  private get options(): LinkOptions {
    return groupOptions(this.settings.links)
  }

  private schedule(): void {
    this.timer = setTimeout(() => {
      // Behind what has arrived: who was stopped must not take those for silent whose messages it has not read.
      setImmediate(() => {
        if (this.over) return
        const now = clock.now()
        const rested = now - this.lastTick < LATE * this.beat + LATE_BY
        this.lastTick = now
        for (const sender of this.senders) sender.tick(now)
        for (const receiver of this.receivers) receiver.tick(now, rested)
        this.schedule()
      })
    }, this.beat)
    this.timer.unref()
  }
}

/** A tick that comes after so many beats, and so many milliseconds, tells that the process stood still. */
const LATE = 2
const LATE_BY = 100
