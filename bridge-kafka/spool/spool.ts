/** The log on disk between the fabric and Kafka (SPEC: Spool). */
import fs from "node:fs/promises"
import path from "node:path"
import { HeddleError } from "../../core/errors.ts"
import type { BridgeRecord } from "../record.ts"
import type { Span } from "../span.ts"
import { CHUNK_SIZE, Chunk } from "./chunk.ts"
import { DurableWaiters } from "./durable-waiters.ts"
import { findByTime } from "./find-by-time.ts"
import { FolderLock } from "./folder-lock.ts"
import { Gate } from "./gate.ts"
import { GroupWriter } from "./group-writer.ts"
import { MarkFile } from "./mark.ts"
import { checkSize, resolveOptions, type SpoolOptions, type SpoolSettings } from "./options.ts"
import type { PlainForm } from "./plain-form.ts"
import { ReadAhead } from "./read-ahead.ts"
import { type ReaderOptions, type ReaderSource, SpoolReader } from "./reader.ts"
import { encodePlain, encodeRecord, type Origin, plainSize, roomFor } from "./record-format.ts"
import { type Recovered, recover, type TornTail } from "./recovery.ts"
import { SEGMENT_HEADER_SIZE, Segment, writeSegmentHeader } from "./segment.ts"
import { SegmentList } from "./segment-list.ts"
import type { Drops, SpoolStats } from "./stats.ts"
import { Tail } from "./tail.ts"
import { tell } from "./tell.ts"

/** Reads at a time of all readers: two of Node's four threads for files are left to the writer and to others. */
const READS = 2

/** Milliseconds between looks at the age of segments, at most; a fourth of `retain.age` when that is less. */
const AGE_CHECK = 60_000

/**
 * Numbers records from 0 on, without holes, and keeps them until they are released. All positions are exclusive ends: `durable` 5 means that
 * records 0 to 4 are durable.
 */
export class Spool implements ReaderSource {
  readonly folder: string
  readonly tail: Tail
  readonly gate = new Gate(READS)
  /** What was cut off at the start; null when nothing was. */
  readonly tornTail: TornTail | null
  /** Sequence of the next record. */
  next: number
  durable: number
  /** All below may be freed. */
  released: number
  /** Why it takes no more records; null while it does. */
  failure: HeddleError | null = null
  closed = false
  private chunk: Chunk | null = null
  private diskFull = false
  private turnWanted = false
  private readonly ahead: ReadAhead
  private readonly drops: Drops = { full: 0, diskFull: 0, buffer: 0, closed: 0, oldest: 0 }
  private readonly list: SegmentList
  private readonly writer: GroupWriter
  private readonly waiters = new DurableWaiters()
  private readonly readersWaiting = new Set<() => void>()
  private readonly ageTimer: NodeJS.Timeout | null = null
  private closing: Promise<void> | null = null
  private readonly settings: SpoolSettings
  private readonly options: SpoolOptions
  private readonly mark: MarkFile
  private readonly lock: FolderLock

  private constructor(
    options: SpoolOptions,
    settings: SpoolSettings,
    lock: FolderLock,
    mark: MarkFile,
    recovered: Recovered,
  ) {
    const { segments, file, cut } = recovered
    this.options = options
    this.settings = settings
    this.folder = settings.folder
    this.lock = lock
    this.mark = mark
    this.tornTail = cut
    this.tail = new Tail(settings.tailBytes)
    this.list = new SegmentList(segments, mark, () => this.writer.makeRoom())
    this.next = this.list.active.end
    this.durable = this.next
    this.ahead = new ReadAhead(this.next)
    this.released = Math.min(mark.released, this.next)
    this.writer = new GroupWriter(this.folder, this.list.active, file, settings.fsync, settings.disk, {
      durable: end => this.reachedDisk(end),
      full: full => this.diskIsFull(full),
      failed: error => this.fail(error),
    })
    const age = settings.retain?.age ?? Number.POSITIVE_INFINITY
    if (age < Number.POSITIVE_INFINITY)
      this.ageTimer = setInterval(() => this.checkAge(age), Math.min(age / 4, AGE_CHECK)).unref()
  }

