import { HeddleError } from "../../core/errors.ts"
import { View } from "../../core/view.ts"
import { type ByteReader, type ByteStream, NO_BYTES, NO_READER } from "../stream/byte-stream.ts"
import type { NetStream } from "../stream/net-stream.ts"
import { Lookout, PATIENCE, type Watched } from "./lookout.ts"
import { RingReader, RingWriter } from "./ring.ts"
import { align, largestRecord, PADDING, RECORD_HEADER, ringSize } from "./ring-layout.ts"

/** Record type: the next bytes of the stream. */
const BYTES = 1

/** Bytes that are handed on before timers and I/O have their turn: some tenths of a millisecond of small messages. */
const BUDGET = 256 * 1024

/** Milliseconds between two looks for room while the peer's bells cannot be heard: as long as it takes to move, as a rule. */
const HALF_LOOK = 1

const BELL = Buffer.alloc(1)

/** Memory that two processes share, and how to give it back. */
export interface SharedMemory {
  readonly memory: ArrayBuffer
  /** Bytes of one ring's records. */
  readonly capacity: number
  /** The memory must not be touched any more. */
  release(): void
  /** Wakes the peer by way of the socket with this descriptor. */
  ring(descriptor: number): void
}

/** Bytes of memory for both directions. */
export function sharedSize(capacity: number): number {
  return 2 * ringSize(capacity)
}

/**
 * Bytes through a ring in each direction. The socket over which the two sides found each other stays: a byte on it wakes a
 * side that sleeps, and its end tells that the peer is gone, however it went.
 */
export class RingStream implements ByteStream, ByteReader, Watched {
  reader: ByteReader = NO_READER
  bytesRead = NO_BYTES
  bytesWritten = NO_BYTES
  readonly vigilant = true
  private readonly socket: NetStream
  private readonly shared: SharedMemory
  private readonly incoming: RingReader
  private readonly outgoing: RingWriter
  private readonly memory: ArrayBuffer
  /** What the peer writes, and where in the memory it begins. */
  private readonly records: Buffer
  private readonly recordsAt: number
  private readonly most: number
  private readonly lookout: Lookout
  /** What had no room in the ring, and how much of the first piece went. */
  private waiting: Buffer[] = []
  private waitingFrom = 0
  private paused = false
  /** Bytes still come by the socket: only what is written goes through the ring (`moveInput`). */
  private half: boolean
  private asleep = false
  private scheduled = false
  private delivering = false
  private over = false
  /** The peer said goodbye, or is gone: to be told when everything that it left in the ring is read. */
  private goodbye: { error: Error | undefined } | null = null
  private readonly turn = (): void => {
    this.scheduled = false
    this.deliver()
  }

  /**
   * @param side who dialled writes the first ring
   * @param late in the midst of the traffic: counts on, and who accepted reads the socket until `moveInput`
   */
  constructor(socket: NetStream, shared: SharedMemory, side: "dial" | "accept", busyPoll: number, late = false) {
    const { memory, capacity } = shared
    const out = side === "dial" ? 0 : ringSize(capacity)
    const into = ringSize(capacity) - out
    this.socket = socket
    this.shared = shared
    this.outgoing = new RingWriter(memory, out, capacity)
    this.incoming = new RingReader(memory, into, capacity)
    this.memory = memory
    this.recordsAt = into + ringSize(capacity) - capacity
    this.records = Buffer.from(memory, this.recordsAt, capacity)
    this.most = largestRecord(capacity) - RECORD_HEADER
    this.lookout = new Lookout(this, busyPoll || PATIENCE, busyPoll > 0)
    this.half = late && side === "accept"
    if (late) {
      this.bytesRead = socket.bytesRead
      this.bytesWritten = socket.bytesWritten
      // Its reader may have stopped it.
      if (!this.half) socket.resume()
    }
    socket.reader = this
    // The peer's goodbye on the socket must not be answered before what is left in the ring was read.
    socket.answerNoGoodbye()
    this.schedule()
  }

  write(bytes: Buffer): boolean {
    this.bytesWritten += bytes.length
    return this.put([bytes])
  }

  writeAll(pieces: readonly Buffer[]): boolean {
    for (const piece of pieces) this.bytesWritten += piece.length
    return this.put(pieces)
  }

  /** The peer has said that nothing but bells comes by the socket any more. */
  moveInput(): void {
    this.half = false
    this.socket.resume()
    this.schedule()
  }

  pause(): void {
    if (this.half) this.socket.pause()
    else this.paused = true
  }

  resume(): void {
    if (this.half) this.socket.resume()
    if (!this.paused || this.over) return
    this.paused = false
    this.schedule()
  }

  end(patience?: number): void {
    if (this.over) return
    this.socket.end(patience)
    // What still comes is read and dropped: the reader decides that.
    this.resume()
  }

  destroy(): void {
    if (this.over) return
    this.over = true
    this.waiting = []
    this.lookout.stop()
    this.socket.destroy()
    // Not at once: this may be called while something is read from it.
    setImmediate(() => this.shared.release())
  }

  // From the socket

  bytes(chunk: Buffer, count: number): boolean {
    if (this.half) {
      this.bytesRead += count
      const going = this.reader.bytes(chunk, count)
      return going || !this.half
    }
    // Whatever was wished for has come: the wish is gone from the ring.
    this.asleep = false
    this.deliver()
    return true
  }

  target(): Buffer | null {
    return this.half ? this.reader.target() : null
  }

  drained(): void {}

  ended(error?: Error): void {
    if (this.over) return
    if (this.half) {
      this.finish(error)
      return
    }
    this.goodbye = { error }
    this.deliver()
  }

  // From the lookout

