import { Codecs } from "../../core/codec.ts"
import type { Context } from "../../core/context.ts"
import type { Connection, PeerHello, SocketType } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"
import { Observer } from "../../core/observer.ts"
import type { Reader } from "../../core/varint.ts"
import type { Lane } from "./backlog.ts"
import { Carry } from "./carry/carry.ts"
import { carryGroupsOf } from "./carry/options.ts"
import { Changes } from "./changes.ts"
import { choose } from "./choice.ts"
import { Drops, type DropWhere, type DropWhy } from "./drops.ts"
import type { EdgeDoor } from "./edge/stats.ts"
import type { FabricEvent } from "./events.ts"
import { FlushError, type FlushHolder } from "./flush-error.ts"
import type { ClientName, ForeignClients } from "./foreign/clients.ts"
import { Interest, type InterestSpec, SERVE, WORK, writeInterest } from "./interest.ts"
import { Troubles } from "./introspection/troubles.ts"
import { Introspection } from "./introspection.ts"
import { Late } from "./late.ts"
import type { Incoming, NumberedSubject } from "./link/incoming.ts"
import type { Link, Waiting } from "./link/link.ts"
import { NOTHING, type Parcel } from "./link/parcel.ts"
import * as R from "./link/records.ts"
import { writeNumbers } from "./link/write.ts"
import { Origin } from "./message.ts"
import { type FabricSettings, type JoinOptions, settingsOf } from "./options.ts"
import { nameOf, Peers, type PeersHost } from "./peers.ts"
import { Publishing } from "./publishing.ts"
import { Receiving } from "./receiving.ts"
import { Renewals } from "./renewals.ts"
import { Requests } from "./requests/requests.ts"
import type { ServerCall, Service, ServiceHost } from "./requests/service.ts"
import { Services } from "./requests/services.ts"
import { Schemas } from "./schemas.ts"
import type { Subscription, SubscriptionHost } from "./subscription.ts"
import { Syncs } from "./syncs.ts"
import { Tasks } from "./tasks/tasks.ts"
import type { Worker, WorkerHost } from "./tasks/worker.ts"
import { randomToken } from "./tokens.ts"
import type { Topic } from "./topics.ts"
import { Untold } from "./untold.ts"
import { Wishes } from "./wishes.ts"

/** Whatever takes messages here. */
export type Taker = Subscription | Service | Worker

/**
 * One node of a fabric: it introduces the parts to one another. What came from peers is read here, and given to whom it
 * concerns; the parts know only the small interfaces that they declare.
 */
export class Node implements PeersHost, SubscriptionHost, ServiceHost, WorkerHost {
  readonly id = randomToken()
  readonly name: string
  readonly fabric: string
  readonly settings: FabricSettings
  readonly codecs: Codecs
  readonly origin: Origin
  readonly schemas: Schemas
  readonly events = new Observer<FabricEvent>()
  readonly publishing: Publishing
  readonly requests: Requests
  readonly services: Services
  readonly tasks: Tasks
  readonly peers: Peers
  private readonly receiving: Receiving
  readonly wishes: Wishes
  readonly renewals = new Renewals(this)
  readonly untold = new Untold(
    link => this.ask(link),
    () => this.requests.changed(),
  )
  /** Null: no subjects are carried by groups. */
  readonly carry: Carry | null
  readonly introspection: Introspection
  readonly troubles = new Troubles()
  /** Set by whoever makes the node: plain ZeroMQ clients. */
  foreignClients: ForeignClients | null = null
  /** Set by whoever makes the node: WebSocket clients and plain HTTP. */
  edge: EdgeDoor | null = null
  private readonly changes = new Changes(() => this.events.closed)
  /** Takers that drain: they are no wishes any more, but not through. */
  readonly retiring = new Set<Taker>()
  private readonly syncs = new Syncs(link => this.ask(link))
  private nextSync = 1
  private nextReady: Promise<void> | null = null
  private readonly drops = new Drops(event => this.emit(event))
  private doneCounts = new Map<Link, Map<number, number>>()

