import { isBuffer } from "../../core/bytes.ts"
import { CODEC_BYTES, CODEC_MSGPACK_SHARED, CODEC_OWN, type Codecs } from "../../core/codec.ts"
import { HeddleError } from "../../core/errors.ts"
import { type HeadersInit, MessageHeaders } from "../../core/headers.ts"
import { Backlog, type Lane } from "./backlog.ts"
import { choose } from "./choice.ts"
import { nextNumber, recall } from "./history.ts"
import { type Interest, type InterestLane, QUEUE } from "./interest.ts"
import { type Copies, isAwaited, type Link, type Waiting } from "./link/link.ts"
import { Parcel } from "./link/parcel.ts"
import { HISTORY_END, KEPT, NOTICE, TARGETS, TARGETS_ONLY } from "./link/records.ts"
import { encodeHeaders, writeNumbers } from "./link/write.ts"
import { Envelope, extraOf, FabricMessage, type Origin } from "./message.ts"
import type { Schemas } from "./schemas.ts"
import type { Subscription } from "./subscription.ts"
import { NOBODY, type PublishResult, sentTo, type Topic, Topics } from "./topics.ts"

export interface PublishOptions {
  /** Ordered, may repeat, may be binary. */
  headers?: HeadersInit
  /** Codec of this message; default: the fabric's. */
  codec?: string
}

/** Nothing was taken: somebody with the policy "block" is full. */
const FULL: PublishResult = Object.freeze({ peers: 0, dropped: 0, taken: false })

export interface PublishingHost {
  links(): readonly Link[]
  dropped(link: Link | null, pattern: string, reason: "full" | "conflated" | "stale", count: number): void
}

