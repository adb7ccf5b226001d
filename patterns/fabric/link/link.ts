import { copyInto } from "../../../core/bytes.ts"
import type { Codecs } from "../../../core/codec.ts"
import type { Connection, ConnectionSink, Message } from "../../../core/contract.ts"
import type { HeddleError } from "../../../core/errors.ts"
import type { SubjectKey } from "../../../core/subject-key.ts"
import type { Reader } from "../../../core/varint.ts"
import { varintSize, writeVarint } from "../../../core/varint.ts"
import { Backlog, type Lane } from "../backlog.ts"
import type { Interest } from "../interest.ts"
import { Origin } from "../message.ts"
import type { Topic } from "../topics.ts"
import { DropNotes } from "./drop-notes.ts"
import type { Introduction, Position } from "./hello.ts"
import { Incoming, type IncomingSink, type NumberedSubject } from "./incoming.ts"
import { Outgoing } from "./outgoing.ts"
import { copyPart } from "./parcel.ts"
import {
  ACK,
  APART_FROM,
  GAP,
  MAX_SUBJECTS,
  MEMBERS,
  NOTICE,
  NUMBERS,
  PUBLISH_MORE,
  REPLY,
  REQUEST,
  STRUCTURES,
  SUBJECT,
} from "./records.ts"
import { type Parcel, unnumbered, writeNamed, writeNumbers, writeRecord, writeReply, writeRequest } from "./write.ts"

/** Bytes after which a peer is told at once what has arrived: a fraction of any sensible window. */
const ACK_BYTES = 256 * 1024

/**
 * Bytes of acknowledgements and membership that a full connection is given besides: a peer that sends, lives and does not read would
 * make them pile up. Probes of some minutes.
 */
const MOST_LOOSE = 64 * 1024

/** Subjects that a link has room for at first: 512 bytes. */
const FEW_SUBJECTS = 128

/** A message of which several copies go to one peer, because some of them have to wait. */
export interface Copies {
  /** Where the stream stood behind the first; 0 = none was sent or counted yet. */
  first: number
}

/** A message that waits for room on a link. */
export interface Waiting {
  readonly topic: Topic
  readonly parcel: Parcel
  readonly targets: readonly number[]
  readonly options: number
  /** Null: it is the only one. */
  readonly copies: Copies | null
  /** Of the message, for wishes with history; 0 = it has none. */
  readonly number: number
  /** The number of the first message whose place it has taken ("conflate"); otherwise its own. */
  place: number
}

/** The node that a link belongs to. None of these may throw. */
export interface LinkOwner {
  published(subject: NumberedSubject, codec: number, bytes: Buffer, start: number, end: number): void
  lookAhead(bytes: Buffer, at: number, end: number): number
  /** May throw a HeddleError for what breaks the protocol. */
  record(link: Link, from: Incoming, type: number, codec: number, body: Reader, apart: Buffer | null): void
  /** Notices of membership, as JSON. */
  members(link: Link, text: string): void
  connectionLost(link: Link, reason: Error | undefined): void
  breach(link: Link, error: HeddleError): void
  /** The window has room again. */
  roomAgain(link: Link): void
  /** A message that waited was dropped. */
  dropped(link: Link, lane: Lane, waiting: Waiting, reason: "full" | "conflated" | "stale"): void
  /** More control records wait for the peer than shall; comes again each tick until they do not. */
  overflowing(link: Link): void
  /** Something came that the peer shall hear of soon. */
  ackLater(link: Link): void
}

/** How far away a peer is. */
export const SAME_PROCESS = 0
export const SAME_HOST = 1
export const NETWORK = 2

