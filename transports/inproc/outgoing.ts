import type { MessagePort } from "node:worker_threads"
import type { Message } from "../../core/contract.ts"
import { Queue } from "../../core/queue.ts"
import { Notice } from "./link.ts"
import { WAKE } from "./port.ts"
import {
  CONTROL,
  CONTROL_NAMES,
  GOODBYE,
  LOAD,
  MESSAGE,
  packLoad,
  payloadLength,
  weight,
  writeMessage,
} from "./records.ts"
import { RingWriter } from "./ring.ts"
import { largestRecord, RECORD_HEADER } from "./ring-layout.ts"

/** Bytes that are published without waiting for the end of the turn: the other thread reads while this one writes. */
const PUBLISH_AT = 8 * 1024
/** Messages above this go by the port: one copy and a post in place of two copies (docs/decisions has the figures). */
const LARGE = 16 * 1024
/** KiB beside the ring that may be on the way: keeps both threads busy, and is all that a slow peer can pile up. */
const LOAD_WINDOW = 16 * 1024

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
  private readonly large: number
  /** There is room again: call `pump`, but not from within this call. */
  private readonly room: () => void
  /** What found no room. Bounded by the owner, who was told to stop. */
  private readonly overflow = new Queue<Message | Notice>()
  private written = 0
  private loads = 0
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
    this.large = Math.min(LARGE, largestRecord(capacity) - RECORD_HEADER)
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

  /** False = no room. */
  private putMessage(message: Message): boolean {
    const length = payloadLength(message)
    const taken =
      length > this.large ? this.putLoad(message, length, MESSAGE) : writeMessage(this.ring, message, length)
    if (taken) {
      this.written = (this.written + 1) | 0
      this.bytes += length
    }
    return taken
  }

  private putNotice(notice: Notice): boolean {
    const { ring } = this
    const { body } = notice
    const type = notice === FAREWELL ? GOODBYE : CONTROL | (CONTROL_NAMES.indexOf(notice.name) << 8)
    if (body.length > this.large) return this.putLoad([body], body.length, type)
    const at = ring.claim(body.length, type)
    if (at < 0) return false
    ring.bytes.set(body, at)
    return true
  }

  private putLoad(message: Message, length: number, type: number): boolean {
    const { ring } = this
    if (((this.loads - ring.loadsTaken) | 0) >= LOAD_WINDOW) return false
    if (ring.claim(0, LOAD | (type << 8)) < 0) return false
    const load = packLoad(message, LARGE)
    // SYNC POINT load: it is in the port's queue before its record can be seen (Incoming.takeLoad).
    this.port.postMessage({ load }, [load.body])
    this.loads = (this.loads + weight(length)) | 0
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
    if (this.ring.publish()) this.port.postMessage(WAKE)
  }

  private wantRoom(): void {
    const taken = this.limit === 0 ? this.ring.taken : (this.written - (this.limit >> 1)) | 0
    if (this.ring.wantRoom(taken, (this.loads - (LOAD_WINDOW >> 1)) | 0)) this.room()
  }
}
