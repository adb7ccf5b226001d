import type { Codecs } from "../../core/codec.ts"
import { HeddleError } from "../../core/errors.ts"
import { type HeadersInit, MessageHeaders } from "../../core/headers.ts"
import { Backlog, type Lane } from "./backlog.ts"
import { choose } from "./choice.ts"
import type { Interest, InterestLane } from "./interest.ts"
import type { Link, Waiting } from "./link/link.ts"
import { DROPPED, HISTORY_END, KEPT, NOTICE, TARGETS, TARGETS_ONLY } from "./link/records.ts"
import { encodeHeaders, type Parcel, writeNumbers } from "./link/write.ts"
import { FabricMessage, type Origin } from "./message.ts"
import type { Schemas } from "./schemas.ts"
import type { Subscription } from "./subscription.ts"
import { NOBODY, type PublishResult, type Topic, Topics } from "./topics.ts"

export interface PublishOptions {
  /** Ordered, may repeat, may be binary. */
  headers?: HeadersInit
  /** Codec of this message; default: the fabric's. */
  codec?: string
}

/** Nothing was taken: somebody with the policy "block" is full. */
const FULL: PublishResult = Object.freeze({ peers: 0, dropped: 0, taken: false })

export interface PublishingHost {
  dropped(link: Link | null, pattern: string, reason: "full" | "conflated" | "stale", count: number): void
}

/** The sending side of publish and subscribe: from a value to those who want it. */
export class Publishing {
  readonly topics = new Topics()
  readonly codecs: Codecs
  readonly origin: Origin
  private readonly host: PublishingHost
  private readonly schemas: Schemas
  private readonly maxPayload: number
  private readonly waiters = new Set<() => void>()
  /** Messages dropped by the call that is under way. */
  private lost = 0
  /** What waits for blocking subscriptions, which must not hold up others of their link. */
  private readonly blocked = new Map<Interest, Backlog<Waiting>>()

  constructor(host: PublishingHost, codecs: Codecs, origin: Origin, schemas: Schemas, maxPayload: number) {
    this.host = host
    this.codecs = codecs
    this.origin = origin
    this.schemas = schemas
    this.maxPayload = maxPayload
  }

  /** A value with its codec and headers, encoded once. Throws EINVAL, EMSGSIZE. */
  parcelOf(value: unknown, codec: string | undefined, headers?: HeadersInit): Parcel {
    const { codecs } = this
    const payload = codecs.encode(value, codec)
    if (payload.length > this.maxPayload) {
      throw new HeddleError(
        "EMSGSIZE",
        `A payload of ${payload.length} bytes exceeds the ${this.maxPayload} that the fabric takes (maxPayload)`,
      )
    }
    const { number, name } = codecs
    return {
      payload,
      codec: number,
      codecName: name,
      headers: headers === undefined ? null : encodeHeaders(MessageHeaders.from(headers)),
      structures: number === SHARED_STRUCTURES ? codecs.shared.version : 0,
    }
  }

  publish(subject: string, data: unknown, options: PublishOptions | undefined): PublishResult {
    const topic = this.topics.of(subject)
    const value = this.schemas.size === 0 ? data : this.schemas.check(subject, data)
    topic.messages++
    const simple = topic.targeted.length === 0 && topic.groups.length === 0
    if (simple && topic.result === NOBODY && topic.keeper === null) return NOBODY
    const parcel = this.parcelOf(value, options?.codec, options?.headers)
    topic.size += parcel.payload.length
    if (!simple) return this.publishToSome(topic, parcel)
    topic.keeper?.store(topic, parcel)
    this.lost = 0
    const { plain, local } = topic
    for (let i = 0; i < plain.length; i++) {
      const link = plain[i].link as Link
      if (
        link.backlog.length === 0 &&
        !link.lapsed &&
        link.outgoing.hasRoom() &&
        parcel.payload.length <= link.info.maxPayload
      )
        link.publish(topic, parcel)
      else this.wait(link, plain[i].lane, { topic, parcel, targets: NO_TARGETS, options: 0 })
    }
    if (local.length > 0) this.deliverLocally(topic, parcel, local)
    return this.lost === 0 ? topic.result : { peers: topic.result.peers, dropped: this.lost, taken: true }
  }

  /** Calls `again` once there may be room where `publish` said there was none. */
  whenRoom(again: () => void): () => void {
    this.waiters.add(again)
    return () => this.waiters.delete(again)
  }

