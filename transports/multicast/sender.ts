import { Buffer } from "node:buffer"
import { copyInto } from "../../core/bytes.ts"
import type { Message } from "../../core/contract.ts"
import { View, viewOf } from "../../core/view.ts"
import { Chunks } from "./chunks.ts"
import { type GroupHost, type Receiver, SENDER_DEFAULTS, type SenderSettings, type SenderStats } from "./engine.ts"
import { SenderOutput } from "./sender-output.ts"
import {
  DATA,
  HEADER,
  LARGEST_DATAGRAM,
  LONG,
  MORE,
  OVERHEAD,
  putStart,
  putU16,
  putU32,
  putU48,
  type SessionKey,
  SHORT,
  SMALLEST_DATAGRAM,
  sessionKey,
} from "./wire.ts"

/** Memory that datagrams are encoded into, one behind the other: four of the largest. */
const CHUNK = 256 * 1024
/** Messages that are kept although `send` answered false: one turn of a caller that looks only now and then. */
const MAX_WAITING = 1_024
/** A message that has to be spread does not begin in a rest of a datagram that is smaller than this. */
const SMALLEST_REST = 256

const NO_CHUNK = Buffer.alloc(0)

function messageSize(message: Message): number {
  let size = 0
  for (let i = 0; i < message.length; i++) size += headerSize(message[i].length) + message[i].length
  return size
}

const headerSize = (length: number): number => (length <= SHORT ? 2 : 5)

/**
 * One sender of a group. Messages are encoded straight into the datagram that is open; it goes out when it is full or at
 * `flush()`, and stays as it is for repairs (MC-10 to MC-13).
 */
export class GroupSender {
  readonly stats: SenderStats
  /** `send` answered false; now there is room again. */
  onDrain: () => void = () => {}
  /** `end` has come to its end. */
  onClosed: () => void = () => {}
  private readonly key: SessionKey
  private readonly kind: number
  private readonly datagram: number
  private readonly output: SenderOutput
  private readonly chunks: Chunks
  private chunk: Buffer = NO_CHUNK
  private memory: ArrayBufferLike = NO_CHUNK.buffer
  /** Where the chunk begins in it. */
  private memoryAt = 0
  /** The open datagram within the chunk: its beginning, its end so far, and how far it may reach; 0 when none is open. */
  private base = 0
  private at = 0
  private limit = 0
  /** Where the first message of the open datagram begins, if one does, and its number. */
  private firstAt = 0
  private firstNumber = 0
  /** Messages that have begun, and how many had at the last tick. */
  private begun = 0
  private begunBefore = 0
  /** The message that is being written: its next frame, whether that has its header, its next byte. */
  private pending: Message | null = null
  private frame = 0
  private headed = false
  private offset = 0
  /** Messages that came after `send` had answered false. Then no datagram is open, so that they cannot be overtaken. */
  private waiting: Message[] = []
  /** What `send` answers. */
  private ready = true
  private owesDrain = false
  private flushWanted = false
  /** Receivers have said something, and nothing was done about it yet. */
  private heard = false
  private working = false
  private ending = false

  /** `sessionId`: 16 hexadecimal digits, never used before; see `newSessionId`. */
  constructor(host: GroupHost, settings: Partial<SenderSettings>, sessionId: string) {
    const given = { ...SENDER_DEFAULTS, ...settings }
    const datagram = Math.min(LARGEST_DATAGRAM, Math.max(SMALLEST_DATAGRAM, given.datagram))
    // Room for the packet that is on its way and the one that is being made.
    const window = Math.max(given.window, 2 * (datagram + OVERHEAD))
    this.key = sessionKey(sessionId)
    this.kind = given.kind
    this.chunks = new Chunks(CHUNK, given.reuse, given.memory)
    this.datagram = datagram
    const nextMessage = (): number => (this.limit === 0 ? this.begun : this.firstNumber)
    this.output = new SenderOutput(host, { ...given, datagram, window }, this.key, nextMessage)
    this.stats = this.output.stats
    this.output.onClosed = () => this.onClosed()
  }