  constructor(fabric: string, name: string, context: Context, options: JoinOptions) {
    this.fabric = fabric
    this.name = name
    this.settings = settingsOf(options)
    this.codecs = new Codecs(options.codecs, options.codec)
    this.origin = new Origin(this.id, name, this.codecs, true)
    this.schemas = new Schemas(options.schemas)
    this.publishing = new Publishing(
      {
        links: () => [...this.peers.links.values()],
        dropped: (link, pattern, reason, count) => this.emitDrop("sending", link, pattern, reason, count),
      },
      this.codecs,
      this.origin,
      this.schemas,
      this.settings.maxPayload,
    )
    this.services = new Services(
      {
        codecs: this.codecs,
        origin: this.origin,
        parcelOf: (value, codec) => this.publishing.parcelOf(value, codec),
        replied: (id, bits, message) => this.requests.replied(id, bits, message, null),
      },
      this.settings.busyPoll,
    )
    this.requests = new Requests(
      {
        topic: subject => this.topics.of(subject),
        expects: () => this.untold.expects(),
        everyone: servers => this.oneOfEachGroup(servers),
        call: (service, id, topic, parcel, timeout, credit) =>
          this.services.call(service, id, topic.subject, parcel, timeout, credit),
        cancel: id => this.services.cancel(null, id),
        credit: (id, count) => this.services.credit(null, id, count),
      },
      this.settings.maxRequests,
      this.settings.busyPoll,
    )
    this.tasks = new Tasks(
      {
        topic: subject => this.topics.of(subject),
        task: (worker, id, topic, parcel, deliveries) => this.taskHere(worker, id, topic, parcel, deliveries),
        // As the task itself goes: in a later turn.
        withdraw: (worker, id) => process.nextTick(() => worker.withdraw(null, id)),
        failed: ({ subject, deliveries }, error, again, deadLetter) =>
          this.emit({ type: "task", subject, deliveries, again, error, ...(deadLetter !== null && { deadLetter }) }),
      },
      this.settings.maxTasks,
    )
    this.wishes = new Wishes(this.topics)
    this.carry = this.carryOf(options, context)
    this.receiving = new Receiving(this)
    this.introspection = new Introspection(this, this.settings.introspection)
    this.peers = new Peers(this, fabric, this.id, name, context, this.settings, this.codecs, options)
  }

  get announced(): number {
    return this.wishes.bytes
  }

  get topics(): Publishing["topics"] {
    return this.publishing.topics
  }

  emit(event: FabricEvent): void {
    this.troubles.note(event)
    this.events.emit(event)
  }

  // Wishes of this node

  /** Announces a wish to all peers, with the messages kept here first. */
  add(taker: Taker): void {
    const interest = this.wishes.add(taker)
    for (const link of this.listeners()) announce(link, interest)
    this.carry?.wished(interest.spec)
    taker.ready = this.syncSoon()
    if (interest.spec.kind === WORK) this.tasks.dispatchSoon()
    else if (interest.spec.kind === SERVE) this.requests.changed()
    this.wake()
  }

  ended(taker: Taker): void {
    const interest = this.wishes.remove(taker)
    if (interest === null) {
      // It had stopped taking before, and is through now.
      this.retiring.delete(taker)
      return
    }
    this.carry?.unwished(interest.spec)
    this.publishing.interestGone(interest)
    for (const link of this.listeners()) writeNumbers(link.outgoing, R.NO_INTEREST, [interest.spec.id])
    this.wake()
  }

  /** Takes what is on its way, but wants nothing more. */
  async retire(taker: Taker): Promise<void> {
    this.retiring.add(taker)
    for (const link of this.listeners()) writeNumbers(link.outgoing, R.NO_INTEREST, [taker.spec.id])
    await this.settle()
    if (this.wishes.get(taker.spec.id) === undefined) this.retiring.delete(taker)
  }

  /** One `sync` for all that is said in this turn. */
  private syncSoon(): Promise<void> {
    this.nextReady ??= Promise.resolve().then(() => {
      this.nextReady = null
      return this.sync()
    })
    return this.nextReady
  }

  /** All that was said and published has come to those that can be reached, now or when they are back. Rejects with a `FlushError`. */
  async flush(timeout?: number, signal?: AbortSignal): Promise<void> {
    const late = new Late(timeout, signal, (code, cause) => new FlushError(code, timeout, this.holders(), cause))
    try {
      while (this.publishing.waits) await late.or(again => this.publishing.whenRoom(again))
      const holding = this.peers.awaited().filter(({ up, outgoing }) => up || outgoing.bytes > 0)
      await late.or(again => this.syncs.with(holding, true, again))
    } finally {
      late.end()
    }
  }

