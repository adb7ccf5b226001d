import type { Buffer } from "node:buffer"
import fs, { type FileHandle } from "node:fs/promises"
import type { HeddleError } from "../../core/errors.ts"
import type { Chunk } from "./chunk.ts"
import { damaged } from "./damage.ts"
import type { Gate } from "./gate.ts"
import { fault, readBlock } from "./record-blocks.ts"
import { PREFIX_SIZE, RecordDecoder, readU32, type SpoolRecord } from "./record-format.ts"
import { RecordRun } from "./record-run.ts"
import { SEGMENT_HEADER_SIZE, type Segment } from "./segment.ts"
import type { Tail } from "./tail.ts"

/** Records in order, without holes but for `missed`. Their bytes are views, good for as long as they are held. */
export interface SpoolBatch {
  readonly records: SpoolRecord[]
  /** The same as bytes, where they came from memory: for who has no need of all at once, and does not look at `records`. */
  readonly run: RecordRun | null
  /** How many before the first of these were freed before this reader came to them. */
  readonly missed: number
}

/** What a reader needs of its spool. */
export interface ReaderSource {
  readonly first: number
  readonly durable: number
  /** Everything below may be read: what is durable, and for `ahead` what is in memory and may be given out before. */
  readable(ahead: boolean): number
  readonly tail: Tail
  readonly gate: Gate
  readonly failure: HeddleError | null
  readonly closed: boolean
  segmentWith(sequence: number): Segment | undefined
  /** Calls `wake` once, when there may be more to read or the spool ends. */
  whenMore(wake: () => void): void
  forget(wake: () => void): void
}

export interface ReaderOptions {
  /** Sequence to begin with; default: the first that is there. */
  from?: number
  /** Records in a batch at most. Default 4096: a few milliseconds of work for whoever gets it. */
  maxRecords?: number
  /**
   * Gives out records with an origin as soon as they were appended, before they are durable: a crash may take them from the spool. Others wait,
   * and all behind them: they have no name but their sequence, which a crash would give to another record. Default false.
   */
  ahead?: boolean
}

/** Reads what is durable (see `ahead`), from memory where it keeps up and from the disk where it does not. It does not keep records from being freed. */
export class SpoolReader implements AsyncIterable<SpoolBatch> {
  private readonly source: ReaderSource
  private readonly maxRecords: number
  private readonly ahead: boolean
  private readonly decoder = new RecordDecoder()
  private cursor: number
  private missed = 0
  private closed = false
  private wake: (() => void) | null = null
  /** Where `cursor` is in memory. */
  private chunk: Chunk | null = null
  /** The file that was read last, and where in it which record is. */
  private file: FileHandle | null = null
  private segment: Segment | null = null
  private offset = 0
  private offsetSequence = 0
  private reading: Promise<SpoolBatch | null> | null = null

  constructor(source: ReaderSource, options: ReaderOptions = {}) {
    this.source = source
    this.cursor = Math.max(options.from ?? source.first, 0)
    this.maxRecords = options.maxRecords ?? 4096
    this.ahead = options.ahead ?? false
  }

  /** Sequence of the next record. */
  get position(): number {
    return this.cursor
  }

  /**
   * The next records, at least one; waits until there are some. Null when the reader or the spool is closed. One call at a time. Rejects with
   * ERR_SPOOL for damage on the disk and, when all is read, for the failure of the spool; with the signal's reason when aborted.
   */
  async next(signal?: AbortSignal): Promise<SpoolBatch | null> {
    for (;;) {
      signal?.throwIfAborted()
      if (this.closed || this.source.closed) {
        await this.close()
        return null
      }
      const batch = this.read()
      if (batch !== null) return batch
      if (this.cursor < this.source.durable) {
        this.reading = this.fromDisk()
        const read = await this.reading.finally(() => {
          this.reading = null
        })
        if (read !== null) return read
      } else {
        if (this.source.failure !== null) throw this.source.failure
        await this.more(signal)
      }
    }
  }

  /** What is in memory, at once; null when there is nothing or it has to be read from the disk. */
  read(): SpoolBatch | null {
    this.skipFreed()
    const end = this.source.readable(this.ahead)
    if (this.closed || this.cursor >= end) return null
    const chunk = this.find()
    if (chunk === null) return null
    const first = this.cursor
    const until = Math.min(end, chunk.end, first + this.maxRecords)
    this.cursor = until
    return new RunBatch(new RecordRun(chunk, first, until - first, this.decoder), this.takeMissed())
  }