  /** Takes a message. False = taken, but stop until `onDrain`. What is given all the same is kept within bounds. */
  send(message: Message): boolean {
    if (message.length === 1 && this.append(message[0])) return this.ready || this.notReady()
    return this.sendSlowly(message)
  }

  /** As `send` of a message of one frame. */
  sendFrame(frame: Buffer): boolean {
    if (this.append(frame)) return this.ready === true ? true : this.notReady()
    return this.sendSlowly([frame])
  }

  /** What was taken goes out now, as far as it may; the rest as soon as it may. */
  flush(): void {
    if (this.limit === 0 && this.ready) {
      this.output.cover()
      this.output.arm()
      return
    }
    this.flushWanted = true
    this.work()
  }

  /** A packet of a receiver; others are passed over. `source` is its address. `more`: another one is given in the same turn. */
  received(bytes: Buffer, source: string, more = false): void {
    if (this.output.received(bytes, source)) this.heard = true
    // Reports of many receivers that came together are one reason to go on, not many.
    if (more || !this.heard) return
    this.heard = false
    this.work()
  }

  /** A receiver has consumed everything before this packet, and does not say so by a report. False = that cannot be. */
  moved(receiver: Receiver, position: number): boolean {
    return this.output.moved(receiver, position)
  }

  /** Goes on if there is room by now. */
  goOn(): void {
    this.work()
  }

  tick(): void {
    this.output.tick()
    if (this.begun === this.begunBefore) this.release()
    this.begunBefore = this.begun
    this.work()
  }

  /** The host has room again. */
  drained(): void {
    this.output.open()
    this.work()
  }

  /**
   * What was taken goes out, then the end is told; `onClosed` follows when every receiver has everything, or `linger` is
   * over. Whoever does not want to wait for that calls `close`.
   */
  end(): void {
    this.ending = true
    this.flushWanted = true
    this.work()
  }

  /** Ends it now: what was not sent is lost. Nothing is called any more. */
  close(): void {
    this.onDrain = () => {}
    this.onClosed = () => {}
    this.ending = true
    this.pending = null
    this.waiting = []
    this.at = this.limit = 0
    this.output.close()
  }

  /** A short message into the open datagram; false = it is not short, or does not fit. */
  private append(frame: Buffer): boolean {
    const size = frame.length
    const body = this.at + 2
    if (size > SHORT || body + size > this.limit) return false
    const { chunk } = this
    chunk[body - 2] = 0
    chunk[body - 1] = size
    copyInto(chunk, frame, body)
    this.at = body + size
    this.begun++
    return true
  }

  private notReady(): false {
    this.owesDrain = true
    return false
  }

  private sendSlowly(message: Message): boolean {
    if (this.ending || this.waiting.length >= MAX_WAITING) {
      this.stats.refused++
      return this.notReady()
    }
    if (this.limit !== 0 && messageSize(message) <= this.limit - this.at) {
      this.begin(message)
      this.fill()
    } else {
      this.waiting.push(message)
      if (this.working && this.limit !== 0) this.seal()
      this.work()
    }
    return this.ready || this.notReady()
  }

  private begin(message: Message): void {
    this.pending = message
    this.frame = 0
    this.headed = false
    this.offset = 0
    if (this.limit === 0) return
    const size = messageSize(message)
    const rest = this.limit - this.at
    if (size > rest && (size <= this.datagram - HEADER || rest < SMALLEST_REST)) this.sealAndSend()
  }

  /** Goes on as far as it may. */
  private work(): void {
    if (this.working) return
    this.goAsFar()
    // Until they shall ring us; or nothing goes out although they have come so far: it is others who hold us.
    for (let sent = 0; (!this.ready || this.flushWanted) && sent !== this.output.sent && this.output.await(); ) {
      sent = this.output.sent
      this.goAsFar()
    }
    this.output.arm()
    if (this.ready && this.owesDrain) {
      this.owesDrain = false
      this.onDrain()
    }
  }

  /** Nothing was sent for a while: memory of packets that are not kept any more goes. */
  private release(): void {
    const { output } = this
    this.chunks.release(output.free)
    if (this.limit !== 0 || !this.chunks.releaseLast(output.lead, output.free)) return
    this.chunk = NO_CHUNK
    this.memory = NO_CHUNK.buffer
    this.at = this.base = 0
  }

