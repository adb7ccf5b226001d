import { Buffer } from "node:buffer"
import type { ControlName, Message } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"
import { View } from "../../core/view.ts"
import { MORE } from "./zws-frame.ts"

/** Frames of one message. A peer could otherwise send empty frames for ever. */
const MAX_FRAMES = 64 * 1024
/** Small frames are copied next to each other, so that they do not cost an allocation each. */
const SLAB = 64 * 1024
/** Larger ones have memory of their own. */
const LARGE = 8 * 1024
/**
 * The same for frames of messages that are not whole yet, in memory of this connection alone: a peer that sends a frame of one octet
 * now and then would otherwise keep a slab alive with each.
 */
const OWN_SLAB = 4 * 1024
const OWN_LARGE = 512

const EMPTY = Buffer.alloc(0)

/** Memory that is filled from its beginning. */
interface Slab {
  bytes: Buffer
  used: number
}

const common: Slab = { bytes: EMPTY, used: 0 }

/** What arrived and waits for its reader. */
export interface Arrival {
  readonly message: Message | null
  readonly name: ControlName | null
  readonly body: Buffer
  /** Octets of its frames. */
  readonly size: number
}

/** Frames to messages, and the queue of those that nobody may have yet. */
export class Inbox {
  /** Octets that wait. */
  bytes = 0
  private readonly limit: number
  private readonly copies: boolean
  private parts: Buffer[] | null = null
  private own: Slab | null = null
  private partBytes = 0
  private waiting: Arrival[] = []
  private next = 0

  /** `maxMessageSize` in bytes, -1 = unlimited. `copies`: frames are valid during the call only. */
  constructor(maxMessageSize: number, copies: boolean) {
    this.limit = maxMessageSize < 0 ? Number.MAX_SAFE_INTEGER : maxMessageSize
    this.copies = copies
  }

  get empty(): boolean {
    return this.next === this.waiting.length
  }

  /** A frame of a message: the whole message when it is the last one, else null. Throws a HeddleError. */
  take(flag: number, bytes: Buffer): Message | null {
    const size = bytes.length - 1
    if (size > this.limit - this.partBytes) this.tooLarge()
    if (flag !== MORE && this.parts === null) {
      return [this.copies ? copyOf(bytes, common, SLAB, LARGE) : bytes.subarray(1)]
    }
    this.parts ??= []
    this.own ??= { bytes: EMPTY, used: 0 }
    this.parts.push(copyOf(bytes, this.own, OWN_SLAB, OWN_LARGE))
    this.partBytes += size
    if (flag === MORE) {
      if (this.parts.length < MAX_FRAMES) return null
      throw new HeddleError("EMSGSIZE", `The peer sent a message of more than ${MAX_FRAMES} frames`, { fatal: true })
    }
    const message = this.parts
    this.parts = null
    this.partBytes = 0
    return message
  }

  tooLarge(): never {
    throw new HeddleError(
      "EMSGSIZE",
      `The peer sent a message of more than the ${this.limit} bytes that are allowed; see the option maxMessageSize`,
      { fatal: true },
    )
  }

  put(arrival: Arrival): void {
    this.waiting.push(arrival)
    this.bytes += arrival.size
  }

  /** Undefined when nothing waits. */
  shift(): Arrival | undefined {
    if (this.next === this.waiting.length) return undefined
    const arrival = this.waiting[this.next++]
    this.bytes -= arrival.size
    if (this.next === this.waiting.length) {
      this.waiting = []
      this.next = 0
    }
    return arrival
  }

  clear(): void {
    this.waiting = []
    this.next = 0
    this.bytes = 0
    this.parts = null
    this.partBytes = 0
  }
}

/** Without the flag. */
function copyOf(bytes: Buffer, slab: Slab, slabSize: number, large: number): Buffer {
  const size = bytes.length - 1
  if (size === 0) return EMPTY
  if (size > large) {
    const own = Buffer.allocUnsafeSlow(size)
    bytes.copy(own, 0, 1)
    return own
  }
  if (slab.used + size > slab.bytes.length) {
    slab.bytes = Buffer.allocUnsafeSlow(slabSize)
    slab.used = 0
  }
  bytes.copy(slab.bytes, slab.used, 1)
  const copy = new View(slab.bytes.buffer, slab.used, size)
  slab.used += size
  return copy
}