/** The pair of this node and another: one connection at a time, and what outlives it. */
export class Link implements ConnectionSink, IncomingSink {
  readonly node: string
  /** As of the last connection. */
  info: Introduction
  readonly distance: 0 | 1 | 2
  /** Names what we send; the peer says how much of it it has. */
  readonly stream: string
  private heardStream = ""
  /** Connections so far; who began to dial before another came must not use what it learnt then. */
  connections = 0
  connection: Connection | null = null
  /** We dialled the current or last connection. */
  dialled = false
  /** Gone for good: nothing is taken or delivered. */
  ended = false
  /** The resume window has passed: messages are counted, not kept. */
  lapsed = false
  suspendedAt = 0
  /** The membership takes the peer for dead, though its link may come back. */
  dead = false
  /** The peer says that it leaves: it takes nothing new. */
  leaving = false
  /** Bytes and messages over earlier sessions and connections. */
  bytesIn = 0
  bytesOut = 0
  messagesIn = 0
  messagesOut = 0
  droppedMessages = 0
  /** Notices of membership that were not sent: the connection took no more of them. */
  droppedNotices = 0
  /** Messages dropped for interests of the peer, of which it is told. */
  readonly dropped = new DropNotes()
  /** Milliseconds of the last round trip that somebody had measured (introspection/round-trips.ts); -1 = none was. */
  roundTrip = -1
  readonly since = performance.now()
  readonly outgoing: Outgoing
  incoming: Incoming
  readonly backlog: Backlog<Waiting>
  /** What the peer wants of us. */
  readonly interests = new Map<number, Interest>()
  /** Batches of ours that it had when the last connection came: what it answers to later ones comes by that, too. */
  had = 0
  /** How often the peer has begun to announce them; those of an earlier time hold until it is through (renewals.ts). */
  life = 0
  /** It has asked for the numbers of messages (a wish with history). */
  takesNumbers = false
  /** What the peer will answer when it is through with that; 0 = it is. */
  renewal = 0
  /** Requests and other work that wait for room; the node's own affair. */
  readonly whenRoom = new Set<{ go(): void }>()
  ackDue = false
  /** A match of publishers includes this link (core/prefix-index.ts has the same idea). */
  mark = 0
  private readonly owner: LinkOwner
  private readonly codecs: Codecs
  /** By subject number, the epoch that the peer was told. Grows: most links of a large mesh carry few subjects. */
  private announced = new Uint32Array(FEW_SUBJECTS)
  private structures = 0
  private unacknowledged = 0
  /** Bytes of unnumbered batches that the connection was given since it said that it is full. */
  private loose = 0

  constructor(
    owner: LinkOwner,
    info: Introduction,
    distance: 0 | 1 | 2,
    codecs: Codecs,
    window: number,
    control: number,
    stream: string,
  ) {
    this.stream = stream
    this.owner = owner
    this.info = info
    this.node = info.node
    this.distance = distance
    this.codecs = codecs
    this.outgoing = new Outgoing(
      window,
      () => owner.roomAgain(this),
      control,
      () => owner.overflowing(this),
    )
    this.incoming = new Incoming(this, new Origin(info.node, info.name, codecs))
    this.backlog = new Backlog((lane, waiting, reason) => owner.dropped(this, lane, waiting, reason))
  }

  get up(): boolean {
    return this.connection !== null
  }

  get name(): string {
    return this.info.name
  }

  get heard(): Position | null {
    if (this.heardStream === "") return null
    return { stream: this.heardStream, batches: this.incoming.batches, messages: this.incoming.messages }
  }

  /** The peer says less than it has acknowledged: it wrote that before a connection that has come and gone, or is there. */
  isStale({ heard }: Introduction): boolean {
    return heard !== null && heard.stream === this.stream && heard.batches < this.outgoing.acknowledged
  }

  // Sending

  /** The usual message: everybody there who wants the subject. */
  publish(topic: Topic, parcel: Parcel): void {
    const { outgoing } = this
    if (this.announced[topic.id] !== topic.epoch || parcel.structures > this.structures)
      this.introduce(topic, parcel.structures)
    if (topic.id >= 0 && parcel.headers === null && parcel.size <= APART_FROM && parcel.codecName === "") {
      const at = outgoing.begin(topic.id, parcel.codec, parcel.size)
      parcel.copyTo(outgoing.buffer, at)
    } else {
      outgoing.messages++
      writeRecord(outgoing, PUBLISH_MORE, 0, NO_NUMBERS, this.subjectOf(topic), parcel)
    }
  }

