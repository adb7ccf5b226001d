import type { Interest } from "../interest.ts"
import type { Link } from "../link/link.ts"
import type { Parcel } from "../link/write.ts"
import type { Topic } from "../topics.ts"
import { TOKEN_SIZE, tokenKey } from "./batch.ts"
import * as C from "./control.ts"
import type { CarryGroup } from "./options.ts"
import { GroupOutput, type OutputOwner } from "./output.ts"
import type { CarryPort } from "./port.ts"

/** What a peer is to a group. From ON upwards it gets by the group. */
const LISTENING = 0
const HEARS = 1
const IS_ON = 2
/** It was asked to leave, and has not said how far it came. */
const ENDING = 3

interface Follower {
  state: number
  /** Messages before the time by the group: these came by link. */
  since: number
  /** Messages that came by the group in earlier times. */
  before: number
  /** It was on when its link lapsed: what it was sent by then. 0 = it was not. */
  lapsedAt: number
  /** What it asked for and what waits for room on its link. */
  fetch: { from: number; to: number } | null
  lost: { delivered: number; why: number } | null
}

/** Beacons with too few peers before the group is given up: one that comes back at once changes nothing. */
const PATIENCE = 2

/** What this node publishes to one group: which peers get by it, and what those get by link who lack some. */
export class CarrySender implements OutputOwner {
  readonly group: CarryGroup
  /** Changes whenever other peers get by the group: topics ask again then. */
  generation = 0
  messages = 0
  bytes = 0
  /** Messages that were sent again by link. */
  repaired = 0
  /** Messages that nobody got because the group took no more. */
  dropped = 0
  private readonly port: CarryPort
  private readonly token = Buffer.from(crypto.getRandomValues(new Uint8Array(TOKEN_SIZE)))
  readonly tokenKey = tokenKey(this.token)
  private readonly output: GroupOutput
  private readonly followers = new Map<Link, Follower>()
  /** Something was published that enough peers want. */
  private inUse = false
  /** Structures of MessagePack that those who are on know. */
  private taught = 0
  private few = 0
  private over = false

  constructor(group: CarryGroup, port: CarryPort) {
    this.group = group
    this.port = port
    this.output = new GroupOutput(group, port, this.token, this)
  }

  get open(): boolean {
    return this.output.open
  }

  /** Peers that get by the group now. */
  get carried(): number {
    let count = 0
    for (const { state } of this.followers.values()) if (state >= IS_ON) count++
    return count
  }

  /** Peers that have been asked to say how far they came. */
  get waitsFor(): number {
    let count = 0
    for (const [link, { state }] of this.followers) if (state === ENDING && link.up) count++
    return count
  }

  get listening(): number {
    return this.followers.size
  }

  carries(link: Link): boolean {
    return (this.followers.get(link)?.state ?? LISTENING) >= IS_ON
  }

  /** Messages that went to this peer by the group. */
  sentTo(link: Link): number {
    const follower = this.followers.get(link)
    if (follower === undefined) return 0
    return follower.before + (follower.state >= IS_ON ? this.output.last - follower.since : 0)
  }

  /** Of the plain interests of a topic, those that the group serves. The topic is new, or peers have changed. */
  route(topic: Topic): void {
    topic.carryGeneration = this.generation
    if (this.followers.size === 0) return
    const plain: Interest[] = []
    const hearing: Interest[] = []
    let listening = 0
    for (const interest of topic.plain) {
      const follower = this.followers.get(interest.link as Link)
      if (follower !== undefined) listening++
      if (follower !== undefined && follower.state >= IS_ON) hearing.push(interest)
      else plain.push(interest)
    }
    if (hearing.length > 0) {
      topic.plain = plain
      topic.hearing = hearing
    }
    if (listening < this.group.threshold) return
    this.inUse = true
    this.output.begin()
  }

  /** False: nothing was taken, the window is full of what the group has not taken. */
  publish(topic: Topic, parcel: Parcel): boolean {
    if (parcel.structures > this.taught) this.teach(parcel.structures)
    if (!this.output.publish(topic, parcel)) {
      this.dropped++
      return false
    }
    this.messages++
    this.bytes += parcel.payload.length
    return true
  }

