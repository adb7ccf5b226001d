import { Buffer } from "node:buffer"
import type { Loan, Message } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"
import { turnIsSpent } from "../../core/turn.ts"
import { View } from "../../core/view.ts"
import { COMMAND, LONG, MORE } from "./frame.ts"

/** What the decoder finds. */
export interface DecoderSink {
  /** Who takes messages without views of them at the moment; null = nobody. Absent: never. */
  readonly borrower?: Borrower | null
  message(message: Message): void
  command(body: Buffer): void
}

/** See `ConnectionSink.lend`. */
export interface Borrower {
  lend(loan: Loan): boolean
}

/**
 * Memory that received bytes are copied to and that frames are views of: shared by all connections of the thread, so
 * that small reads do not cost an allocation each. 256 KiB: a kept frame pins no more than that.
 */
const SLAB = 256 * 1024
let slab = Buffer.allocUnsafeSlow(SLAB)
let slabMemory = slab.buffer
let slabUsed = 0

/** A frame larger than this is gathered in memory of its own, read by the operating system without a copy of ours. */
const LARGE = 32 * 1024
/** Memory for a large frame grows with what arrived; only lengths that the peer has kept before are believed. */
const FIRST_PIECE = 256 * 1024
/** Frames of one message. A peer could otherwise send empty frames for ever. */
const MAX_FRAMES = 64 * 1024
/** A command after the handshake: the longest is a subscription to a topic of 64 KiB. */
const MAX_COMMAND = 128 * 1024

/** Frames of a message that is lent; one of more is made a message of. Real ones have two or three. */
const MAX_LENT = 64

/** Why the rest of a read is not lent: it is a beginning; the turn is over; it must be looked at by `go`. */
const CUT = 0
const SPENT = 1
const OTHER = 2

/** What all connections of the thread lend from: one read, behind the beginning of a frame or message that was kept. */
class Lending implements Loan {
  readonly bytes = Buffer.allocUnsafeSlow(128 * 1024 + LARGE)
  readonly bounds = new Int32Array(2 * MAX_LENT)
  count = 0
  /** Somebody reads in it: nothing else may be put there. */
  busy = false
  /** Why not everything was lent. */
  left: typeof CUT | typeof SPENT | typeof OTHER = CUT
}
let lending: Lending | null = null

const EMPTY = Buffer.alloc(0)
/** Bytes to messages. Bytes may come in any pieces; a message comes out whole or not at all. */
export class Decoder {
  /** Set by the owner, also from within `message`: nothing more is delivered until it calls `go` again. */
  paused = false
  private readonly sink: DecoderSink
  private readonly limit: number
  /** Bytes that are not decoded yet: the beginning of a frame, or anything after a pause. */
  private bytes = EMPTY
  /** That of `bytes`, a slab: to ask for it costs nearly as much as to make a view. */
  private memory: ArrayBufferLike = slabMemory
  private at = 0
  private end = 0
  /** Frames of the message that is arriving, and their bytes. */
  private parts: Buffer[] | null = null
  private partBytes = 0
  /** How many of them have memory of their own. */
  private settled = 0
  /** The body of a large frame, as far as it arrived. */
  private large: Buffer | null = null
  private largeFilled = 0
  private largeSize = 0
  private largeFlags = 0
  private proven = FIRST_PIECE

  /** `maxMessageSize` in bytes, -1 = unlimited. */
  constructor(sink: DecoderSink, maxMessageSize: number) {
    this.sink = sink
    this.limit = maxMessageSize < 0 ? Number.MAX_SAFE_INTEGER : maxMessageSize
  }

  /** Where the rest of a large frame belongs; null = anywhere. */
  target(): Buffer | null {
    if (this.large === null || this.paused) return null
    if (this.largeFilled === this.large.length) this.growLarge()
    return this.large.subarray(this.largeFilled)
  }

  /**
   * Takes new bytes and delivers what is whole. `chunk` may be reused after the call. False = a budget or a pause ended
   * it early: call `go` when delivery may continue. Throws a HeddleError when the peer broke the rules.
   */
  push(chunk: Buffer, count: number): boolean {
    if (this.large !== null && this.at === this.end && !this.paused) {
      if (chunk.buffer === this.large.buffer) return this.filledLarge(count)
      const taken = this.copyToLarge(chunk, 0, count)
      if (taken === count) return true
      this.keep(chunk, taken, count)
      return this.go()
    }
    const { borrower } = this.sink
    if (borrower && this.parts === null && this.large === null && !this.paused)
      return this.pushLent(chunk, count, borrower)
    this.keep(chunk, 0, count)
    return this.go()
  }