  /**
   * `publish` of a payload that needs no parcel, because only this peer gets it: it lies in `source` from `start` on. False: nothing was
   * done, because it has to wait or does not go in the shortest form. Never with a codec of the user's own.
   */
  publishAt(topic: Topic, source: Buffer, start: number, size: number, codec: number, structures: number): boolean {
    const { outgoing } = this
    if (size > APART_FROM || topic.id < 0 || !this.isOpen(size)) return false
    if (this.announced[topic.id] !== topic.epoch || structures > this.structures) this.introduce(topic, structures)
    const at = outgoing.begin(topic.id, codec, size)
    copyPart(source, start, size, outgoing.buffer, at)
    return true
  }

  /** Whether a payload of `size` bytes may go at once. */
  isOpen(size: number): boolean {
    return this.backlog.length === 0 && this.lapsed === false && this.outgoing.hasRoom() && size <= this.info.maxPayload
  }

  /** The same for a subject that has no topic. `target`: as for `Outgoing.publishNamed`. */
  publishPassing(subject: SubjectKey, parcel: Parcel, target: number): void {
    const { outgoing } = this
    if (parcel.structures > this.structures) this.teach(parcel.structures)
    if (parcel.headers === null && parcel.size <= APART_FROM && parcel.codecName === "") {
      outgoing.publishNamed(subject, parcel, target)
    } else {
      outgoing.messages++
      writeRecord(outgoing, PUBLISH_MORE, 0, NO_NUMBERS, Buffer.from(subject.text), parcel)
    }
  }

  /** `number`: of the message, for who asked for numbers; 0 = it has none. `place`: all up to it was sent before, or with it. */
  publishTo(
    topic: Topic,
    parcel: Parcel,
    options: number,
    targets: readonly number[],
    number: number,
    place = number,
  ): void {
    this.introduce(topic, parcel.structures)
    this.outgoing.messages++
    const numbered = number > 0 && this.takesNumbers
    const bits = numbered ? options | NUMBERS : options
    const numbers = numbered ? [number, number - place] : NO_NUMBERS
    writeRecord(this.outgoing, PUBLISH_MORE, bits, numbers, this.subjectOf(topic), parcel, targets)
  }

  /** One that waited. */
  publishWaiting({ topic, parcel, targets, options, copies, number, place }: Waiting): void {
    if (options === 0) this.publish(topic, parcel)
    else this.publishTo(topic, parcel, options, targets, number, place)
    if (copies !== null) this.note(copies)
  }

  /** One that waited is counted, not sent. */
  miss({ copies }: Waiting): void {
    this.outgoing.missed++
    if (copies !== null) this.note(copies)
  }

  /** What was sent or counted last is one of these. */
  note(copies: Copies): void {
    if (copies.first === 0) copies.first = this.outgoing.position
    else this.outgoing.copied(copies.first)
  }

  /** The peer hears what it has missed, when there is room for it; after the window it waits for the peer to come back. */
  tellDropped(): void {
    if (!this.lapsed) this.dropped.tell(this.outgoing)
  }

  /** Any record with a subject or none and a payload. */
  write(type: number, options: number, numbers: readonly number[], topic: Topic | null, parcel: Parcel): void {
    if (topic !== null) this.introduce(topic, parcel.structures)
    else this.teach(parcel.structures)
    writeRecord(this.outgoing, type, options, numbers, topic === null ? null : this.subjectOf(topic), parcel)
    this.outgoing.hurry()
  }

