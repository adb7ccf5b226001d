import { Buffer } from "node:buffer"
import { copyInto } from "../../core/bytes.ts"
import type { Message } from "../../core/contract.ts"
import { View, viewOf } from "../../core/view.ts"
import type { GapReason } from "./engine.ts"
import type { MemoryBudget } from "./session-window.ts"
import { FRAME_FLAGS, HEADER, LONG, MORE, u16, u32, u48 } from "./wire.ts"

/** Memory for a frame that is spread over packets grows with what arrived; only lengths that were kept before are believed. */
const FIRST_PIECE = 64 * 1024
/** Frames of one message. A sender could otherwise send empty frames for ever. */
const MAX_FRAMES = 64 * 1024

const EMPTY: Buffer = Buffer.alloc(0)

/** Where messages and gaps go. */
export interface MessageSink {
  message(message: Message): void
  gap(first: number, count: number, reason: GapReason): void
  /** A packet or the rest of one was senseless. */
  malformed(): void
}

/** Packets in order to messages (MC-50 to MC-54): whole ones come out, the others are told as gaps, each exactly once. */
export class MessageReader {
  /** Nothing is delivered while it is set; also from within a delivery. */
  paused = false
  /** Number of the message that is being read, or comes next. */
  number = 0
  private readonly sink: MessageSink
  private readonly limit: number
  private readonly memory: MemoryBudget
  /** The packet that is being read. */
  private bytes: Buffer = EMPTY
  private at = 0
  private end = 0
  /** A message has begun and is not whole: its frames so far, their bytes, and how many are copies already. */
  private begun = false
  private frames: Buffer[] = []
  private total = 0
  private settled = 0
  /** Why the message is read but not kept. */
  private refused: GapReason | null = null
  /** What of it counts against the memory. */
  private counted = 0
  /** The frame that is spread over packets. */
  private body: Buffer | null = null
  private filled = 0
  private size = 0
  private left = 0
  private more = false
  private proven = FIRST_PIECE
  private reason: GapReason = "unrepaired"

  /** `maxMessageSize` in bytes, -1 = as long as a frame can be. */
  constructor(sink: MessageSink, maxMessageSize: number, memory: MemoryBudget) {
    this.sink = sink
    this.limit = maxMessageSize < 0 ? 2 ** 32 - 1 : maxMessageSize
    this.memory = memory
  }

  /** A packet was not read to its end. */
  get busy(): boolean {
    return this.at < this.end
  }

  /** Number of the next message that may begin. */
  get nextNumber(): number {
    return this.begun ? this.number + 1 : this.number
  }

  /** The packet after those before. False = a pause ended it early: call `go` for the rest. */
  read(bytes: Buffer): boolean {
    const first = u16(bytes, 6)
    const number = u48(bytes, 32)
    this.bytes = bytes
    this.at = HEADER
    this.end = bytes.length
    if (this.begun) {
      if (number === this.nextNumber) return this.go()
      this.abandon("malformed")
      this.sink.malformed()
    }
    // What comes before the first beginning is the rest of something that we have not got.
    this.at = first === 0 ? this.end : first
    if (number > this.number) this.tell(number)
    else if (number < this.number) this.senseless()
    return this.go()
  }

  /** Goes on with the packet; false as for `read`. */
  go(): boolean {
    const { bytes, sink, limit } = this
    const { buffer, byteOffset } = bytes
    while (this.at < this.end) {
      if (this.paused) return false
      if (this.left > 0) {
        this.continueFrame()
        continue
      }
      const { at, end } = this
      const flags = bytes[at]
      let size = bytes[at + 1]
      let body = at + 2
      if ((flags & LONG) !== 0) {
        size = u32(bytes, at + 1)
        body = at + 5
      }
      if (body > end || flags > FRAME_FLAGS) {
        this.senseless()
        break
      }
      const next = body + size
      if (next <= end && size <= limit && !this.begun && (flags & MORE) === 0) {
        this.at = next
        this.number++
        sink.message([size === 0 ? EMPTY : new View(buffer, byteOffset + body, size)])
      } else this.startFrame(flags, body, size)
    }
    if (this.begun && this.settled < this.frames.length) this.settle()
    // Nothing is kept: an idle session must not pin a datagram.
    if (!this.busy) this.bytes = EMPTY
    return !this.busy
  }

