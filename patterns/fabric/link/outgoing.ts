import type { Connection } from "../../../core/contract.ts"
import { HeddleError } from "../../../core/errors.ts"
import { Queue } from "../../../core/queue.ts"
import type { SubjectKey } from "../../../core/subject-key.ts"
import { varintSize, writeVarint } from "../../../core/varint.ts"
import { CHUNK, type Chunk, releaseChunk, SMALL_CHUNK, takeChunk } from "./chunks.ts"
import type { Parcel } from "./parcel.ts"
import { FOR_ONE, INLINE_SUBJECT, NUMBERED, PUBLISH, PUBLISH_MORE } from "./records.ts"

interface Batch {
  readonly bytes: Buffer
  readonly chunk: Chunk
  /** A large payload of the last record, by reference. */
  readonly payload: Buffer | null
  readonly size: number
  /** Bytes of it that are control records. */
  readonly control: number
  /** Where the stream stands behind this batch. */
  readonly position: number
}

/** Where a chunk has less than this left, the next batch begins in a new one. */
const SCRAPS = 256

/**
 * Requests and replies in one write: some 40 microseconds of work for the peer, several times what the write costs (6, with
 * which 32 of them took a fifth of the client's time). With all of a turn in one write, client and server would take turns
 * instead of working at the same time.
 */
const HURRY = 50

/** Second copies that are remembered; beyond it a gap counts them as messages of their own. */
const MOST_COPIES = 65_536

/** Added to the uses of a chunk that must not be used again, whoever releases it. */
const FOR_EVER = 1e9

let dirty: Outgoing[] = []
let scheduled = false

function flushAll(): void {
  scheduled = false
  const links = dirty
  dirty = []
  for (let i = 0; i < links.length; i++) links[i].flush()
}

/**
 * One direction of a link: records to numbered batches, one batch a tick or a full chunk. Batches are kept until the
 * peer has acknowledged them, so that a broken link can go on where it stood.
 */
export class Outgoing {
  /** Batches made since the stream began. */
  sealed = 0
  /** Batches of these that the peer has. */
  acknowledged = 0
  /** `position` behind these. */
  acknowledgedPosition = 0
  /** Published messages written since the stream began. */
  messages = 0
  /** Published messages that were counted instead of written. */
  missed = 0
  /** Second copies of messages that the peer may not have: where the stream stood behind the first, and behind this one. */
  private readonly copies = new Queue<{ readonly first: number; readonly at: number }>()
  /** Bytes kept for the peer: not acknowledged, or not sent yet. */
  bytes = 0
  /** Memory that records are written to; `reserve` says where. */
  buffer: Buffer = NOTHING
  /** Of `bytes`, those of control records: whoever writes them does not ask for room. */
  control = 0
  private openControl = 0
  private readonly window: number
  private readonly mostControl: number
  private readonly overflowing: () => void
  private readonly roomAgain: () => void
  private readonly retained = new Queue<Batch>()
  private unsent = 0
  private connection: Connection | null = null
  private flowing = false
  private chunk: Chunk | null = null
  private start = 0
  private end = 0
  private limit = 0
  private isDirty = false
  private starved = false
  /** Requests and replies since the last flush. */
  private urgent = 0
  /** The last tick filled more than a small chunk. */
  private busy = false

  /**
   * `window`: bytes kept for the peer before `hasRoom` says no. `mostControl`: bytes of control records, beyond which
   * `overflowing` is called, once a tick.
   */
  constructor(window: number, roomAgain: () => void, mostControl: number, overflowing: () => void) {
    this.window = window
    this.mostControl = mostControl
    this.overflowing = overflowing
    this.roomAgain = roomAgain
  }

  /** Published messages since the stream began, whether the peer got them or not: both sides count by it. */
  get position(): number {
    return this.messages + this.missed
  }

  /** What was counted last is the same message as what was counted when the stream stood at `first`. */
  copied(first: number): void {
    if (this.copies.length < MOST_COPIES) this.copies.push({ first, at: this.position })
  }