  /** A request to the server that the peer knows by the number `server`. `timeout`: milliseconds. */
  request(id: number, server: number, timeout: number, credit: number, topic: Topic, parcel: Parcel): void {
    if (topic.id < 0 || parcel.headers !== null || parcel.size > APART_FROM || parcel.codecName !== "") {
      this.write(REQUEST, 0, [id, server, timeout, credit], topic, parcel)
      return
    }
    if (this.announced[topic.id] !== topic.epoch || parcel.structures > this.structures)
      this.introduce(topic, parcel.structures)
    writeRequest(this.outgoing, id, server, timeout, credit, topic.id, parcel)
    this.outgoing.hurry()
  }

  /** A reply to request `id` of the peer. */
  reply(id: number, options: number, parcel: Parcel): void {
    if (parcel.headers !== null || parcel.size > APART_FROM || parcel.codecName !== "") {
      this.write(REPLY, options, [id], null, parcel)
      return
    }
    if (parcel.structures > this.structures) this.teach(parcel.structures)
    writeReply(this.outgoing, options, id, parcel)
    this.outgoing.hurry()
  }

  /** What the peer must know before it can read a message. */
  private introduce(topic: Topic, structures: number): void {
    if (topic.id >= 0 && this.announced[topic.id] !== topic.epoch) {
      if (topic.id >= this.announced.length) this.growAnnounced(topic.id)
      this.announced[topic.id] = topic.epoch
      writeNamed(this.outgoing, SUBJECT, topic.id, topic.bytes)
    }
    this.teach(structures)
  }

  private growAnnounced(id: number): void {
    let size = this.announced.length
    while (size <= id) size *= 2
    const grown = new Uint32Array(Math.min(size, MAX_SUBJECTS))
    grown.set(this.announced)
    this.announced = grown
  }

  /** The peer gets to know the first `structures` structures of msgpack, whatever needs them. */
  teach(structures: number): void {
    if (structures <= this.structures) return
    const { shared } = this.codecs
    const bytes = shared.structuresSince(this.structures)
    this.structures = shared.version
    const at = this.outgoing.reserve(1 + bytes.length)
    this.outgoing.buffer[at] = STRUCTURES
    copyInto(this.outgoing.buffer, bytes, at + 1)
  }

  private subjectOf(topic: Topic): number | Buffer {
    return topic.id >= 0 ? topic.id : topic.bytes
  }

  /** False = there is no connection. */
  sendMembers(text: string): boolean {
    if (this.connection === null) return false
    // As if the network had lost it; the protocol lives with that.
    if (this.loose >= MOST_LOOSE) this.droppedNotices++
    else this.sendLoose(this.connection, MEMBERS, Buffer.from(text))
    return true
  }

  sendAck(): void {
    // It is said when the connection takes more.
    this.ackDue = this.loose >= MOST_LOOSE
    this.unacknowledged = 0
    if (this.connection === null || this.ackDue) return
    const { batches } = this.incoming
    const body = Buffer.allocUnsafe(varintSize(batches))
    writeVarint(batches, body, 0)
    this.sendLoose(this.connection, ACK, body)
  }

  private sendLoose(connection: Connection, type: number, body: Buffer): void {
    const batch = unnumbered(type, body)
    this.loose = connection.send([batch]) ? 0 : this.loose + batch.length
  }

  // Life

  /**
   * A new connection. Each direction goes on where it stood if it can, otherwise it begins anew. True = the peer's
   * direction is new: what it wanted before is forgotten. `freshOut`: ours is, and the peer must be told everything.
   */
  connect(connection: Connection, info: Introduction, dialled: boolean): { freshIn: boolean; freshOut: boolean } {
    this.dropConnection()
    this.connection = connection
    // What the old one was too full for is said in the introduction.
    if (this.loose >= MOST_LOOSE) this.ackDue = false
    this.loose = 0
    this.info = info
    this.dialled = dialled
    this.dead = false
    this.leaving = false
    this.connections++
    const freshIn = info.stream !== this.heardStream
    if (freshIn) {
      this.heardStream = info.stream
      this.messagesIn += this.incoming.messages
      // What came before and waits for its turn is still delivered, by the subjects and structures of its time.
      this.incoming = new Incoming(this, new Origin(info.node, info.name, this.codecs))
    }
    const { outgoing } = this
    // A peer that has forgotten us had what it acknowledged.
    const heard =
      info.heard?.stream === this.stream ? info.heard : { batches: 0, messages: outgoing.acknowledgedPosition }
    const freshOut = this.lapsed || !outgoing.canResumeFrom(heard.batches)
    this.had = heard.batches
    if (freshOut) {
      this.dropped.lost(Math.max(heard.batches, outgoing.acknowledged))
      outgoing.restart(heard.batches)
      this.announced.fill(0)
      this.structures = 0
      this.lapsed = false
      writeNumbers(outgoing, NOTICE, [GAP, 1, outgoing.missing(heard.messages), outgoing.position])
    }
    outgoing.resume(connection, heard.batches)
    return { freshIn, freshOut }
  }

