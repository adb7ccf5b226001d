import { copyInto } from "../../core/bytes.ts"
import type { Message } from "../../core/contract.ts"
import type { ByteStream } from "../stream/byte-stream.ts"
import { BIG, borrow, giveBack, SMALL } from "./chunk-pool.ts"
import { headerSize, MORE, writeHeader } from "./frame.ts"

/** A frame larger than this is handed to the operating system where it lies; smaller ones are cheaper to copy. */
const COPY_LIMIT = 8 * 1024
/** Bytes taken by reference before a flush is due, however early in the turn. */
const PILE_LIMIT = 512 * 1024

/** Connections with something to flush in this turn, and the one tick that serves them all. */
let dirty: Writer[] = []
let scheduled = false

function flushAll(): void {
  scheduled = false
  const writers = dirty
  dirty = []
  for (let i = 0; i < writers.length; i++) {
    writers[i].dirty = false
    writers[i].flush()
  }
}

/**
 * Messages to bytes, in batches: everything of one turn goes out by one write, when the microtasks have run out; at
 * once when a chunk is full.
 */
export class Writer {
  dirty = false
  /** False = the operating system took everything so far. */
  stalled = false
  private stream: ByteStream
  private chunk: Buffer | null = null
  private start = 0
  private end = 0
  /** What goes before the open part of the chunk: sealed parts of chunks, and payloads by reference. */
  private pieces: Buffer[] = []
  private piecesBytes = 0
  /** Full chunks whose pieces wait for the next flush. */
  private held: Buffer[] = []
  /** Chunks that the operating system may still be reading. */
  private lent: Buffer[] = []
  /** Bytes of the last flush: who sent much will send much. */
  private lastFlush = 0

  constructor(stream: ByteStream) {
    this.stream = stream
  }

  /** Bytes taken that are not with the stream yet. */
  get pending(): number {
    return this.piecesBytes + this.end - this.start
  }

  message(message: Message): void {
    const last = message.length - 1
    for (let i = 0; i <= last; i++) this.frame(message[i], i < last ? MORE : 0)
  }

  /** Whole frames that are encoded already; the bytes may be shared with other connections. */
  encoded(bytes: Buffer): void {
    if (bytes.length > COPY_LIMIT) this.reference(bytes)
    else {
      const at = this.reserve(bytes.length)
      copyInto(this.chunk as Buffer, bytes, at)
      this.end = at + bytes.length
    }
    if (this.dirty === false) this.schedule()
  }

  flush(): void {
    if (this.stalled) return
    const { chunk, pieces, stream } = this
    if (this.pending === 0) return
    let done: boolean
    if (pieces.length === 0) {
      const open = chunk as Buffer
      this.lastFlush = this.end - this.start
      done = stream.write(this.start === 0 && this.end === open.length ? open : open.subarray(this.start, this.end))
    } else {
      if (chunk !== null && this.end > this.start) pieces.push(chunk.subarray(this.start, this.end))
      this.lastFlush = this.piecesBytes
      this.pieces = []
      this.piecesBytes = 0
      done = stream.writeAll(pieces)
    }
    this.chunk = null
    this.start = 0
    this.end = 0
    if (chunk !== null) this.lent.push(chunk)
    if (this.held.length > 0) {
      this.lent.push(...this.held)
      this.held = []
    }
    if (done) this.reclaim()
    else this.stalled = true
  }

  /** What the old stream has not been given yet goes through the new one; `last` ends the old one. Stalled = `drained` is due. */
  moveTo(stream: ByteStream, last: Buffer): void {
    this.flush()
    this.stream.write(last)
    // The old one may go on reading them.
    this.lent = []
    this.stream = stream
  }

  /** The stream has handed everything over. */
  drained(): void {
    this.stalled = false
    this.reclaim()
    this.flush()
  }

  /** The stream is gone: forgets what is pending. */
  discard(): void {
    this.chunk = null
    this.start = 0
    this.end = 0
    this.pieces = []
    this.piecesBytes = 0
    this.held = []
    this.lent = []
  }

  /** One frame of a message; all but the last have the flag MORE. */
  frame(frame: Buffer, flags: number): void {
    const size = frame.length
    if (size > COPY_LIMIT) {
      const room = this.reserve(9)
      this.end = writeHeader(this.chunk as Buffer, room, flags, size)
      this.reference(frame)
    } else {
      const room = this.reserve(headerSize(size) + size)
      const at = writeHeader(this.chunk as Buffer, room, flags, size)
      copyInto(this.chunk as Buffer, frame, at)
      this.end = at + size
    }
    if (this.dirty === false) this.schedule()
  }

  /** Makes sure that so many bytes fit into the chunk; returns where. */
  private reserve(size: number): number {
    const { chunk, end } = this
    if (chunk !== null && end + size <= chunk.length) return end
    return this.turnOver(size)
  }

  private turnOver(size: number): number {
    const { chunk } = this
    if (chunk !== null && chunk.length === SMALL && this.start === 0) {
      // It outgrew the small chunk.
      const bigger = borrow(BIG)
      chunk.copy(bigger, 0, 0, this.end)
      giveBack(chunk)
      this.chunk = bigger
      return this.end
    }
    if (chunk !== null) {
      if (this.stalled) {
        this.seal()
        this.held.push(chunk)
      } else this.flush()
    }
    this.chunk = borrow(this.lastFlush > SMALL / 2 || size > SMALL || chunk !== null ? BIG : SMALL)
    this.start = 0
    this.end = 0
    return 0
  }

  /** The open part of the chunk becomes a piece. */
  private seal(): void {
    const { chunk } = this
    if (chunk === null) return
    if (this.end > this.start) {
      this.pieces.push(chunk.subarray(this.start, this.end))
      this.piecesBytes += this.end - this.start
      this.start = this.end
    }
  }

  private reference(bytes: Buffer): void {
    this.seal()
    this.pieces.push(bytes)
    this.piecesBytes += bytes.length
    if (this.piecesBytes >= PILE_LIMIT && !this.stalled) this.flush()
  }

  private reclaim(): void {
    for (const chunk of this.lent) giveBack(chunk)
    this.lent.length = 0
  }

  private schedule(): void {
    this.dirty = true
    dirty.push(this)
    if (scheduled) return
    scheduled = true
    process.nextTick(flushAll)
  }
}
