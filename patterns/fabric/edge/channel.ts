import { CODEC_MSGPACK, CODEC_MSGPACK_SHARED } from "../../../core/codec.ts"
import { Keeper } from "../history.ts"
import { Parcel } from "../link/parcel.ts"
import { encodeHeaders } from "../link/write.ts"
import type { FabricMessage } from "../message.ts"
import { DATA, GAP, KEPT } from "./protocol.ts"
import { type Batch, Ring, type RingBudget } from "./ring.ts"
import { RecordWriter } from "./wire.ts"

/**
 * A batch goes out when it has so many bytes, though the turn is not over: several of them fit into the buffer of a slow client
 * (1 MiB), and one is still written by one system call.
 */
const FULL = 48 * 1024

/** Bytes that a channel keeps as history: as a page may ask for at once without being cut off. */
const HISTORY_BYTES = 8 * 1024 * 1024

/** What a channel needs of the edge. */
export interface ChannelHost {
  readonly budget: RingBudget
  readonly resumeTime: number
  readonly resumeBytes: number
  /** To all clients that have joined the topic. */
  publish(topic: string, bytes: Uint8Array): void
  /** So many messages to all of so many clients. */
  delivered(count: number): void
  /** A message could not be read. */
  malformed(channel: Channel, error: unknown): void
}

/** What a channel carries, and for whom. */
export interface ChannelKind {
  readonly pattern: string
  /** Messages of each subject that newcomers get; 0 = none. */
  readonly history: number
  /** Queue group that its only client is a member of; "" = none. */
  readonly group: string
  /** Session of the only client that may have it; "" = everybody's. */
  readonly owner: string
}

/** Whoever reads a channel by other means than a topic: Server-Sent Events. */
export interface ChannelReader {
  /** There is something new. */
  look(): void
}

/** The fabric's side of a channel: what feeds it. */
export interface Feed {
  readonly ready: Promise<void>
  /** Messages that did not get here, for want of room. */
  readonly lost: number
  /** Ends it at once. */
  stop(): void
}

/**
 * One stream of messages for all clients that ask for the same: each message is encoded once, and all of one turn leave in one WebSocket
 * message that is the same for everybody.
 */
export class Channel implements ChannelKind {
  readonly id: number
  readonly pattern: string
  readonly history: number
  readonly group: string
  readonly owner: string
  readonly topic: string
  readonly ring: Ring
  readonly readers = new Set<ChannelReader>()
  /** Clients that have it. */
  users = 0
  /** Of those, the ones that get what is published now. */
  live = 0
  /** Kept for clients that may come back until then, by performance.now(). */
  until = 0
  /** Sequence of the last message that went out. */
  sent = 0
  /** All nodes know of the subscription. */
  ready = false
  messages = 0
  /** Of a queue group: messages that its member has said it has done. */
  done = 0
  private readonly host: ChannelHost
  private readonly keeper: Keeper | null
  private feed: Feed | null = null
  private sequence = 0
  private writer: RecordWriter | null = null
  private subject = ""
  private first = 0
  /** `feed.lost` that clients know of. */
  private told = 0

  constructor(host: ChannelHost, id: number, { pattern, history, group, owner }: ChannelKind) {
    this.host = host
    this.id = id
    this.pattern = pattern
    this.history = history
    this.group = group
    this.owner = owner
    this.topic = `c${id}`
    this.ring = new Ring(host.resumeTime, host.resumeBytes, host.budget)
    this.keeper = history > 0 ? new Keeper(pattern, { last: history, bytes: HISTORY_BYTES }) : null
  }

  /** What fills it from now on, in the place of what did before. */
  start(feed: Feed): void {
    this.feed = feed
    this.told = feed.lost
    this.ready = false
    void feed.ready.then(() => {
      this.ready = this.feed === feed
    })
  }

  whenReady(): Promise<void> {
    return this.feed?.ready ?? Promise.resolve()
  }

  get fed(): boolean {
    return this.feed !== null
  }