  flush(): void {
    this.output.flush()
  }

  // From subscribers, by link

  listens(link: Link): void {
    if (this.over || this.followers.has(link)) return
    this.followers.set(link, { state: LISTENING, since: 0, before: 0, lapsedAt: 0, fetch: null, lost: null })
    // Topics count who listens.
    this.generation++
    if (this.open) this.offer(link)
  }

  deaf(link: Link): void {
    const follower = this.followers.get(link)
    if (follower === undefined) return
    this.stop(link, follower, C.UNWANTED)
    this.followers.delete(link)
    this.generation++
  }

  hears(link: Link, token: Buffer): void {
    const follower = this.followers.get(link)
    if (follower?.state !== LISTENING || !token.equals(this.token)) return
    follower.state = HEARS
    this.grant()
  }

  fetch(link: Link, from: number, to: number): void {
    const follower = this.followers.get(link)
    if (follower === undefined || follower.state < IS_ON) return
    const { fetch } = follower
    follower.fetch = fetch === null ? { from, to } : { from: Math.min(from, fetch.from), to: Math.max(to, fetch.to) }
    this.serve(link, follower)
  }

  lost(link: Link, delivered: number, why: number): void {
    const follower = this.followers.get(link)
    if (follower === undefined) return
    if (follower.state < IS_ON) {
      follower.state = LISTENING
      return
    }
    follower.lost = { delivered, why }
    this.serve(link, follower)
  }

  // From the life of links

  /** A direction of the link begins anew: `known` = the peer still knows what it has told us. */
  begunAnew(link: Link, known: boolean): void {
    const follower = this.followers.get(link)
    if (follower === undefined) return
    const { lapsedAt } = follower
    follower.lapsedAt = 0
    if (follower.state >= IS_ON) this.stop(link, follower, C.ANEW)
    else if (lapsedAt > 0) C.writeControl(link, C.OFF, this.group.keyBytes, [lapsedAt])
    if (known) {
      if (this.open) this.offer(link)
    } else this.followers.delete(link)
    this.generation++
  }

  /** A link is back, and both directions go on: so does the group. The peer has waited for word of it. */
  back(link: Link): void {
    if (this.carries(link)) C.writeControl(link, C.STILL, this.group.keyBytes)
  }

  /** What it would get by link is counted now, not kept. */
  lapsed(link: Link): void {
    const follower = this.followers.get(link)
    if (follower === undefined || follower.state < IS_ON) return
    this.output.flush()
    follower.lapsedAt = this.output.last
    this.leave(link, follower, C.ANEW)
  }

  ended(link: Link): void {
    if (this.followers.delete(link)) this.generation++
  }

  roomAgain(link: Link): void {
    const follower = this.followers.get(link)
    if (follower === undefined) return
    if (follower.fetch !== null || follower.lost !== null) this.serve(link, follower)
    else if (follower.state === HEARS) this.grant()
  }

  /** How far the group goes before what is written to the link next. */
  tail(link: Link): void {
    if (this.carries(link)) C.writeControl(link, C.TAIL, this.group.keyBytes, [this.output.last])
  }

  /** Once in each beat. */
  tick(now: number): void {
    const { output } = this
    output.window.expire(now - this.port.settings.resumeTime)
    const { threshold } = this.group
    if (this.followers.size < threshold && this.carried === 0) {
      if (output.open && ++this.few >= PATIENCE) output.close()
      this.inUse = output.open
      return
    }
    if (!output.open) {
      if (this.inUse) output.begin()
      return
    }
    output.tick()
    let able = 0
    for (const { state } of this.followers.values()) if (state === HEARS || state === IS_ON) able++
    if (able >= threshold) {
      this.few = 0
      this.grant()
    } else if (++this.few >= PATIENCE) this.giveUp(C.FEW)
  }