  /** The resume window has passed: what was kept is let go, and counted. */
  lapse(): void {
    this.lapsed = true
    this.dropped.arrived(this.outgoing.acknowledged)
    for (let one = this.backlog.shift(0); one !== undefined; one = this.backlog.shift(0)) this.miss(one)
    this.outgoing.restart(0)
  }

  /** Records may come from now on. */
  begin(connection: Connection): void {
    if (this.incoming.behind) connection.pause()
    connection.start(this)
  }

  /** Lets go of the connection without a word to the owner. */
  dropConnection(reason?: Error): void {
    const { connection } = this
    if (connection === null) return
    this.account(connection)
    connection.close(reason)
  }

  end(reason?: Error): void {
    if (this.ended) return
    this.ended = true
    this.incoming.stop()
    this.dropConnection(reason)
    this.outgoing.restart(0)
  }

  // From the connection

  message(message: Message): void {
    this.incoming.take(message)
  }

  controlReceived(): void {
    // ZMTP's own commands mean nothing between nodes.
  }

  drain(): void {
    const mute = this.loose >= MOST_LOOSE
    this.loose = 0
    if (mute && this.ackDue) this.sendAck()
    this.outgoing.drained()
  }

  closed(reason?: Error): void {
    const { connection } = this
    if (connection === null) return
    this.account(connection)
    this.owner.connectionLost(this, reason)
  }

  // From the incoming direction

  published(subject: NumberedSubject, codec: number, bytes: Buffer, start: number, end: number): void {
    this.owner.published(subject, codec, bytes, start, end)
  }

  lookAhead(bytes: Buffer, at: number, end: number): number {
    return this.owner.lookAhead(bytes, at, end)
  }

  record(from: Incoming, type: number, codec: number, body: Reader, apart: Buffer | null): void {
    if (type === STRUCTURES) from.origin.learn(body.view(body.left))
    else this.owner.record(this, from, type, codec, body, apart)
  }

  unnumbered(type: number, body: Reader): void {
    if (type === ACK) this.outgoing.acknowledge(body.varint())
    else if (type === MEMBERS) this.owner.members(this, body.utf8(body.left))
    // Others are of later versions.
  }

  received(bytes: number): void {
    this.unacknowledged += bytes
    if (this.unacknowledged >= ACK_BYTES) this.sendAck()
    else if (!this.ackDue) {
      this.ackDue = true
      this.owner.ackLater(this)
    }
  }

  pause(): void {
    this.connection?.pause()
  }

  // `resume` is taken by the life of the link: the incoming direction calls this one.
  goOn(): void {
    this.connection?.resume()
  }

  breach(error: HeddleError): void {
    this.owner.breach(this, error)
  }

  private account(connection: Connection): void {
    this.connection = null
    this.outgoing.suspend()
    this.bytesIn += connection.bytesReceived
    this.bytesOut += connection.bytesSent
    this.suspendedAt = performance.now()
  }
}

/** It is there, or may come back with nothing lost. */
export function isAwaited({ up, connections, lapsed, dead, ended }: Link): boolean {
  return up || (connections > 0 && !lapsed && !dead && !ended)
}

const NO_NUMBERS: readonly number[] = []