/** What waits for all plain wishes of a peer. */
function plainly(topic: Topic, parcel: Parcel): Waiting {
  return { topic, parcel, targets: NO_TARGETS, options: 0, copies: null, number: 0, place: 0 }
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
  /** Members of queue groups that the call under way has chosen. */
  private readonly chosen: Interest[] = []
  /** Counts calls: a link that bears the number of this one is counted already. */
  private marks = 0

  constructor(host: PublishingHost, codecs: Codecs, origin: Origin, schemas: Schemas, maxPayload: number) {
    this.host = host
    this.codecs = codecs
    this.origin = origin
    this.schemas = schemas
    this.maxPayload = maxPayload
  }

  /** A value with its codec and headers, encoded once. Throws EINVAL, EMSGSIZE. */
  parcelOf(value: unknown, codec: string | undefined, headers?: HeadersInit): Parcel {
    return this.wrap(this.codecs.encodeAt(value, codec), headers)
  }

  /** What was encoded last lies in `source`. */
  private wrap(source: Buffer, headers: HeadersInit | undefined): Parcel {
    const { codecs } = this
    const { start, end, number, name } = codecs
    if (end - start > this.maxPayload) {
      throw new HeddleError(
        "EMSGSIZE",
        `A payload of ${end - start} bytes exceeds the ${this.maxPayload} that the fabric takes (maxPayload)`,
      )
    }
    const structures = number === CODEC_MSGPACK_SHARED ? codecs.shared.version : 0
    const encoded = headers === undefined ? null : encodeHeaders(MessageHeaders.from(headers))
    return new Parcel(source, start, end, number, name, encoded, structures)
  }

  publish(subject: string, data: unknown, options: PublishOptions | undefined): PublishResult {
    const topic = this.topics.forPublishing(subject)
    if (topic === null) return this.publishPassing(subject, data, options)
    const value = this.schemas.size === 0 ? data : this.schemas.check(subject, data)
    topic.messages++
    const { direct } = topic
    // Bytes to one peer: as short as it can be, so that the compiler makes one function of it.
    if (direct !== null && options === undefined && isBuffer(value)) {
      const { length } = value
      if (length <= this.maxPayload && direct.publishAt(topic, value, 0, length, CODEC_BYTES, 0)) {
        topic.size += length
        return topic.result
      }
    }
    return this.publishTo(topic, value, options)
  }

  private publishTo(topic: Topic, value: unknown, options: PublishOptions | undefined): PublishResult {
    const simple = topic.targeted.length === 0 && topic.groups.length === 0
    if (simple && topic.result === NOBODY && topic.keeper === null) return NOBODY
    const source = this.codecs.encodeAt(value, options?.codec)
    if (options?.headers === undefined && topic.direct !== null) {
      const { start, end, number, shared } = this.codecs
      const size = end - start
      const structures = number === CODEC_MSGPACK_SHARED ? shared.version : 0
      if (
        size <= this.maxPayload &&
        number !== CODEC_OWN &&
        topic.direct.publishAt(topic, source, start, size, number, structures)
      ) {
        topic.size += size
        return topic.result
      }
    }
    const parcel = this.wrap(source, options?.headers)
    topic.size += parcel.size
    if (!simple) return this.publishToSome(topic, parcel)
    topic.keeper?.store(topic, parcel)
    this.lost = 0
    const { plain, local } = topic
    for (let i = 0; i < plain.length; i++) {
      const link = plain[i].link as Link
      if (link.isOpen(parcel.size)) link.publish(topic, parcel)
      else this.wait(link, plain[i].lane, plainly(topic, parcel))
    }
    if (topic.hearing.length > 0) this.carry(topic, parcel)
    if (local.length > 0) this.deliverLocally(topic, parcel, local)
    return this.lost === 0 ? topic.result : { peers: topic.result.peers, dropped: this.lost, taken: true }
  }

  /** To plain subscriptions of peers, without a topic. */
  private publishPassing(subject: string, data: unknown, options: PublishOptions | undefined): PublishResult {
    const { passingTo: links, passingFor: target } = this.topics
    const value = this.schemas.size === 0 ? data : this.schemas.check(subject, data)
    if (links.length === 0) return NOBODY
    const parcel = this.parcelOf(value, options?.codec, options?.headers)
    const { passing } = this.topics
    // A codec may have published something itself.
    if (passing.text !== subject) passing.setText(subject)
    this.lost = 0
    for (let i = 0; i < links.length; i++) {
      const link = links[i]
      // Of a peer that says anew what it wants, numbers of before may be those of other wishes.
      if (link.isOpen(parcel.size)) link.publishPassing(passing, parcel, link.renewal === 0 ? target : 0)
      else this.waitPassing(subject, parcel, link)
    }
    return this.lost === 0 ? sentTo(links.length) : { peers: links.length, dropped: this.lost, taken: true }
  }

  /** Whose policy it waits by is a question for the topic. */
  private waitPassing(subject: string, parcel: Parcel, link: Link): void {
    const topic = this.topics.of(subject)
    const interest = topic.plain.find(one => one.link === link)
    if (interest === undefined) return
    this.wait(link, interest.lane, plainly(topic, parcel))
  }

  /** Calls `again` once there may be room where `publish` said there was none. */
  whenRoom(again: () => void): () => void {
    this.waiters.add(again)
    return () => this.waiters.delete(again)
  }

  /** Whether anything waits for a peer that is linked, or may come back. */
  get waits(): boolean {
    for (const { link } of this.blocked.keys()) if (link !== null && isAwaited(link)) return true
    return this.host.links().some(link => link.backlog.length > 0 && isAwaited(link))
  }

  /** What waits for such peers, and for which of their wishes. */
  holders(): { link: Link; pattern: string; waiting: number }[] {
    const found: { link: Link; pattern: string; waiting: number }[] = []
    for (const link of this.host.links()) {
      if (!isAwaited(link)) continue
      for (const { spec, waiting } of link.interests.values())
        if (waiting > 0) found.push({ link, pattern: spec.pattern, waiting })
    }
    return found
  }

  /** The link's window has room: what waited goes out, in order. */
  drain(link: Link): void {
    const { backlog, outgoing } = link
    const now = performance.now()
    while (backlog.length > 0 && outgoing.hasRoom()) {
      const waiting = backlog.shift(now)
      if (waiting === undefined) break
      link.publishWaiting(waiting)
    }
    if (backlog.length === 0 && this.blocked.size > 0) {
      for (const interest of [...this.blocked.keys()]) if (interest.link === link) this.drainBlocked(interest)
    }
    for (const one of link.whenRoom) {
      if (!outgoing.hasRoom()) break
      link.whenRoom.delete(one)
      one.go()
    }
    link.tellDropped()
    this.wake()
  }

  /** A blocking subscriber goes on. */
  resumed(interest: Interest): void {
    interest.paused = false
    this.drainBlocked(interest)
    this.wake()
  }

  /**
   * A wish is gone. What waits for a queue group goes to the other members; what waits for others is forgotten, unless
   * another subscription of the peer wants it too.
   */
  interestGone(interest: Interest): void {
    if (interest.spec.kind === QUEUE) this.toOthers(interest)
    else if (interest.spec.targeted) this.blocked.delete(interest)
    else if (interest.link !== null && interest.lane.length > 0) {
      const { link, lane } = interest
      link.backlog.take(lane, ({ topic }) => !this.topics.of(topic.subject).plain.some(one => one.link === link))
    }
    this.wake()
  }

  /** Other members of queue groups get what waits for members there. */
  linkDown(link: Link): void {
    if (link.backlog.length > 0 || this.blocked.size > 0) {
      for (const interest of link.interests.values()) if (interest.spec.kind === QUEUE) this.toOthers(interest)
    }
    this.wake()
  }

  /** What the peer has not got it will never get. */
  begunAnew(link: Link): void {
    for (const interest of link.interests.values()) {
      if (interest.spec.kind === QUEUE)
        interest.outstanding = this.blocked.get(interest)?.length ?? interest.lane.length
    }
  }

  /** Messages for the peer are counted now, not kept; whoever publishes need not wait for it any more. */
  lapsed(link: Link): void {
    for (const [interest, backlog] of this.blocked) {
      if (interest.link !== link) continue
      for (const waiting of backlog.take(interest.lane)) link.miss(waiting)
      this.blocked.delete(interest)
    }
    this.wake()
  }

  /**
   * Sends what is kept to a newcomer, then says that the rest is live. Nothing may be published between this and the interest. Who
   * comes back, and says what it has had, gets what came after, up to what waits for it.
   */
  replay(link: Link, interest: Interest, after = 0): void {
    const { id, pattern, history } = interest.spec
    const waits = this.blocked.get(interest)?.oldest(interest.lane)
    const end = waits === undefined ? Number.POSITIVE_INFINITY : waits.place
    for (const { subject, parcel, order } of recall(this.topics.keepers, pattern, history)) {
      if (order > after && order < end)
        link.publishTo(this.topics.of(subject), parcel, TARGETS | TARGETS_ONLY | KEPT, [id], order)
    }
    writeNumbers(link.outgoing, NOTICE, [HISTORY_END, id])
  }

  replayLocally(subscription: Subscription): void {
    const { pattern, history } = subscription.spec
    for (const { subject, parcel } of recall(this.topics.keepers, pattern, history)) {
      subscription.post(this.messageOf(subject, parcel, true))
    }
  }

  /** @internal Told by the backlog of a link. */
  droppedOnLink(link: Link, lane: Lane, reason: "full" | "conflated" | "stale"): void {
    this.lost++
    link.droppedMessages++
    const { interest } = lane as InterestLane
    const { id, pattern, kind } = interest.spec
    if (kind === QUEUE) interest.outstanding--
    // The peer is told when there is room for it: a note for each would be as long as what was dropped.
    link.dropped.add(id)
    this.host.dropped(link, pattern, reason, 1)
  }

  messageOf(subject: string, { payload, codec, codecName, headers }: Parcel, kept: boolean): FabricMessage {
    const envelope = new Envelope(subject, this.origin)
    return new FabricMessage(envelope, codec, payload, 0, payload.length, extraOf(codecName, headers, kept))
  }

  wake(): void {
    if (this.waiters.size === 0) return
    const { waiters } = this
    const again = [...waiters]
    waiters.clear()
    for (const one of again) one()
  }

  /** Queue groups, blocking subscriptions and newcomers: messages that name whom they are for. */
  private publishToSome(topic: Topic, parcel: Parcel): PublishResult {
    const { plain, hearing, local, targeted, groups } = topic
    for (const interest of targeted) if (this.isFull(interest)) return this.full(topic, parcel)
    const { chosen } = this
    chosen.length = 0
    for (const { members } of groups) {
      const member = choose(members) as Interest
      // It is the best of all: the others are full, too.
      if (this.isFull(member)) return this.full(topic, parcel)
      chosen.push(member)
    }
    const number = nextNumber()
    topic.keeper?.store(topic, parcel, number)
    this.lost = 0
    const mark = ++this.marks
    let peers = topic.result.peers
    for (let i = 0; i < plain.length; i++) (plain[i].link as Link).mark = mark
    for (let i = 0; i < hearing.length; i++) (hearing[i].link as Link).mark = mark
    let here = local.length > 0
    const targets = new Map<Link, number[]>()
    /** Of peers that cannot have it all at once. */
    const several = new Map<Link, Copies>()
    for (let i = 0; i < chosen.length + targeted.length; i++) {
      const interest = i < chosen.length ? chosen[i] : targeted[i - chosen.length]
      const { link } = interest
      if (i < chosen.length) interest.outstanding++
      if (link === null) {
        if (!here) peers++
        here = true
        this.postTo(interest, topic, parcel)
        continue
      }
      if (link.mark !== mark) peers++
      link.mark = mark
      if (this.mayGo(interest, link, parcel)) add(targets, link, interest.spec.id)
      else {
        const copies = copiesOf(several, link)
        const ids = [interest.spec.id]
        const options = TARGETS | TARGETS_ONLY
        this.waitFor(interest, link, { topic, parcel, targets: ids, options, copies, number, place: number })
      }
    }
    for (let i = 0; i < plain.length; i++) {
      const link = plain[i].link as Link
      const also = targets.get(link)
      targets.delete(link)
      const copies = several.get(link) ?? null
      if (also !== undefined) link.publishTo(topic, parcel, TARGETS, also, number)
      else if (link.isOpen(parcel.size)) link.publish(topic, parcel)
      else {
        this.wait(link, plain[i].lane, { topic, parcel, targets: NO_TARGETS, options: 0, copies, number: 0, place: 0 })
        continue
      }
      if (copies !== null) link.note(copies)
    }
    if (hearing.length > 0) this.carry(topic, parcel)
    for (const [link, ids] of targets) {
      link.publishTo(topic, parcel, TARGETS | TARGETS_ONLY, ids, number)
      const copies = several.get(link)
      if (copies !== undefined) link.note(copies)
    }
    if (local.length > 0) this.deliverLocally(topic, parcel, local)
    return { peers, dropped: this.lost, taken: true }
  }

  /** Once for all who hear the group. */
  private carry(topic: Topic, parcel: Parcel): void {
    if (topic.carrier?.publish(topic, parcel) !== false) return
    for (const { link, lane } of topic.hearing) {
      this.droppedOnLink(link as Link, lane, "full")
      ;(link as Link).tellDropped()
    }
  }

  /** It was not published. */
  private full(topic: Topic, parcel: Parcel): PublishResult {
    topic.messages--
    topic.size -= parcel.size
    return FULL
  }

  /** What waits for a member of a queue group, once more to the group. */
  private toOthers(member: Interest): void {
    // A lane lies in one of the two: another backlog would take the messages for its own, and count wrong from then on.
    const waiting = (this.blocked.get(member) ?? member.link?.backlog)?.take(member.lane) ?? []
    this.blocked.delete(member)
    member.outstanding = Math.max(0, member.outstanding - waiting.length)
    for (const { topic, parcel } of waiting) {
      const fresh = this.topics.of(topic.subject)
      const group = fresh.groups.find(one => one.name === member.spec.group)
      if (group !== undefined) this.toMember(fresh, parcel, choose(group.members) as Interest)
    }
  }

  private toMember(topic: Topic, parcel: Parcel, member: Interest): void {
    const { link } = member
    member.outstanding++
    if (link === null) this.postTo(member, topic, parcel)
    else {
      const options = TARGETS | TARGETS_ONLY
      const waiting = { topic, parcel, targets: [member.spec.id], options, copies: null, number: 0, place: 0 }
      if (this.mayGo(member, link, parcel)) link.publishWaiting(waiting)
      else this.waitFor(member, link, waiting)
    }
  }

  private postTo(interest: Interest, topic: Topic, parcel: Parcel): void {
    if (!(interest.owner as Subscription).post(this.messageOf(topic.subject, parcel, false))) this.lost++
  }

  private deliverLocally(topic: Topic, parcel: Parcel, local: readonly Subscription[]): void {
    const message = this.messageOf(topic.subject, parcel, false)
    for (let i = 0; i < local.length; i++) if (!local[i].post(message)) this.lost++
  }

  /** A message for this interest alone: nothing is before it, and it has not asked to wait. */
  private mayGo(interest: Interest, link: Link, parcel: Parcel): boolean {
    return !interest.paused && !this.blocked.has(interest) && link.isOpen(parcel.size)
  }

  /** Whether it must not be published to now. */
  private isFull({ link, owner, lane }: Interest): boolean {
    if (lane.policy !== "block") return false
    if (link === null) return (owner as Subscription).full
    return lane.length >= lane.limit
  }

  private wait(link: Link, lane: Lane, waiting: Waiting): void {
    if (!this.isRefused(link, lane, waiting)) this.push(link.backlog, lane, waiting)
  }

  /** For messages that name their interest. Members of queue groups wait with the others of their link, unless they block. */
  private waitFor(interest: Interest, link: Link, waiting: Waiting): void {
    const { lane, spec } = interest
    let backlog = this.blocked.get(interest)
    if (backlog === undefined && spec.kind === QUEUE && lane.policy !== "block" && !interest.paused) {
      this.wait(link, lane, waiting)
      return
    }
    if (this.isRefused(link, lane, waiting)) return
    if (backlog === undefined) {
      backlog = new Backlog<Waiting>(
        (from, _waiting, reason) => this.droppedOnLink(link, from, reason),
        (old, instead) => {
          instead.place = old.place
        },
      )
      this.blocked.set(interest, backlog)
      // A lane lies in one backlog.
      for (const one of link.backlog.take(lane)) this.push(backlog, lane, one)
    }
    this.push(backlog, lane, waiting)
  }

  private push(backlog: Backlog<Waiting>, lane: Lane, waiting: Waiting): void {
    backlog.push(lane, waiting.topic.subject, waiting, waiting.parcel.size, performance.now())
  }

  /** The peer takes no payload of this size, or has been away for too long. */
  private isRefused(link: Link, lane: Lane, waiting: Waiting): boolean {
    if (waiting.parcel.size > link.info.maxPayload) {
      this.droppedOnLink(link, lane, "full")
      link.tellDropped()
      return true
    }
    if (!link.lapsed) return false
    // Another copy may be counted already.
    if (waiting.copies === null || waiting.copies.first === 0) {
      this.lost++
      link.miss(waiting)
    }
    const { interest } = lane as InterestLane
    if (interest.spec.kind === QUEUE) interest.outstanding--
    return true
  }

  private drainBlocked(interest: Interest): void {
    const backlog = this.blocked.get(interest)
    if (backlog === undefined) return
    const link = interest.link as Link
    const now = performance.now()
    while (!interest.paused && backlog.length > 0 && link.backlog.length === 0 && link.outgoing.hasRoom()) {
      const waiting = backlog.shift(now)
      if (waiting === undefined) break
      link.publishWaiting(waiting)
    }
    if (backlog.length === 0) this.blocked.delete(interest)
  }
}

const NO_TARGETS: readonly number[] = []

function copiesOf(several: Map<Link, Copies>, link: Link): Copies {
  let copies = several.get(link)
  if (copies === undefined) {
    copies = { first: 0 }
    several.set(link, copies)
  }
  return copies
}

function add(targets: Map<Link, number[]>, link: Link, id: number): void {
  const ids = targets.get(link)
  if (ids === undefined) targets.set(link, [id])
  else ids.push(id)
}