  /** Packets after those before are lost. */
  lost(reason: GapReason): void {
    this.abandon(reason)
  }

  /** All messages before this number have been sent, and nothing of them is still to come. */
  tell(number: number): void {
    const first = this.number
    if (this.begun || number <= first) return
    this.number = number
    this.sink.gap(first, number - first, this.reason)
  }

  /** The message that is being read will never be whole. It is told by the next packet, or `tell`. */
  private abandon(reason: GapReason): void {
    this.reason = reason
    this.bytes = EMPTY
    this.at = this.end = 0
    if (this.begun) this.finish()
  }

  private senseless(): void {
    this.sink.malformed()
    this.abandon("malformed")
  }

  private startFrame(flags: number, body: number, size: number): void {
    this.begun = true
    this.total += size
    if (this.refused === null && (this.total > this.limit || this.frames.length >= MAX_FRAMES)) this.refuse("size")
    this.more = (flags & MORE) !== 0
    if (body + size <= this.end) {
      this.at = body + size
      if (this.refused === null) this.frames.push(size === 0 ? EMPTY : viewOf(this.bytes, body, body + size))
      if (!this.more) this.deliver()
      return
    }
    this.at = body
    this.left = size
    this.size = size
    this.filled = 0
    if (this.refused === null) this.grow(Math.min(size, this.proven))
  }

  private continueFrame(): void {
    const part = Math.min(this.left, this.end - this.at)
    if (this.body !== null && this.filled + part > this.body.length)
      this.grow(Math.min(this.size, Math.max(this.filled + part, this.body.length * 2)))
    if (this.body !== null) copyInto(this.body, viewOf(this.bytes, this.at, this.at + part), this.filled)
    this.at += part
    this.filled += part
    this.left -= part
    if (this.left > 0) return
    if (this.body !== null) {
      this.proven = Math.max(this.proven, this.size)
      this.frames.push(this.body)
      this.settled = this.frames.length
      this.body = null
    }
    if (!this.more) this.deliver()
  }

  private deliver(): void {
    const { frames, refused } = this
    this.finish()
    const number = this.number++
    if (refused === null) this.sink.message(frames)
    else this.sink.gap(number, 1, refused)
  }

  private finish(): void {
    this.memory.used -= this.counted
    this.counted = 0
    this.begun = false
    this.frames = []
    this.settled = 0
    this.total = 0
    this.refused = null
    this.body = null
    this.left = 0
  }

  private refuse(reason: GapReason): void {
    this.refused = reason
    this.memory.used -= this.counted
    this.counted = 0
    this.frames = []
    this.settled = 0
    this.body = null
  }

  /** Counts memory that the message takes. False = there is none, and the message is refused. */
  private count(bytes: number): boolean {
    if (this.memory.used + bytes > this.memory.limit) {
      this.refuse("memory")
      return false
    }
    this.memory.used += bytes
    this.counted += bytes
    return true
  }

  private grow(capacity: number): void {
    const old = this.body
    if (!this.count(capacity - (old === null ? 0 : old.length))) return
    const body = Buffer.allocUnsafeSlow(capacity)
    if (old !== null) copyInto(body, viewOf(old, 0, this.filled), 0)
    this.body = body
  }

  /** Frames of a message that goes on leave the datagram: one byte in each could otherwise keep thousands of datagrams. */
  private settle(): void {
    const { frames } = this
    let size = 0
    for (let i = this.settled; i < frames.length; i++) size += frames[i].length
    if (!this.count(size)) return
    const memory = Buffer.allocUnsafeSlow(size)
    for (let i = this.settled, at = 0; i < frames.length; i++) {
      const { length } = frames[i]
      copyInto(memory, frames[i], at)
      frames[i] = viewOf(memory, at, at + length)
      at += length
    }
    this.settled = frames.length
  }
}