  /** Whom `flush` waits for. */
  private holders(): FlushHolder[] {
    const holders: FlushHolder[] = this.publishing.holders().map(({ link, pattern, waiting }) => ({
      peer: nameOf(link),
      pattern,
      waiting,
    }))
    if (holders.length > 0) return holders
    for (const link of this.syncs.silent) holders.push({ peer: nameOf(link), pattern: null, waiting: 0 })
    return holders
  }

  /** Resolves when all nodes that are linked now have read all that was said to them until now. */
  async sync(): Promise<void> {
    await new Promise<void>(resolve => this.syncs.with(this.peers.up(), false, resolve))
  }

  /** The same, and those whose link is broken and may come back. */
  private async settle(): Promise<void> {
    await new Promise<void>(resolve => this.syncs.with(this.peers.awaited(), true, resolve))
  }

  ask(link: Link): number {
    const token = this.nextSync++
    this.carry?.tail(link)
    writeNumbers(link.outgoing, R.NOTICE, [R.SYNC, token])
    return token
  }

  /** Checks again, whenever wishes or peers have changed, until `reached`. */
  until(...wish: Parameters<Changes["until"]>): Promise<void> {
    return this.changes.until(...wish)
  }

  /** Whom to ask when all are meant: every one that is in no queue group, and one of each group. */
  oneOfEachGroup(members: readonly Interest[]): Interest[] {
    const chosen: Interest[] = []
    const groups = new Map<string, Interest[]>()
    for (const member of members) {
      if (member.link?.lapsed === true) continue
      const { group } = member.spec
      if (group === "") chosen.push(member)
      else groups.set(group, [...(groups.get(group) ?? []), member])
    }
    for (const group of groups.values()) chosen.push(choose(group) as Interest)
    return chosen
  }

  countTakers(subject: string): { subscribers: number; servers: number; workers: number } {
    const count = { subscribers: 0, servers: 0, workers: 0 }
    const found: Interest[] = []
    this.topics.interests.match(subject, found)
    for (const { spec, link, life } of found) {
      // Nor those of which nobody knows whether they still hold.
      if (link !== null && (!link.up || life !== link.life)) continue
      if (spec.kind === SERVE) count.servers++
      else if (spec.kind === WORK) count.workers++
      else count.subscribers++
    }
    const local: Subscription[] = []
    count.subscribers += this.topics.local.match(subject, local)
    return count
  }

  wake(): void {
    this.changes.tell()
  }

  // From subscriptions, services and workers

  pause(subscription: Subscription): void {
    const interest = this.wishes.get(subscription.spec.id)
    if (interest !== undefined) interest.paused = true
    this.notifyAll([R.PAUSE, subscription.spec.id])
  }

  resume(subscription: Subscription): void {
    const interest = this.wishes.get(subscription.spec.id)
    if (interest !== undefined) interest.paused = false
    this.notifyAll([R.RESUME, subscription.spec.id])
    this.publishing.wake()
  }

  /** Messages of queue groups that are done are told in one note a tick. */
  done(subscription: Subscription, link: Link | null): void {
    const { id } = subscription.spec
    if (link === null) {
      const interest = this.wishes.get(id)
      if (interest !== undefined && interest.outstanding > 0) interest.outstanding--
      return
    }
    if (this.doneCounts.size === 0) process.nextTick(() => this.tellDone())
    let counts = this.doneCounts.get(link)
    if (counts === undefined) {
      counts = new Map()
      this.doneCounts.set(link, counts)
    }
    counts.set(id, (counts.get(id) ?? 0) + 1)
  }

  failed(subscription: Subscription, error: unknown): void {
    this.emit({ type: "error", subject: subscription.pattern, error })
  }

  working(from: object | null, id: number): void {
    // As an answer of this node itself goes: in a later turn.
    if (from === null) process.nextTick(() => this.tasks.working(null, id))
    else if (!(from as Link).ended && !(from as Link).lapsed)
      writeNumbers((from as Link).outgoing, R.NOTICE, [R.WORKING, id])
  }

  hold(call: ServerCall): void {
    this.services.hold(call)
  }

  over(call: ServerCall): void {
    this.services.over(call)
  }

  // SubscriptionHost.dropped and LinkOwner.dropped have one name: the first argument tells them apart.
  dropped(link: Link, lane: Lane, waiting: Waiting, reason: "full" | "conflated" | "stale"): void
  dropped(subscription: Subscription, reason: "full" | "conflated" | "stale"): void
  dropped(
    from: Link | Subscription,
    lane: Lane | string,
    _waiting?: Waiting,
    reason?: "full" | "conflated" | "stale",
  ): void {
    if ("spec" in from) this.emitDrop("here", null, from.pattern, lane as "full", 1)
    else this.publishing.droppedOnLink(from, lane as Lane, reason as "full")
  }