  /** Nothing new comes; what it holds stays for the client to come back. */
  stop(): void {
    this.feed?.stop()
    this.feed = null
    this.ready = false
  }

  close(): void {
    this.stop()
    this.flush()
    this.ring.clear()
    this.keeper?.clear()
  }

  /** A message for everybody. It goes out at the end of this turn. */
  take(message: FabricMessage): void {
    let payload: Buffer
    try {
      payload = message.plainBytes
    } catch (error) {
      this.host.malformed(this, error)
      return
    }
    const { subject, kept } = message
    const [number, codecName] = message.codecOf
    const codec = number === CODEC_MSGPACK_SHARED ? CODEC_MSGPACK : number
    const headers = encodeHeaders(message.headers)
    const writer = this.writer ?? this.begin()
    writer.content(subject === this.subject ? undefined : subject, codec, codecName, headers, payload, kept)
    this.subject = subject
    this.sequence++
    this.messages++
    this.keeper?.store({ subject }, Parcel.of(payload, codec, codecName, headers))
    if (writer.at >= FULL) this.flush()
  }

  /** What is kept, as whole KEPT records of some size, for one subscription. */
  recall(sub: number): Uint8Array[] {
    this.flush()
    const pieces: Uint8Array[] = []
    if (this.keeper === null) return pieces
    const kept = new KeptRecords(sub, pieces)
    for (const { subject, parcel } of this.keeper.recall(this.pattern, this.history)) kept.add(subject, parcel)
    kept.end()
    return pieces
  }

  /** What was taken goes out now. */
  flush(): void {
    const { writer, host } = this
    if (writer === null) return
    this.writer = null
    writer.end()
    const { first, sequence } = this
    const bytes = Buffer.from(writer.written)
    pool.push(writer)
    if (pool.length > MOST_WRITERS) pool.length = MOST_WRITERS
    const batch: Batch = { first, count: sequence - first + 1, bytes, time: performance.now() }
    if (host.resumeBytes > 0) this.ring.push(batch)
    // Before it is published: who turns out to be slow then gets this one and nothing after it.
    this.sent = sequence
    if (this.live > 0) {
      host.delivered(this.live * batch.count)
      host.publish(this.topic, bytes)
    }
    for (const reader of this.readers) reader.look()
  }

  private begin(): RecordWriter {
    const writer = pool.pop() ?? new RecordWriter(4 * 1024)
    writer.clear()
    this.writer = writer
    this.subject = ""
    this.first = this.sequence + 1
    const lost = this.feed?.lost ?? 0
    if (lost > this.told) {
      writer
        .begin(GAP)
        .varint(this.id)
        .varint(this.sequence)
        .varint(lost - this.told)
        .end()
      this.told = lost
    }
    writer.begin(DATA).varint(this.id).varint(this.first)
    queueMicrotask(() => {
      if (this.writer === writer) this.flush()
    })
    return writer
  }
}

/** Writers of closed batches: a turn has few open ones. */
const pool: RecordWriter[] = []
const MOST_WRITERS = 16

/** Messages outside of a channel's sequence, in KEPT records of about `FULL` bytes. */
export class KeptRecords {
  private readonly sub: number
  private readonly pieces: Uint8Array[]
  private readonly writer = new RecordWriter()
  private subject = ""
  private open = false

  constructor(sub: number, pieces: Uint8Array[]) {
    this.sub = sub
    this.pieces = pieces
  }

  add(subject: string, { payload, codec, codecName, headers }: Parcel, kept = true): void {
    const { writer } = this
    if (!this.open) {
      this.open = true
      this.subject = ""
      writer.begin(KEPT).varint(this.sub)
    }
    writer.content(subject === this.subject ? undefined : subject, codec, codecName, headers, payload, kept)
    this.subject = subject
    if (writer.at >= FULL) this.end()
  }

  end(): void {
    if (!this.open) return
    this.open = false
    this.writer.end()
    this.pieces.push(Buffer.from(this.writer.written))
    this.writer.clear()
  }
}