  /**
   * Opens a folder, or makes it. Throws ERR_SPOOL when another process has it open or when what is in it is damaged, EINVAL for options that
   * cannot be, and errors of the system.
   */
  static async open(options: SpoolOptions): Promise<Spool> {
    const settings = resolveOptions(options)
    await fs.mkdir(settings.folder, { recursive: true, mode: 0o700 })
    const lock = FolderLock.take(settings.folder)
    let mark: MarkFile | null = null
    let recovered: Recovered | null = null
    try {
      mark = await MarkFile.open(path.join(settings.folder, "mark"))
      recovered = await recover(settings.folder, mark)
      const end = (recovered.segments.at(-1) as Segment).end
      if (mark.released > end || (mark.loose && mark.synced !== end)) mark.renewId()
      mark.loose = settings.fsync.mode === "never"
      mark.move(Math.min(mark.released, end), end)
      await mark.save()
      const spool = new Spool(options, settings, lock, mark, recovered)
      spool.free()
      return spool
    } catch (error) {
      await recovered?.file?.close()
      await mark?.close()
      lock.release()
      throw error
    }
  }

  /**
   * Names the numbering: as long as it is the same, a sequence means the same record. It changes only when, with fsync "never", a crash may have
   * taken records that readers had seen.
   */
  get id(): string {
    return this.mark.id
  }

  /** Sequence of the first record that can be read. */
  get first(): number {
    return this.list.oldest.first
  }

  /**
   * Takes a record and returns its sequence; or -1 when there is no room, or the spool failed or is closed: `stats().dropped` counts why. It is not
   * durable yet, see `durable`. What the record has as bytes may be used again at once. Throws EMSGSIZE for one longer than a segment or the buffer, EINVAL for
   * a timestamp that is none.
   */
  append(record: BridgeRecord, shard: number, id = "", origin: Origin | null = null): number {
    const chunk = this.chunkFor(roomFor(record, id, origin))
    if (chunk === null) return -1
    const sequence = this.next
    const { writer } = this
    const end = encodeRecord(chunk.bytes, chunk.used, sequence, record, shard, id, origin, writer.atSyncPoint)
    this.appended(chunk, end, record.timestamp, null)
    if (origin === null) this.ahead.plain(sequence)
    // Its publisher waits for an answer: for the disk only where nobody reads ahead. (Who asks for the disk says `hurry`.)
    else if (!this.ahead.awaited(sequence)) writer.hurry()
    else if (this.readersWaiting.size > 0) this.wakeReaders()
    return sequence
  }

  /** As `append` of a plain message with that form, whose value lies in `source` from `from` up to `to`. */
  appendPlain(form: PlainForm, source: Span, from: number, to: number, timestamp: number): number {
    const chunk = this.chunkFor(plainSize(form, to - from))
    if (chunk === null) return -1
    const sequence = this.next
    const synced = this.writer.atSyncPoint
    const end = encodePlain(chunk, chunk.used, sequence, timestamp, form, source, from, to, synced)
    this.appended(chunk, end, timestamp, form)
    this.ahead.plain(sequence)
    return sequence
  }

  /** Resolves when that record is durable. Rejects with ERR_SPOOL when the spool fails before, with EINVAL when there is no such record. */
  whenDurable(sequence: number): Promise<void> {
    if (sequence < this.durable) return Promise.resolve()
    if (this.failure !== null) return Promise.reject(this.failure)
    if (sequence >= this.next)
      return Promise.reject(new HeddleError("EINVAL", `Spool: record ${sequence} was not appended yet`))
    return this.waiters.wait(sequence)
  }

  /** Does not wait for the interval: somebody waits for what was appended. */
  hurry(): void {
    this.writer.hurry()
  }

  /** Makes everything durable now, without waiting for the interval. */
  flush(): Promise<void> {
    this.writer.hurry()
    return this.next === 0 ? Promise.resolve() : this.whenDurable(this.next - 1)
  }