  emitDrop(
    where: DropWhere,
    link: Link | null,
    pattern: string,
    reason: DropWhy,
    count: number,
    client: ClientName | null = null,
  ): void {
    this.drops.add(where, link, pattern, reason, count, client)
  }

  // From links

  linkMade(link: Link): void {
    this.announceAll(link)
    this.carry?.linkMade(link)
  }

  linkUp(link: Link, freshIn: boolean, freshOut: boolean): void {
    if (freshIn) {
      this.renewals.begin(link, false)
      this.untold.begin(link, this.nextSync)
    }
    if (freshIn || freshOut) this.forgetWork(link)
    if (freshOut) {
      this.syncs.lost(link)
      this.untold.unasked(link)
      this.announceAll(link)
      this.publishing.begunAnew(link)
    }
    this.carry?.linkUp(link, freshIn, freshOut)
    if (freshIn || freshOut) this.renewals.ask(link)
    this.requests.changed()
    this.wake()
  }

  /** The peer's direction of the link begins anew, by the connection that is there: what it wants comes again. */
  begunAnew(link: Link): void {
    this.renewals.begin(link, true)
    this.untold.begin(link, this.nextSync)
    this.syncs.lost(link, link.had)
    this.forgetWork(link, link.had)
    this.renewals.ask(link)
    this.requests.changed()
  }

  /** The peer has read our question: all has come that it wanted then. */
  answered(link: Link, question: number): void {
    this.untold.answered(link, question)
    this.requests.changed()
  }

  /** Calls `then` when all has come that the peer has sent before, by whichever way. */
  whenCaughtUp(link: Link, then: () => void): void {
    if (this.carry === null) then()
    else this.carry.whenCaughtUp(link, then)
  }

  /** We have read all that the peer said before it asked. */
  answerSync(link: Link, token: number): void {
    if (link.ended) return
    this.carry?.tail(link)
    writeNumbers(link.outgoing, R.NOTICE, [R.SYNCED, token])
  }

  /** The peer has read all that was said to it before it was asked. */
  synced(link: Link, token: number): void {
    this.renewals.answered(link, token)
    this.syncs.answered(link, token)
  }

  linkDown(link: Link): void {
    this.syncs.broken(link)
    this.carry?.linkDown(link)
    this.publishing.linkDown(link)
    this.wake()
  }

  peerDead(link: Link): void {
    this.syncs.lost(link)
    if (link.lapsed) {
      this.publishing.lapsed(link)
      this.carry?.lapsed(link)
    }
    this.tasks.workerGone(worker => worker.link === link)
    this.requests.linkEnded(link)
    this.requests.changed()
    // Who waits to publish or to flush does not wait for it any more.
    this.publishing.wake()
  }

  linkEnded(link: Link): void {
    this.linkDown(link)
    this.renewals.ended(link)
    this.untold.end(link)
    this.forgetInterests(link)
    this.carry?.linkEnded(link)
    this.services.linkEnded(link)
    this.doneCounts.delete(link)
    this.peerDead(link)
    this.publishing.wake()
    this.wake()
  }

  roomAgain(link: Link): void {
    this.publishing.drain(link)
    this.carry?.roomAgain(link)
    this.tasks.dispatchSoon()
  }

  partnerOf(peer: PeerHello): SocketType {
    if (this.foreignClients === null) {
      throw new HeddleError(
        "ERR_PEER_INCOMPATIBLE",
        `This node takes nodes of its fabric only; a ${peer.socketType} socket is none`,
        { fatal: true },
      )
    }
    return this.foreignClients.partnerOf(peer)
  }

  foreign(connection: Connection): void {
    this.foreignClients?.take(connection)
  }

  published(subject: NumberedSubject, codec: number, bytes: Buffer, start: number, end: number): void {
    this.receiving.published(subject, codec, bytes, start, end)
  }

  lookAhead(bytes: Buffer, at: number, end: number): number {
    return this.receiving.lookAhead(bytes, at, end)
  }

  record(link: Link, from: Incoming, type: number, codec: number, body: Reader, apart: Buffer | null): void {
    this.receiving.record(link, from, type, codec, body, apart)
  }