  get due(): boolean {
    if (this.over) return false
    return (!this.paused && !this.half && this.incoming.stirs) || (this.waiting.length > 0 && this.roomIsThere())
  }

  found(): void {
    this.deliver()
  }

  gaveUp(): void {
    if (this.over) return
    if (this.waiting.length > 0) this.wantRoom()
    this.sleep()
  }

  private put(pieces: readonly Buffer[]): boolean {
    if (this.over) return true
    if (this.waiting.length > 0) {
      this.waiting.push(...pieces)
      return false
    }
    try {
      for (let i = 0; i < pieces.length; i++) {
        const written = this.copy(pieces[i], 0)
        if (written === pieces[i].length) continue
        this.waiting = pieces.slice(i)
        this.waitingFrom = written
        break
      }
      this.publish()
      if (this.waiting.length > 0) this.waitForRoom()
    } catch (error) {
      // Who sends must not hear of the end from within his call.
      process.nextTick(() => this.fail(error))
    }
    return this.waiting.length === 0
  }

  /** Writes what has room from `from` on; returns how far it came. */
  private copy(bytes: Buffer, from: number): number {
    const { outgoing, most } = this
    const { length } = bytes
    while (from < length) {
      const count = Math.min(length - from, most)
      const at = outgoing.claim(count, BYTES)
      if (at < 0) break
      outgoing.bytes.set(count === length ? bytes : bytes.subarray(from, from + count), at)
      from += count
    }
    return from
  }

  private publish(): void {
    if (this.outgoing.publish()) this.ringBell()
    // Who asks will be answered: from now on the answer is looked for.
    if (this.asleep && this.lookout.expect()) {
      this.asleep = false
      this.incoming.wake()
    }
  }

  private ringBell(): void {
    const { descriptor } = this.socket
    if (descriptor >= 0) this.shared.ring(descriptor)
    // Something goes before it (the answer to the offer), or the runtime does not say its number.
    else if (!this.over) this.socket.write(BELL)
  }

  private roomIsThere(): boolean {
    return this.outgoing.hasRoom(Math.min(this.most, this.waiting[0].length - this.waitingFrom))
  }

  /** To be woken costs the peer more than a hundred messages: as long as it is quick, it is better watched. */
  private waitForRoom(): void {
    if (!this.lookout.expect()) this.wantRoom()
  }

  private wantRoom(): void {
    if (this.half) {
      // The bell may lie behind bytes that our reader does not take before it can write again.
      setTimeout(this.turn, HALF_LOOK).unref()
      return
    }
    // It has come already: not from within the caller, who does not know yet that he has to wait.
    if (this.outgoing.wantRoom(0)) this.schedule()
  }

  /** The peer has made room. */
  private pump(): void {
    if (this.over) return
    try {
      const { waiting } = this
      let done = 0
      while (done < waiting.length) {
        const from = this.copy(waiting[done], this.waitingFrom)
        if (from < waiting[done].length) {
          this.waitingFrom = from
          break
        }
        this.waitingFrom = 0
        done++
      }
      this.waiting = waiting.slice(done)
      this.publish()
      if (this.waiting.length > 0) this.waitForRoom()
    } catch (error) {
      this.fail(error)
      return
    }
    if (this.waiting.length === 0) this.reader.drained()
  }

  private schedule(): void {
    if (this.scheduled) return
    this.scheduled = true
    setImmediate(this.turn)
  }

  private deliver(): void {
    if (this.over || this.delivering) return
    this.delivering = true
    try {
      if (this.waiting.length > 0) this.pump()
      if (this.half) return
      let left = BUDGET
      while (left > 0 && !this.paused && !this.over && this.incoming.available !== 0) left -= this.next()
      if (this.over) return
      if (this.incoming.roomIsDue()) this.ringBell()
    } catch (error) {
      this.fail(error)
      return
    } finally {
      this.delivering = false
    }
    if (this.paused || this.half) return
    if (this.incoming.available !== 0) this.schedule()
    else if (this.goodbye !== null) this.finish(this.goodbye.error)
    else if (!this.asleep && !this.lookout.begin()) this.sleep()
  }

  /** Hands the next record on; returns its size. */
  private next(): number {
    const { incoming, records } = this
    const length = incoming.nextLength
    const size = align(length)
    try {
      if (incoming.nextType !== PADDING) {
        const { position } = incoming
        let from = position + RECORD_HEADER
        const end = position + length
        while (from < end && !this.over) from += this.hand(records, from, end)
      }
    } finally {
      // Memory is let go of in a later turn, whatever the reader did.
      incoming.release(size)
    }
    return size
  }

  /** Returns how many bytes the reader took: all, or what has room where it wants them. */
  private hand(records: Buffer, from: number, to: number): number {
    const target = this.reader.target()
    let count = to - from
    let going: boolean
    if (target === null) {
      this.bytesRead += count
      going = this.reader.bytes(new View(this.memory, this.recordsAt + from, count), count)
    } else {
      count = Math.min(count, target.length)
      records.copy(target, 0, from, from + count)
      this.bytesRead += count
      going = this.reader.bytes(target, count)
    }
    // The rest of the record comes all the same: the reader keeps it.
    if (!going) this.paused = true
    return count
  }

  private sleep(): void {
    if (this.paused || this.half || this.over) return
    if (this.incoming.sleep()) this.asleep = true
    else this.schedule()
  }

  /** The memory does not hold what it should. */
  private fail(error: unknown): void {
    if (!(error instanceof HeddleError)) throw error
    this.finish(error)
  }

  private finish(error: Error | undefined): void {
    if (this.over) return
    this.destroy()
    this.reader.ended(error)
  }
}