  /** Messages that a peer has not got that has the first `heard` of the stream; of one that went twice both count once. */
  missing(heard: number): number {
    let count = this.position - heard
    for (let i = 0; i < this.copies.length; i++) {
      const { first, at } = this.copies.at(i)
      if (first > heard && at > heard) count--
    }
    return Math.max(0, count)
  }

  /** False = the window is full; `roomAgain` will be called. Records that must not be lost are taken nevertheless. */
  hasRoom(): boolean {
    if (this.bytes < this.window) return true
    this.starved = true
    return false
  }

  /** A published message in its shortest form, but for its payload of `size` bytes: that belongs into `buffer`, where this says. */
  begin(subject: number, codec: number, size: number): number {
    this.messages++
    const body = size + 2
    const at = this.end
    if (subject >= 128 || body >= 128 || at === this.start || at + body >= this.limit)
      return this.beginAny(subject, codec, size)
    // A short record in a batch that has begun and has room for it, as most are: what `reserve` would do.
    const { buffer } = this
    buffer[at] = body
    buffer[at + 1] = PUBLISH | (codec << 4)
    buffer[at + 2] = subject
    this.end = at + 1 + body
    this.bytes += 1 + body
    return at + 3
  }

  private beginAny(subject: number, codec: number, size: number): number {
    let at = this.reserve(1 + (subject < 128 ? 1 : 2) + size)
    const { buffer } = this
    buffer[at++] = PUBLISH | (codec << 4)
    if (subject < 128) buffer[at++] = subject
    else {
      buffer[at++] = (subject & 127) | 128
      buffer[at++] = subject >>> 7
    }
    return at
  }

  /** A published message whose subject goes as text. `target`: the plain interest that alone wants it; 0 = that is not known. */
  publishNamed(subject: SubjectKey, parcel: Parcel, target: number): void {
    const { length } = subject
    const targets = target === 0 ? 0 : 1 + varintSize(target)
    let at = this.reserve(2 + targets + varintSize(length) + length + parcel.size)
    const { buffer } = this
    buffer[at++] = PUBLISH_MORE | (parcel.codec << 4)
    if (target === 0) buffer[at++] = INLINE_SUBJECT
    else {
      buffer[at++] = FOR_ONE
      buffer[at++] = 1
      at = writeVarint(target, buffer, at)
    }
    at = subject.copyTo(buffer, writeVarint(length, buffer, at))
    parcel.copyTo(buffer, at)
    this.messages++
  }

  /** Room for a record of `body` bytes, its length written already. Returns where in `buffer` the body belongs. */
  reserve(body: number): number {
    const prefix = body < 128 ? 1 : varintSize(body)
    let at = this.end
    // One more for the first byte of a batch.
    if (at + body + prefix + 1 > this.limit) {
      this.turnOver(body + prefix + 1)
      at = this.end
    }
    const { buffer } = this
    const before = at
    if (at === this.start) buffer[at++] = NUMBERED
    if (prefix === 1) buffer[at++] = body
    else at = writeVarint(body, buffer, at)
    this.end = at + body
    this.bytes += this.end - before
    if (!this.isDirty) this.schedule()
    return at
  }

  /** The record of `bytes` just written takes no room that others have to ask for. */
  isControl(bytes: number): void {
    this.control += bytes
    this.openControl += bytes
  }

  /** The payload of the record just written travels behind it, by reference. Nobody may change it afterwards. */
  attach(payload: Buffer): void {
    this.bytes += payload.length
    this.seal(payload)
    this.pump()
  }

  flush(): void {
    this.isDirty = false
    this.seal(null)
    this.busy = false
    this.urgent = 0
    this.pump()
    // The tick is over: what the connection would wait for has come.
    this.connection?.flush?.()
    if (this.control > this.mostControl) this.overflowing()
  }

  /** The record just written is waited for: after a few of these the peer gets to work while we go on. */
  hurry(): void {
    if (++this.urgent < HURRY) return
    this.urgent = 0
    this.seal(null)
    this.pump()
    this.connection?.flush?.()
  }

  /** The connection takes more. */
  drained(): void {
    this.flowing = true
    this.pump()
  }