  /**
   * `push` without slabs and views: bytes are copied to memory that is used again, and whole messages are lent from there.
   * The copy stays even so: what lies behind `chunk` may be memory in which the peer still writes (transports/shm), and what
   * was checked must be what is read.
   */
  private pushLent(chunk: Buffer, count: number, borrower: Borrower): boolean {
    lending ??= new Lending()
    const loan = lending
    const kept = this.end - this.at
    const end = kept + count
    if (loan.busy || end > loan.bytes.length) {
      this.keep(chunk, 0, count)
      return this.go()
    }
    if (kept > 0) this.bytes.copy(loan.bytes, 0, this.at, this.end)
    chunk.copy(loan.bytes, kept, 0, count)
    this.at = this.end = 0
    loan.busy = true
    let rest: number
    try {
      rest = this.lend(loan, end, borrower)
    } finally {
      loan.busy = false
    }
    if (rest < end) this.keep(loan.bytes, rest, end)
    else {
      // As in `go`.
      this.bytes = EMPTY
      this.memory = EMPTY.buffer
    }
    if (rest === end || loan.left === CUT) return !this.paused
    return loan.left === OTHER && this.go()
  }

  /** Lends what is whole; returns where the rest begins. */
  private lend(loan: Lending, end: number, borrower: Borrower): number {
    const { bytes, bounds } = loan
    let at = 0
    loan.left = CUT
    while (end - at >= 2) {
      let next: number
      if (bytes[at] === 0 && at + 2 + bytes[at + 1] <= end && bytes[at + 1] <= this.limit) {
        // By far the most frequent: one short frame.
        next = at + 2 + bytes[at + 1]
        bounds[0] = at + 2
        bounds[1] = next
        loan.count = 1
      } else {
        next = this.measure(loan, at, end)
        if (next < 0) break
      }
      if (!borrower.lend(loan)) {
        loan.left = OTHER
        break
      }
      at = next
      if (this.paused) break
      if (turnIsSpent()) {
        loan.left = SPENT
        break
      }
    }
    return at
  }

  /** Finds the frames of the message at `from`; returns its end. -1 = it is not lent, because of what `loan.left` says. */
  private measure(loan: Lending, from: number, end: number): number {
    const { bytes, bounds } = loan
    let left = this.limit
    let at = from
    let count = 0
    loan.left = OTHER
    while (count < MAX_LENT && end - at >= 2) {
      const flags = bytes[at]
      let size = bytes[at + 1]
      let body = at + 2
      if ((flags & LONG) !== 0) {
        if (end - at < 9) break
        size = bytes.readUInt32BE(at + 1) * 2 ** 32 + bytes.readUInt32BE(at + 5)
        body = at + 9
      }
      if ((flags & COMMAND) !== 0 || size > left) return -1
      if (size > end - body) {
        if (size > LARGE) return -1
        break
      }
      left -= size
      at = body + size
      bounds[2 * count] = body
      bounds[2 * count + 1] = at
      count++
      if ((flags & MORE) === 0) {
        loan.count = count
        return at
      }
    }
    // A beginning is kept as it is and measured again when more has come, unless it is large.
    if (count < MAX_LENT && end - from <= LARGE) loan.left = CUT
    return -1
  }

  /** From within `command`: what came behind that is none of ours. */
  drop(): void {
    this.at = this.end
  }

  /** Decodes what is kept. False as for `push`. */
  go(): boolean {
    const { sink } = this
    let spent = false
    while (!this.paused) {
      if (this.large !== null) {
        this.at += this.copyToLarge(this.bytes, this.at, this.end)
        if (this.large !== null) break
        continue
      }
      const { bytes, at, end } = this
      if (end - at < 2) break
      const flags = bytes[at]
      let size = bytes[at + 1]
      let body = at + 2
      if ((flags & LONG) !== 0) {
        if (end - at < 9) break
        size = bytes.readUInt32BE(at + 1) * 2 ** 32 + bytes.readUInt32BE(at + 5)
        body = at + 9
      }
      if ((flags & COMMAND) !== 0) {
        if (size > MAX_COMMAND) this.tooLarge(size, MAX_COMMAND)
      } else if (size > this.limit - this.partBytes) this.tooLarge(size, this.limit)
      const next = body + size
      if (next > end) {
        if (size > LARGE) {
          this.at = body
          this.beginLarge(flags, size)
          continue
        }
        break
      }
      this.at = next
      const frame = size === 0 ? EMPTY : new View(this.memory, body, size)
      if ((flags & (MORE | COMMAND)) === 0 && this.parts === null) sink.message([frame])
      else this.frame(flags, frame)
      if (turnIsSpent()) {
        spent = this.at < this.end
        break
      }
    }
    if (this.at === this.end) {
      // Nothing is kept: an idle connection must not pin a slab.
      this.bytes = EMPTY
      this.memory = EMPTY.buffer
      this.at = 0
      this.end = 0
    }
    return !this.paused && !spent
  }