  /** The link's window has room: what waited goes out, in order. */
  drain(link: Link): void {
    const { backlog, outgoing } = link
    if (link.dropped.size > 0 && outgoing.hasRoom()) {
      for (const [id, count] of link.dropped) writeNumbers(outgoing, NOTICE, [DROPPED, id, count])
      link.dropped.clear()
    }
    const now = performance.now()
    while (backlog.length > 0 && outgoing.hasRoom()) {
      const waiting = backlog.shift(now)
      if (waiting === undefined) break
      this.send(link, waiting)
    }
    if (backlog.length === 0 && this.blocked.size > 0) {
      for (const interest of [...this.blocked.keys()]) if (interest.link === link) this.drainBlocked(interest)
    }
    for (const one of link.whenRoom) {
      if (!outgoing.hasRoom()) break
      link.whenRoom.delete(one)
      one.go()
    }
    this.wake()
  }

  /** A blocking subscriber goes on. */
  resumed(interest: Interest): void {
    interest.paused = false
    this.drainBlocked(interest)
    this.wake()
  }

  /** A wish is gone. What waits for a queue group goes to the other members; what waits for others is forgotten. */
  interestGone(interest: Interest): void {
    this.blocked.delete(interest)
    const waiting = interest.link?.backlog.take(interest.lane) ?? []
    if (interest.spec.group !== "") {
      for (const { topic, parcel } of waiting) {
        const fresh = this.topics.of(topic.subject)
        const group = fresh.groups.find(one => one.name === interest.spec.group)
        const other = group === undefined ? null : choose(group.members)
        if (other !== null) this.toMember(fresh, parcel, other)
      }
    }
    this.wake()
  }

  /** Sends what is kept to a newcomer, then says that the rest is live. Nothing may be published between this and the interest. */
  replay(link: Link, id: number, pattern: string, most: number): void {
    for (const { subject, parcel } of this.recall(pattern, most)) {
      link.publishTo(this.topics.of(subject), parcel, TARGETS | TARGETS_ONLY | KEPT, [id])
    }
    writeNumbers(link.outgoing, NOTICE, [HISTORY_END, id])
  }

  replayLocally(subscription: Subscription): void {
    for (const { subject, parcel } of this.recall(subscription.spec.pattern, subscription.spec.history)) {
      subscription.post(this.messageOf(subject, parcel, true))
    }
  }

  /** @internal Told by the backlog of a link. */
  droppedOnLink(link: Link, lane: Lane, reason: "full" | "conflated" | "stale"): void {
    this.lost++
    link.droppedMessages++
    const { interest } = lane as InterestLane
    const { id, pattern } = interest.spec
    // The peer is told when there is room for it: a note for each would be as long as what was dropped.
    link.dropped.set(id, (link.dropped.get(id) ?? 0) + 1)
    this.host.dropped(link, pattern, reason, 1)
  }

  messageOf(subject: string, { payload, codec, codecName, headers }: Parcel, kept: boolean): FabricMessage {
    return new FabricMessage(subject, this.origin, codec, codecName, payload, 0, payload.length, headers, kept)
  }

  wake(): void {
    if (this.waiters.size === 0) return
    const { waiters } = this
    const again = [...waiters]
    waiters.clear()
    for (const one of again) one()
  }

  private recall(pattern: string, most: number): { subject: string; parcel: Parcel }[] {
    const found = []
    for (const [, keeper] of this.topics.keepers.entries()) found.push(...keeper.recall(pattern, most))
    return found
  }