  /** Reads from a sequence on, or from the first record. Close it when it is not iterated to its end. */
  reader(options?: ReaderOptions): SpoolReader {
    if (options?.ahead === true) this.ahead.wanted = true
    return new SpoolReader(this, options)
  }

  /** The first durable record whose timestamp is `timestamp` (milliseconds since 1970) or later; `durable` when there is none. */
  async find(timestamp: number): Promise<number> {
    const segment = this.list.since(timestamp)
    if (segment === undefined) return this.durable
    const reader = this.reader({ from: segment.index.byTime(timestamp)?.sequence ?? segment.first })
    return findByTime(reader, () => this.durable, timestamp)
  }

  /** Everything below `upTo` may be freed, once it is durable. Throws EINVAL for records that no reader was given. */
  release(upTo: number): void {
    if (upTo <= this.released) return
    if (upTo > Math.max(this.durable, this.ahead.end))
      throw new HeddleError("EINVAL", `Spool: record ${upTo - 1} cannot be released, no reader was given it yet`)
    this.released = upTo
    this.moveMark()
    this.free()
  }

  stats(): SpoolStats {
    const { list, writer, released, next } = this
    const since = released < next ? list.with(Math.max(released, this.first))?.index.timeOf(released) : undefined
    return {
      bytes: list.bytes,
      segments: list.count,
      pending: writer.pending,
      memory: this.tail.bytes,
      first: this.first,
      next,
      durable: this.durable,
      released,
      oldestAge: since === undefined ? 0 : Math.max(0, Date.now() - since),
      diskFull: this.diskFull && this.failure === null,
      fsync: { ...writer.times },
      dropped: { ...this.drops },
    }
  }

  /**
   * Makes everything durable, whatever the policy, and gives the folder free. Readers end. Rejects with ERR_SPOOL when the disk is full or fails.
   */
  close(): Promise<void> {
    this.closing ??= this.end()
    return this.closing
  }

  segmentWith(sequence: number): Segment | undefined {
    return this.list.with(sequence)
  }

  readable(ahead: boolean): number {
    // What a full or failed disk has not taken may be refused in the end: it is not given out any more.
    return ahead && !this.diskFull ? this.ahead.end : this.durable
  }

  whenMore(wake: () => void): void {
    this.readersWaiting.add(wake)
  }

  forget(wake: () => void): void {
    this.readersWaiting.delete(wake)
  }

  private async end(): Promise<void> {
    const failedBefore = this.failure !== null
    this.closed = true
    if (this.ageTimer !== null) clearInterval(this.ageTimer)
    try {
      await this.writer.close()
      this.wakeReaders()
      await this.list.settled()
      this.moveMark()
      await this.mark.save()
    } finally {
      await this.mark.close()
      this.tail.clear()
      this.chunk = null
      this.lock.release()
    }
    if (this.failure !== null && !failedBefore) throw this.failure
  }

  /** Where a record goes that takes `room` bytes at most. Null: it is refused, and counted. */
  private chunkFor(room: number): Chunk | null {
    const { settings, writer, list, chunk } = this
    if (
      this.closed ||
      this.diskFull ||
      writer.pending + room > settings.bufferBytes ||
      list.bytes + room + SEGMENT_HEADER_SIZE > settings.maxBytes
    ) {
      if (!this.makeRoom(room)) return null
    }
    if (
      chunk === null ||
      room > chunk.bytes.length - chunk.used ||
      chunk.segment.bytes + room > settings.segmentBytes ||
      this.turnWanted
    )
      return this.begin(room)
    return chunk
  }

  /** The next record was written into the chunk, up to `end`. */
  private appended(chunk: Chunk, end: number, timestamp: number, form: PlainForm | null): void {
    const { segment, used: start } = chunk
    const { list } = this
    const sequence = this.next
    segment.index.add(sequence, segment.bytes, timestamp, Date.now)
    chunk.add(end, form)
    this.next = sequence + 1
    segment.end = sequence + 1
    segment.bytes += end - start
    list.bytes += end - start
    // The header of a new segment waits with its first record.
    this.writer.note(start === SEGMENT_HEADER_SIZE && chunk.start === start ? end : end - start)
  }