  /** The peer has `count` batches of this stream. Throws when it claims what was never sent. */
  acknowledge(count: number): void {
    if (count > this.sealed - this.unsent) {
      throw new HeddleError("EPROTO", `The peer acknowledges ${count} batches of ${this.sealed - this.unsent} sent`)
    }
    const { reusable } = this
    while (this.acknowledged < count) {
      const batch = this.retained.shift() as Batch
      this.acknowledged++
      this.acknowledgedPosition = batch.position
      this.bytes -= batch.size
      this.control -= batch.control
      releaseChunk(batch.chunk, reusable)
    }
    if (this.copies.length > 0) this.forgetCopies()
    if (this.retained.length === 0 && this.start === this.end) this.letGo(reusable)
    if (this.starved && this.bytes <= this.window >> 1) {
      this.starved = false
      this.roomAgain()
    }
  }

  /** Is `received` a place from which everything is still here? */
  canResumeFrom(received: number): boolean {
    return received >= this.acknowledged && received <= this.sealed
  }

  /** Goes on over a new connection: the peer has `received` batches. */
  resume(connection: Connection, received: number): void {
    // Before the chunks come into use again: the old connection may not be quite done with them.
    for (let i = 0; i < this.retained.length; i++) this.retained.at(i).chunk.uses += FOR_EVER
    if (this.chunk !== null) this.chunk.uses += FOR_EVER
    this.connection = connection
    this.unsent = Math.min(this.unsent, this.sealed - received)
    this.acknowledge(received)
    this.unsent = this.retained.length
    this.flowing = true
    this.pump()
  }

  suspend(): void {
    this.connection = null
    this.flowing = false
  }

  /** Forgets what is kept, and goes on counting from `batches`; messages are counted on. */
  restart(batches: number): void {
    this.retained.clear()
    this.letGo(false)
    this.sealed = batches
    this.acknowledged = batches
    this.bytes = 0
    this.control = 0
    this.openControl = 0
    this.unsent = 0
    this.busy = false
  }

  /** What was acknowledged has been copied to a stream: nobody else holds its memory. */
  private get reusable(): boolean {
    return this.connection !== null && this.connection.wire !== null
  }

  private turnOver(need: number): void {
    const had = this.chunk !== null
    this.seal(null)
    this.pump()
    this.letGo(this.reusable)
    if (had) this.busy = true
    const chunk = takeChunk(this.busy || need > SMALL_CHUNK ? Math.max(need, CHUNK) : SMALL_CHUNK)
    this.chunk = chunk
    this.buffer = chunk.bytes
    this.limit = chunk.bytes.length
  }

  private seal(payload: Buffer | null): void {
    const { chunk, start, end } = this
    if (chunk === null || end === start) return
    chunk.uses++
    const size = end - start + (payload === null ? 0 : payload.length)
    this.retained.push({
      bytes: chunk.bytes.subarray(start, end),
      chunk,
      payload,
      size,
      control: this.openControl,
      position: this.position,
    })
    this.openControl = 0
    this.sealed++
    this.unsent++
    this.start = end
    if (this.limit - end < SCRAPS) this.letGo(false)
  }

  private forgetCopies(): void {
    while (this.copies.length > 0 && this.copies.at(0).at <= this.acknowledgedPosition) this.copies.shift()
  }

  /** The writer is done with its chunk. */
  private letGo(reusable: boolean): void {
    const { chunk } = this
    if (chunk === null) return
    this.chunk = null
    this.buffer = NOTHING
    this.start = 0
    this.end = 0
    this.limit = 0
    releaseChunk(chunk, reusable)
  }

  private pump(): void {
    const { connection, retained } = this
    if (connection === null) return
    while (this.flowing && this.unsent > 0) {
      const { bytes, payload } = retained.at(retained.length - this.unsent)
      this.unsent--
      this.flowing = connection.send(payload === null ? [bytes] : [bytes, payload])
    }
  }

  private schedule(): void {
    this.isDirty = true
    dirty.push(this)
    if (scheduled) return
    scheduled = true
    process.nextTick(flushAll)
  }
}

const NOTHING = Buffer.alloc(0)