  /** Peers get by link what the group has not brought, and what follows. */
  giveUp(why: number): void {
    for (const [link, follower] of this.followers) {
      if (follower.state !== IS_ON) continue
      follower.state = ENDING
      C.writeControl(link, C.END, this.group.keyBytes, [why])
    }
  }

  /** Nothing is sent to the group any more. */
  end(): void {
    this.over = true
    this.output.end()
  }

  // From the output

  opened(): void {
    this.few = 0
    for (const link of this.followers.keys()) this.offer(link)
  }

  slow(): void {
    this.giveUp(C.SLOW)
  }

  broken(): void {
    this.giveUp(C.BROKEN)
  }

  private offer(link: Link): void {
    C.writeControl(link, C.OFFER, this.group.keyBytes, [], this.token)
    this.output.beaconSoon()
  }

  /** Those who hear get by the group, once there are enough. */
  private grant(): void {
    if (!this.open || !this.output.retry.isDue) return
    let able = 0
    for (const { state } of this.followers.values()) if (state === HEARS || state === IS_ON) able++
    if (able < this.group.threshold) return
    for (const [link, follower] of this.followers) {
      if (follower.state !== HEARS || !this.mayBeCarried(link)) continue
      follower.state = IS_ON
      follower.since = this.output.last
      link.teach(this.taught)
      C.writeControl(link, C.ON, this.group.keyBytes, [this.output.last])
      this.generation++
      this.output.retry.works()
      this.port.tell(this.group, link, "sending", "group", "it hears the group")
    }
  }

  /** What waits for room on the link would come behind what the group brings. */
  private mayBeCarried(link: Link): boolean {
    return link.up && !link.lapsed && link.backlog.length === 0 && link.info.maxPayload >= this.port.settings.maxPayload
  }

  /** The next messages need structures that nobody has been taught: by link, and messages say that they wait for it. */
  private teach(structures: number): void {
    this.taught = structures
    for (const [link, { state }] of this.followers) {
      if (state < IS_ON) continue
      link.teach(structures)
      C.writeControl(link, C.MARK, this.group.keyBytes)
    }
  }

  /** Answers what was asked for, when the link has room: nobody can make us keep more than the windows. */
  private serve(link: Link, follower: Follower): void {
    if (!link.outgoing.hasRoom()) return
    this.output.flush()
    const { fetch, lost } = follower
    follower.fetch = null
    follower.lost = null
    const { last } = this.output
    const { keyBytes } = this.group
    if (lost !== null) {
      // Also for who wants none: it may have changed its mind since.
      this.resend(link, lost.delivered + 1, last)
      C.writeControl(link, C.OFF, keyBytes, [last])
      this.leave(link, follower, lost.why)
    } else if (fetch !== null) {
      this.resend(link, fetch.from, Math.min(fetch.to, last))
      C.writeControl(link, C.FETCHED, keyBytes, [fetch.to, last])
    }
  }

  private resend(link: Link, from: number, to: number): void {
    if (from > to) return
    const { window } = this.output
    const { oldest } = window
    const { keyBytes } = this.group
    link.teach(this.taught)
    if (oldest === 0) C.writeControl(link, C.MISSING, keyBytes, [to])
    else if (from < oldest) C.writeControl(link, C.MISSING, keyBytes, [Math.min(to, oldest - 1)])
    for (const batch of window.range(from, to)) {
      this.repaired += batch.count
      C.writeBatch(link, keyBytes, batch)
    }
  }

  /** Without a word from the peer how far it came. */
  private stop(link: Link, follower: Follower, why: number): void {
    if (follower.state < IS_ON) return
    this.output.flush()
    C.writeControl(link, C.OFF, this.group.keyBytes, [this.output.last])
    this.leave(link, follower, why)
  }

  private leave(link: Link, follower: Follower, why: number): void {
    follower.before += this.output.last - follower.since
    // When it hears the next beacon it may say so again.
    follower.state = LISTENING
    follower.fetch = null
    follower.lost = null
    this.generation++
    // Nobody can ask for it any more.
    if (this.carried === 0) this.output.window.clear()
    this.port.tell(this.group, link, "sending", "link", C.reasonText(why))
  }
}
