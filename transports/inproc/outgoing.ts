import type { MessagePort } from "node:worker_threads"
import type { Message } from "../../core/contract.ts"
import { Queue } from "../../core/queue.ts"
import { RingWriter } from "../shm/ring.ts"
import { largestRecord, RECORD_HEADER } from "../shm/ring-layout.ts"
import { Disassembly, partsOf } from "./large.ts"
import { Notice } from "./link.ts"
import { type Post, WAKE } from "./port.ts"
import { CONTROL, CONTROL_NAMES, GOODBYE, MESSAGE, payloadLength, SHARED, writeMessage } from "./records.ts"

/** Bytes that are published without waiting for the end of the turn: the other thread reads while this one writes. */
const PUBLISH_AT = 8 * 1024
/** A frame in shared memory of at least so many bytes is passed as it is. A post on a port costs as much as copying them. */
const SHARE_AT = 16 * 1024

/** The last thing that is sent. */
export const FAREWELL = new Notice("CANCEL", Buffer.alloc(0))

/** The sending half of a connection between threads. */
export class Outgoing {
  /** Bytes of messages so far. */
  bytes = 0
  /** `send` answered false, or something waits: `pump` is to be called when the peer has read. */
  blocked = false
  private readonly port: MessagePort
  private readonly ring: RingWriter
  /** Messages on the way; 0 = no limit. */
  private readonly limit: number
  /** Payloads above this go in pieces. */
  private readonly most: number
  /** There is room again: call `pump`, but not from within this call. */
  private readonly room: () => void
  /** What found no room; the first may be sent in part. Bounded by the owner, who was told to stop. */
  private readonly overflow = new Queue<Message | Notice>()
  private readonly pieces: Disassembly
  private written = 0
  /** What the peer had taken when it was last asked. */
  private taken = 0
  private flushDue = false
  private stopped = false
  private readonly flush = (): void => this.flushNow()

  constructor(
    port: MessagePort,
    memory: ArrayBufferLike,
    offset: number,
    capacity: number,
    limit: number,
    room: () => void,
  ) {
    this.port = port
    this.ring = new RingWriter(memory, offset, capacity)
    this.limit = limit
    this.most = largestRecord(capacity) - RECORD_HEADER
    this.pieces = new Disassembly(capacity)
    this.room = room
  }

  /** False = taken, but stop until `pump` says so. */
  send(message: Message): boolean {
    if (!this.flushDue) this.flushSoon()
    if (this.overflow.length > 0 || !this.putMessage(message)) {
      this.overflow.push(message)
      this.blocked = true
      return false
    }
    if (this.ring.unpublished >= PUBLISH_AT) this.publish()
    if (this.limit === 0 || ((this.written - this.taken) | 0) < this.limit) return true
    this.taken = this.ring.taken
    if (((this.written - this.taken) | 0) < this.limit) return true
    this.blocked = true
    return false
  }

  /** Goes in order among messages, outside the limit. */
  notice(notice: Notice): void {
    if (!this.flushDue) this.flushSoon()
    if (this.overflow.length > 0 || !this.putNotice(notice)) {
      this.overflow.push(notice)
      this.blocked = true
    }
  }

  /** Sends what waited. True = the owner may send again. */
  pump(): boolean {
    const { overflow } = this
    while (overflow.length > 0 && this.put(overflow.peek() as Message | Notice)) overflow.shift()
    this.publish()
    this.taken = this.ring.taken
    // Half empty first, as libzmq's credit does: otherwise a full queue would wake its writer for every message.
    if (overflow.length > 0 || (this.limit > 0 && ((this.written - this.taken) | 0) > this.limit >> 1)) {
      this.wantRoom()
      return false
    }
    this.blocked = false
    return true
  }

  stop(): void {
    this.stopped = true
    this.blocked = false
    this.overflow.clear()
  }

  private put(item: Message | Notice): boolean {
    return item instanceof Notice ? this.putNotice(item) : this.putMessage(item)
  }

  /** False = no room, or not for all of it. */
  private putMessage(message: Message): boolean {
    const length = payloadLength(message)
    const sent =
      length > this.most || (length >= SHARE_AT && isShared(message))
        ? this.putLargeMessage(message, length)
        : writeMessage(this.ring, message, length)
    if (sent) {
      this.written = (this.written + 1) | 0
      this.bytes += length
    }
    return sent
  }

  private putLargeMessage(message: Message, length: number): boolean {
    if (isShared(message)) return this.putShared(message)
    // The frames are put together once only, and not at all when the message is under way.
    const parts = this.pieces.active ? [] : partsOf(message)
    return this.putPieces(MESSAGE, message.length, parts, length)
  }

  private putPieces(kind: number, detail: number, parts: readonly Uint8Array[], length: number): boolean {
    const { pieces, ring } = this
    if (!pieces.active && !pieces.begin(ring, kind, detail, parts, length)) return false
    while (pieces.active) {
      if (!pieces.step(ring)) return false
      this.publish()
    }
    return true
  }

  private putShared(message: Message): boolean {
    if (this.ring.claim(0, SHARED) < 0) return false
    // SYNC POINT frames: they are in the port's queue before their record can be seen (Incoming.takeFrames).
    this.port.postMessage({ frames: message.map(toPost) } satisfies Post)
    return true
  }

  private putNotice(notice: Notice): boolean {
    const { ring } = this
    const { body } = notice
    const name = CONTROL_NAMES.indexOf(notice.name)
    if (body.length > this.most) return this.putPieces(CONTROL, name, [body], body.length)
    const at = ring.claim(body.length, notice === FAREWELL ? GOODBYE : CONTROL | (name << 8))
    if (at < 0) return false
    ring.bytes.set(body, at)
    return true
  }

  private flushSoon(): void {
    this.flushDue = true
    process.nextTick(this.flush)
  }

  private flushNow(): void {
    this.flushDue = false
    if (this.stopped) return
    this.publish()
    if (this.blocked) this.wantRoom()
  }

  private publish(): void {
    if (this.ring.publish()) this.port.postMessage(WAKE satisfies Post)
  }

  private wantRoom(): void {
    const taken = this.limit === 0 ? this.ring.taken : (this.written - (this.limit >> 1)) | 0
    if (this.ring.wantRoom(taken)) this.room()
  }
}

function isShared(message: Message): boolean {
  for (let i = 0; i < message.length; i++) {
    if (message[i].length >= SHARE_AT && message[i].buffer instanceof SharedArrayBuffer) return true
  }
  return false
}

/** Views are cloned with all the memory behind them: others than shared ones are copied out of it first. */
function toPost(frame: Buffer): Uint8Array {
  return frame.buffer instanceof SharedArrayBuffer
    ? new Uint8Array(frame.buffer, frame.byteOffset, frame.length)
    : Uint8Array.from(frame)
}