  /** Queue groups, blocking subscriptions and newcomers: messages that name whom they are for. */
  private publishToSome(topic: Topic, parcel: Parcel): PublishResult {
    for (const interest of topic.targeted) if (this.isFull(interest)) return FULL
    topic.keeper?.store(topic, parcel)
    this.lost = 0
    let { peers } = topic.result
    const { plain, local, targeted, groups } = topic
    const targets = new Map<Link, number[]>()
    for (const { members } of groups) {
      const member = choose(members)
      if (member === null) continue
      peers++
      if (member.link !== null && this.isOpen(member.link, parcel)) {
        member.outstanding++
        add(targets, member.link, member.spec.id)
      } else this.toMember(topic, parcel, member)
    }
    for (const interest of targeted) {
      peers++
      const { link } = interest
      if (link === null) this.postTo(interest, topic, parcel)
      else if (!interest.paused && !this.blocked.has(interest) && this.isOpen(link, parcel))
        add(targets, link, interest.spec.id)
      else this.waitBlocked(interest, { topic, parcel, targets: [interest.spec.id], options: TARGETS | TARGETS_ONLY })
    }
    for (let i = 0; i < plain.length; i++) {
      const link = plain[i].link as Link
      const also = targets.get(link)
      targets.delete(link)
      const options = also === undefined ? 0 : TARGETS
      if (!this.isOpen(link, parcel))
        this.wait(link, plain[i].lane, { topic, parcel, targets: also ?? NO_TARGETS, options })
      else if (also === undefined) link.publish(topic, parcel)
      else link.publishTo(topic, parcel, options, also)
    }
    for (const [link, ids] of targets) link.publishTo(topic, parcel, TARGETS | TARGETS_ONLY, ids)
    if (local.length > 0) this.deliverLocally(topic, parcel, local)
    return { peers, dropped: this.lost, taken: true }
  }

  private toMember(topic: Topic, parcel: Parcel, member: Interest): void {
    const { link } = member
    member.outstanding++
    if (link === null) this.postTo(member, topic, parcel)
    else {
      const waiting = { topic, parcel, targets: [member.spec.id], options: TARGETS | TARGETS_ONLY }
      if (this.isOpen(link, parcel)) this.send(link, waiting)
      else this.wait(link, member.lane, waiting)
    }
  }

  private postTo(interest: Interest, topic: Topic, parcel: Parcel): void {
    if (!(interest.owner as Subscription).post(this.messageOf(topic.subject, parcel, false))) this.lost++
  }

  private deliverLocally(topic: Topic, parcel: Parcel, local: readonly Subscription[]): void {
    const message = this.messageOf(topic.subject, parcel, false)
    for (let i = 0; i < local.length; i++) if (!local[i].post(message)) this.lost++
  }

  private isOpen(link: Link, parcel: Parcel): boolean {
    return (
      link.backlog.length === 0 &&
      !link.lapsed &&
      link.outgoing.hasRoom() &&
      parcel.payload.length <= link.info.maxPayload
    )
  }

  private isFull(interest: Interest): boolean {
    if (interest.link === null) return (interest.owner as Subscription).full
    return this.blocked.get(interest)?.blocked(interest.lane) === true
  }

  private send(link: Link, { topic, parcel, targets, options }: Waiting): void {
    if (options === 0) link.publish(topic, parcel)
    else link.publishTo(topic, parcel, options, targets)
  }

  private wait(link: Link, lane: Lane, waiting: Waiting): void {
    const { payload } = waiting.parcel
    if (payload.length > link.info.maxPayload) {
      this.lost++
      link.droppedMessages++
      this.host.dropped(link, waiting.topic.subject, "full", 1)
    } else if (link.lapsed) {
      this.lost++
      link.missed++
    } else link.backlog.push(lane, waiting.topic.subject, waiting, payload.length, performance.now())
  }

  private waitBlocked(interest: Interest, waiting: Waiting): void {
    const link = interest.link as Link
    if (link.lapsed) {
      this.lost++
      link.missed++
      return
    }
    let backlog = this.blocked.get(interest)
    if (backlog === undefined) {
      backlog = new Backlog<Waiting>((lane, _waiting, reason) => this.droppedOnLink(link, lane, reason))
      this.blocked.set(interest, backlog)
    }
    backlog.push(interest.lane, waiting.topic.subject, waiting, waiting.parcel.payload.length, performance.now())
  }

  private drainBlocked(interest: Interest): void {
    const backlog = this.blocked.get(interest)
    if (backlog === undefined) return
    const link = interest.link as Link
    const now = performance.now()
    while (!interest.paused && backlog.length > 0 && link.backlog.length === 0 && link.outgoing.hasRoom()) {
      const waiting = backlog.shift(now)
      if (waiting === undefined) break
      this.send(link, waiting)
    }
    if (backlog.length === 0) this.blocked.delete(interest)
  }
}

/** core/codec.ts: payloads of this number may need structures that the peer must have. */
const SHARED_STRUCTURES = 4
const NO_TARGETS: readonly number[] = []

function add(targets: Map<Link, number[]>, link: Link, id: number): void {
  const ids = targets.get(link)
  if (ids === undefined) targets.set(link, [id])
  else ids.push(id)
}