  private goAsFar(): void {
    this.working = true
    const { output } = this
    output.transmit()
    while (output.clear) {
      if (this.pending === null) {
        const next = this.waiting.shift()
        if (next === undefined) break
        this.begin(next)
      }
      this.fill()
      output.transmit()
    }
    if (this.flushWanted && this.pending === null && this.limit !== 0 && output.clear) {
      if (output.allowed(this.at - this.base + OVERHEAD)) {
        this.seal()
        output.transmit()
      } else {
        output.wish(this.at - this.base + OVERHEAD)
        output.cover()
      }
    }
    const empty = this.pending === null && this.waiting.length === 0
    if (!empty && this.limit !== 0) this.seal()
    if (empty && this.limit === 0) {
      if (this.flushWanted) output.cover()
      this.flushWanted = this.ending
    }
    this.working = false
    // Who was told to stop begins again when it is worth it.
    this.ready = output.clear && empty && (!this.owesDrain || this.ending || output.roomy)
    if (this.ending && this.ready && this.limit === 0) output.finish()
  }

  /** Writes the pending message, until it is whole or a packet has to wait. */
  private fill(): void {
    const message = this.pending as Message
    const last = message.length - 1
    while (this.frame <= last) {
      const frame = message[this.frame]
      const size = frame.length
      if (this.limit === 0) {
        if (!this.output.clear) return
        this.openDatagram(this.headed || this.frame > 0)
      }
      if (!this.headed) {
        // A header is followed by a byte of its frame at least, so that no packet is only the end of nothing.
        if (this.at + headerSize(size) + (size > 0 ? 1 : 0) > this.limit) {
          this.sealAndSend()
          continue
        }
        if (this.frame === 0) this.begun++
        this.writeHeader(size, this.frame < last ? MORE : 0)
      }
      const part = Math.min(size - this.offset, this.limit - this.at)
      const whole = part === size
      copyInto(this.chunk, whole ? frame : viewOf(frame, this.offset, this.offset + part), this.at)
      this.at += part
      this.offset += part
      if (this.offset < size) {
        this.sealAndSend()
        continue
      }
      this.frame++
      this.headed = false
      this.offset = 0
    }
    this.pending = null
    if (this.firstAt === 0) this.firstAt = this.at
  }

  private writeHeader(size: number, flags: number): void {
    const { chunk, at } = this
    this.headed = true
    if (size <= SHORT) {
      chunk[at] = flags
      chunk[at + 1] = size
      this.at = at + 2
    } else {
      chunk[at] = flags | LONG
      putU32(chunk, at + 1, size)
      this.at = at + 5
    }
  }

  /** `continues` = it begins with the rest of a message. */
  private openDatagram(continues: boolean): void {
    // By words: sums of packets are made so (MC-71).
    let base = (this.at + 3) & ~3
    // The rest of a chunk is good for a shorter datagram, unless it is so short that its header would cost much.
    if (this.chunk.length - base < Math.max(SMALLEST_DATAGRAM, this.datagram / 4)) {
      this.chunk = this.chunks.next(this.output.lead, this.output.free)
      this.memory = this.chunk.buffer
      this.memoryAt = this.chunk.byteOffset
      base = 0
    }
    this.base = base
    this.at = base + HEADER
    this.limit = Math.min(base + this.datagram, this.chunk.length)
    this.firstAt = continues ? 0 : this.at
    this.firstNumber = this.begun
  }

  private sealAndSend(): void {
    this.seal()
    this.output.transmit()
  }

  private seal(): void {
    const { chunk, base, at } = this
    const bytes = new View(this.memory, this.memoryAt + base, at - base)
    putStart(chunk, base, DATA, 0, this.kind, this.key)
    putU16(chunk, base + 6, this.firstAt > 0 && this.firstAt < at ? this.firstAt - base : 0)
    putU16(chunk, base + 30, 0)
    putU48(chunk, base + 32, this.firstNumber)
    putU16(chunk, base + 38, 0)
    this.limit = 0
    this.output.wish(0)
    this.output.seal(bytes, this.begun)
  }
}