  async close(): Promise<void> {
    this.closed = true
    this.wake?.()
    await this.reading?.catch(() => {})
    this.chunk = null
    await this.closeFile()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<SpoolBatch> {
    try {
      for (;;) {
        const batch = await this.next()
        if (batch === null) return
        yield batch
      }
    } finally {
      await this.close()
    }
  }

  private takeMissed(): number {
    const { missed } = this
    this.missed = 0
    return missed
  }

  private skipFreed(): void {
    const { first } = this.source
    if (this.cursor >= first) return
    this.missed += first - this.cursor
    this.cursor = first
  }

  /** The chunk with the record at `cursor`. */
  private find(): Chunk | null {
    let { chunk } = this
    if (chunk !== null && !chunk.evicted) {
      if (chunk.end > this.cursor && chunk.first <= this.cursor) return chunk
      if (chunk.next?.first === this.cursor) {
        this.chunk = chunk.next
        return chunk.next
      }
    }
    chunk = this.source.tail.find(this.cursor)
    this.chunk = chunk
    if (chunk !== null) void this.closeFile()
    return chunk
  }

  /** Null: look again. */
  private async fromDisk(): Promise<SpoolBatch | null> {
    this.chunk = null
    const segment = this.source.segmentWith(this.cursor)
    if (segment === undefined) return null // Freed: `skipFreed` goes on behind it.
    const file = await this.open(segment)
    if (file === null) return null
    const { durable } = this.source
    const block = await this.source.gate.run(() => readBlock(file, this.offset, segment.bytes))
    return this.take(block, segment, durable)
  }

  private take(block: Buffer, segment: Segment, durable: number): SpoolBatch | null {
    const records: SpoolRecord[] = []
    let at = 0
    while (this.offsetSequence < durable && this.offsetSequence < segment.end && records.length < this.maxRecords) {
      const why = fault(block, at, block.length, this.offsetSequence)
      if (why !== null) {
        if (at > 0) break // It may go on in the next block.
        throw damaged(segment.file, this.offset, why)
      }
      if (this.offsetSequence >= this.cursor) {
        records.push(this.decode(block, at, segment))
        this.cursor++
      }
      at += PREFIX_SIZE + readU32(block, at)
      this.offsetSequence++
    }
    this.offset += at
    return records.length === 0 ? null : { records, run: null, missed: this.takeMissed() }
  }

  private decode(block: Buffer, at: number, segment: Segment): SpoolRecord {
    try {
      return this.decoder.decode(block, at)
    } catch (error) {
      throw damaged(
        segment.file,
        this.offset + at,
        "a record has another format; was it written by another version?",
        error,
      )
    }
  }

  private async open(segment: Segment): Promise<FileHandle | null> {
    if (this.file !== null && this.segment === segment && this.offsetSequence <= this.cursor) return this.file
    await this.closeFile()
    try {
      this.file = await fs.open(segment.file, "r")
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT" && this.cursor < this.source.first) return null
      throw damaged(segment.file, 0, `it cannot be opened: ${(error as Error).message}`, error)
    }
    this.segment = segment
    const place = segment.index.bySequence(this.cursor)
    this.offset = place?.offset ?? SEGMENT_HEADER_SIZE
    this.offsetSequence = place?.sequence ?? segment.first
    return this.file
  }

  private async closeFile(): Promise<void> {
    const { file } = this
    this.file = null
    this.segment = null
    await file?.close()
  }

  private async more(signal?: AbortSignal): Promise<void> {
    await new Promise<void>(resolve => {
      const wake = (): void => {
        this.wake = null
        this.source.forget(wake)
        signal?.removeEventListener("abort", wake)
        resolve()
      }
      this.wake = wake
      this.source.whenMore(wake)
      signal?.addEventListener("abort", wake)
    })
  }
}

class RunBatch implements SpoolBatch {
  readonly run: RecordRun
  readonly missed: number
  private decoded: SpoolRecord[] | null = null

  constructor(run: RecordRun, missed: number) {
    this.run = run
    this.missed = missed
  }

  get records(): SpoolRecord[] {
    this.decoded ??= [...this.run]
    return this.decoded
  }
}