  /** A new chunk for at least `room` bytes, in a new segment where the old one is full. Rare. */
  private begin(room: number): Chunk {
    const { settings, list } = this
    checkSize(room, settings)
    let segment = list.active
    if (segment.end > segment.first && (segment.bytes + room > settings.segmentBytes || this.turnWanted)) {
      segment = new Segment(this.folder, this.next, Date.now())
      list.add(segment)
    }
    this.turnWanted = false
    const start = segment.bytes === 0 ? SEGMENT_HEADER_SIZE : 0
    const chunk = new Chunk(segment, Math.max(CHUNK_SIZE, room + start), start)
    if (start > 0) {
      writeSegmentHeader(segment, chunk.bytes)
      segment.bytes = start
      list.bytes += start
    }
    this.chunk = chunk
    this.tail.add(chunk)
    this.writer.add(chunk)
    return chunk
  }

  /** Something stands against a record of that size. False: it is refused, and counted. */
  private makeRoom(room: number): boolean {
    const { settings, drops, list } = this
    checkSize(room, settings)
    if (this.closed || this.failure !== null) drops.closed++
    else if (this.writer.pending + room > settings.bufferBytes) drops.buffer++
    else if (this.diskFull && settings.full !== "drop-oldest") drops.diskFull++
    else {
      const limit = settings.maxBytes - room - SEGMENT_HEADER_SIZE
      while (list.bytes > limit && this.freeOldest());
      if (list.bytes <= limit) return true
      drops.full++
    }
    return false
  }

  /** What is kept for replay gives way to new records; with "drop-oldest", what is not sent too. */
  private freeOldest(): boolean {
    const { list } = this
    const { oldest } = list
    // The writer is on it, or still before it.
    if (list.count === 1 || oldest.end > this.durable || oldest === this.writer.segment) return false
    if (oldest.end > this.released) {
      if (this.settings.full !== "drop-oldest") return false
      this.drops.oldest += oldest.end - Math.max(this.released, oldest.first)
      this.released = oldest.end
      this.moveMark()
    }
    list.free()
    return true
  }

  /** Frees what is released and not to be kept. */
  private free(): void {
    const { list } = this
    while (list.oldest.end <= this.released && !this.isRetained(list.oldest) && this.freeOldest());
  }

  private isRetained(segment: Segment): boolean {
    const { retain } = this.settings
    if (retain === null) return false
    // All in it was appended before the next one was begun.
    const behind = this.list.second?.created ?? segment.created
    return this.list.bytes <= retain.bytes && Date.now() - behind <= retain.age
  }

  /** A segment that is being filled for long would keep its oldest records: it is ended after a fourth of the age. */
  private checkAge(age: number): void {
    const { active } = this.list
    if (active.end > active.first && Date.now() - active.created > age / 4) this.turnWanted = true
    this.free()
  }

  private moveMark(): void {
    // Before, a crash could give released sequences to other records.
    this.mark.move(Math.min(this.released, this.durable), this.writer.synced)
  }

  private reachedDisk(end: number): void {
    this.durable = end
    this.ahead.reached(end, this.next)
    this.tail.trim(end)
    this.moveMark()
    // With the next segment begun, the one before may be free to go.
    if (this.list.oldest.end <= this.released) this.free()
    this.waiters.reached(end)
    this.wakeReaders()
    tell(this.options.onDurable, end)
  }

  private diskIsFull(full: boolean): void {
    this.diskFull = full
    if (full) this.freeOldest()
  }

  private fail(error: HeddleError): void {
    this.failure = error
    // `append` looks at one field for all that stands against a record.
    this.diskFull = true
    this.waiters.fail(error)
    this.wakeReaders()
    tell(this.options.onFailure, error)
  }

  private wakeReaders(): void {
    for (const wake of [...this.readersWaiting]) wake()
  }
}