  private frame(flags: number, frame: Buffer): void {
    if ((flags & COMMAND) !== 0) {
      this.sink.command(frame)
      return
    }
    if (this.parts === null) this.parts = []
    const { parts } = this
    parts.push(frame)
    this.partBytes += frame.length
    if ((flags & MORE) === 0) {
      this.parts = null
      this.partBytes = 0
      this.settled = 0
      this.sink.message(parts)
    } else if (parts.length >= MAX_FRAMES) {
      throw new HeddleError("EMSGSIZE", `The peer sent a message of more than ${MAX_FRAMES} frames`, { fatal: true })
    }
  }

  /** Copies new bytes behind those kept, in one piece of a slab. */
  private keep(chunk: Buffer, from: number, to: number): void {
    const kept = this.end - this.at
    const needed = kept + to - from
    if (slabUsed + needed > slab.length) {
      slab = Buffer.allocUnsafeSlow(Math.max(SLAB, needed))
      slabMemory = slab.buffer
      slabUsed = 0
    }
    if (this.parts !== null) this.settle(this.parts)
    const start = slabUsed
    if (kept > 0) this.bytes.copy(slab, start, this.at, this.end)
    chunk.copy(slab, start + kept, from, to)
    slabUsed += needed
    this.bytes = slab
    this.memory = slabMemory
    this.at = start
    this.end = start + needed
  }

  /**
   * Frames of a message that is not whole leave the slabs that are full: one byte in each of its frames could otherwise
   * keep thousands of slabs alive.
   */
  private settle(parts: Buffer[]): void {
    const from = this.settled
    let to = from
    let size = 0
    for (; to < parts.length && parts[to].buffer !== slab.buffer; to++)
      if (parts[to].length <= LARGE) size += parts[to].length
    if (to === from) return
    this.settled = to
    const memory = Buffer.allocUnsafeSlow(size)
    for (let i = from, at = 0; i < to; i++) {
      const { length } = parts[i]
      if (length === 0 || length > LARGE) continue
      parts[i].copy(memory, at)
      parts[i] = memory.subarray(at, at + length)
      at += length
    }
  }

  private beginLarge(flags: number, size: number): void {
    this.large = Buffer.allocUnsafeSlow(Math.min(size, Math.max(this.proven, FIRST_PIECE)))
    this.largeFilled = 0
    this.largeSize = size
    this.largeFlags = flags
  }

  /** How many bytes it took. */
  private copyToLarge(chunk: Buffer, from: number, to: number): number {
    const before = this.largeFilled
    const wanted = Math.min(to - from, this.largeSize - before)
    while ((this.large as Buffer).length < before + wanted) this.growLarge()
    chunk.copy(this.large as Buffer, before, from, from + wanted)
    this.filledLarge(wanted)
    return wanted
  }

  private filledLarge(count: number): boolean {
    this.largeFilled += count
    if (this.largeFilled < this.largeSize) return true
    const frame = this.large as Buffer
    this.large = null
    if (this.largeSize > this.proven) this.proven = this.largeSize
    this.frame(this.largeFlags, frame)
    return !this.paused
  }

  private growLarge(): void {
    const old = this.large as Buffer
    const bigger = Buffer.allocUnsafeSlow(Math.min(this.largeSize, old.length * 2))
    old.copy(bigger, 0, 0, this.largeFilled)
    this.large = bigger
  }

  private tooLarge(size: number, limit: number): never {
    const text = limit === Number.MAX_SAFE_INTEGER ? "what fits a number" : `the ${limit} bytes that are allowed`
    throw new HeddleError(
      "EMSGSIZE",
      `The peer announced a frame of ${size} bytes, with which it exceeds ${text}; see the option maxMessageSize`,
      { fatal: true },
    )
  }
}