  private carryOf({ carry }: JoinOptions, context: Context): Carry | null {
    if (carry === undefined) return null
    const groups = carryGroupsOf(carry, context, this.settings.links)
    if (groups.length === 0) return null
    const made = new Carry(
      groups,
      {
        settings: this.settings,
        links: () => this.peers.links.values(),
        emit: event => this.emit(event),
        published: (subject, codec, bytes, start, end, extra) =>
          this.receiving.published(subject, codec, bytes, start, end, extra),
      },
      context,
    )
    this.topics.carriers = made.senders
    return made
  }

  private taskHere(worker: Worker, id: number, topic: Topic, parcel: Parcel, deliveries: number): void {
    const message = this.publishing.messageOf(topic.subject, parcel, false)
    process.nextTick(() =>
      worker.take(
        message,
        deliveries,
        (failure, load) => {
          const payload = failure ?? NOTHING.payload
          this.tasks.result(null, id, failure === null ? 0 : R.FAILED, load, payload, this.name)
        },
        null,
        id,
      ),
    )
  }

  interestCame(link: Link, spec: InterestSpec): void {
    const known = this.renewals.renewed(link, spec)
    if (known !== null) {
      if (spec.history > 0) this.publishing.replay(link, known, spec.after)
      this.publishing.resumed(known)
      this.wake()
      return
    }
    // What holds from before must not keep out what is new.
    if (link.interests.size >= this.settings.maxInterests) this.renewals.complete(link)
    if (link.interests.size >= this.settings.maxInterests) {
      throw new HeddleError(
        "ERR_SUBSCRIPTION_LIMIT",
        `More than ${this.settings.maxInterests} interests of one peer (maxInterests)`,
      )
    }
    const interest = new Interest(spec, link, null)
    interest.life = link.life
    link.interests.set(spec.id, interest)
    if (spec.after !== undefined) link.takesNumbers = true
    if (spec.history > 0) this.publishing.replay(link, interest, spec.after)
    this.topics.interests.add(spec.pattern, interest)
    if (spec.kind === WORK) this.tasks.dispatchSoon()
    else if (spec.kind === SERVE) this.requests.changed()
    this.wake()
  }

  interestWent(link: Link, id: number): void {
    const interest = link.interests.get(id)
    if (interest === undefined) return
    link.interests.delete(id)
    link.dropped.forget(id)
    this.topics.interests.remove(interest.spec.pattern, interest)
    this.publishing.interestGone(interest)
    this.wake()
  }

  forgetInterests(link: Link): void {
    if (link.interests.size === 0) return
    const gone = [...link.interests.values()]
    for (const interest of gone) this.topics.interests.remove(interest.spec.pattern, interest)
    for (const interest of gone) this.publishing.interestGone(interest)
    link.interests.clear()
  }

  /**
   * A direction of the link begins anew: requests, tasks or their answers were lost. What is not done goes elsewhere. `had`: batches of
   * ours that are concerned.
   */
  forgetWork(link: Link, had?: number): void {
    this.tasks.workerGone(worker => worker.link === link, had)
    this.requests.linkEnded(link, had)
    this.services.linkEnded(link)
  }

  private tellDone(): void {
    const counts = this.doneCounts
    this.doneCounts = new Map()
    for (const [link, byInterest] of counts) {
      // Who comes back after the window begins to count anew.
      if (link.ended || link.lapsed) continue
      for (const [id, count] of byInterest) writeNumbers(link.outgoing, R.DONE, [id, count])
    }
  }

  /** Peers to whom it is of use to say something: who comes back after the resume window is told everything anew. */
  private *listeners(): Generator<Link> {
    for (const link of this.peers.links.values()) if (!link.lapsed) yield link
  }

  /** What drains wants nothing more, though it is not through. */
  private announceAll(link: Link): void {
    for (const interest of this.wishes) if (!this.retiring.has(interest.owner as Taker)) announce(link, interest)
  }

  private notifyAll(numbers: readonly number[]): void {
    for (const link of this.listeners()) writeNumbers(link.outgoing, R.NOTICE, numbers)
  }
}

/** A wish is told to a peer, and whether it wants nothing for now: who publishes must not send what nobody has asked to stop. */
function announce({ outgoing, node }: Link, { spec, paused, owner }: Interest): void {
  writeInterest(outgoing, spec, spec.history > 0 ? (owner as Subscription).had.after(node) : 0)
  if (paused) writeNumbers(outgoing, R.NOTICE, [R.PAUSE, spec.id])
}
