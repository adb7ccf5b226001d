/**
 * The two ends of a ring over shared memory (ring-layout.ts). Atomic operations of JavaScript are sequentially
 * consistent; what is read and written between them is plain memory. The pairs are marked SYNC POINT.
 *
 * Agrona publishes each record by its length, since several of its producers may be at work at once. With one producer
 * the tail is enough, and one store publishes as many records as were written before it.
 */
import { HeddleError } from "../../core/errors.ts"
import {
  align,
  DATA_WANTED,
  GOAL_HEAD,
  GOAL_TAKEN,
  HEAD,
  PADDING,
  RECORD_HEADER,
  RING_HEADER,
  ROOM_WANTED,
  TAIL,
  TAKEN,
} from "./ring-layout.ts"

/** The producer's end. */
export class RingWriter {
  /** The records as bytes and as words: the owner writes a payload after `claim`. */
  readonly bytes: Uint8Array
  readonly words: Int32Array
  private readonly header: Int32Array
  private readonly capacity: number
  /** End of what is written, of what is published, and how far the consumer was when last asked. */
  private tail = 0
  private published = 0
  private head = 0

  constructor(memory: ArrayBufferLike, offset: number, capacity: number) {
    this.header = new Int32Array(memory, offset, RING_HEADER / 4)
    this.words = new Int32Array(memory, offset + RING_HEADER, capacity / 4)
    this.bytes = new Uint8Array(memory, offset + RING_HEADER, capacity)
    this.capacity = capacity
  }

  /** Bytes that are written and not published. */
  get unpublished(): number {
    return (this.tail - this.published) | 0
  }

  /** A record with `length` bytes has room now, or what the consumer says is wrong, which `claim` will find. */
  hasRoom(length: number): boolean {
    const size = align(length + RECORD_HEADER)
    const toEnd = this.capacity - (this.tail & (this.capacity - 1))
    const needed = size > toEnd ? size + toEnd : size
    return ((this.tail - Atomics.load(this.header, HEAD)) | 0) + needed <= this.capacity
  }

  /** Makes a record with room for `length` bytes; returns where its payload begins, -1 = no room. Throws EPROTO. */
  claim(length: number, type: number): number {
    const size = align(length + RECORD_HEADER)
    const { capacity, words } = this
    let at = this.tail & (capacity - 1)
    const toEnd = capacity - at
    const padding = size > toEnd ? toEnd : 0
    const needed = size + padding
    if (((this.tail - this.head) | 0) + needed > capacity) {
      // SYNC POINT head: what the consumer has released it does not read any more (RingReader.release).
      const head = Atomics.load(this.header, HEAD)
      // Less than nothing, or more than was ever written: the consumer's word cannot be true, now or when asked again.
      if ((this.tail - head) >>> 0 > capacity) throw corrupt()
      this.head = head
      if (((this.tail - this.head) | 0) + needed > capacity) return -1
    }
    if (padding > 0) {
      words[at >> 2] = padding
      words[(at >> 2) + 1] = PADDING
      at = 0
    }
    words[at >> 2] = length + RECORD_HEADER
    words[(at >> 2) + 1] = type
    this.tail = (this.tail + needed) | 0
    return at + RECORD_HEADER
  }

  /** Shows the consumer what was written. True = it sleeps, and the caller must ring, since nobody else will. */
  publish(): boolean {
    if (this.tail === this.published) return false
    this.published = this.tail
    // SYNC POINT tail: records are whole before their end is seen (RingReader.available).
    Atomics.store(this.header, TAIL, this.tail)
    // SYNC POINT sleep: the consumer stores its wish and looks at the tail again; we store the tail and look at the
    // wish. In whatever order the four happen, one of the two sides sees the other (RingReader.sleep).
    return Atomics.load(this.header, DATA_WANTED) === 1 && Atomics.exchange(this.header, DATA_WANTED, 0) === 1
  }

  /** Messages that the consumer has handed on. */
  get taken(): number {
    return Atomics.load(this.header, TAKEN)
  }

  /** Asks to be woken when half of the ring is free and so many messages are taken. True = it is so already. */
  wantRoom(taken: number): boolean {
    const { header } = this
    const head = (this.tail - (this.capacity >> 1)) | 0
    header[GOAL_HEAD] = head
    header[GOAL_TAKEN] = taken
    // SYNC POINT room: the goals are there before the wish. As with sleep, wish before look (RingReader.roomIsDue).
    Atomics.store(header, ROOM_WANTED, 1)
    if (!reached(header, head, taken)) return false
    Atomics.store(header, ROOM_WANTED, 0)
    return true
  }
}

/** The consumer's end. */
export class RingReader {
  readonly bytes: Uint8Array
  private readonly header: Int32Array
  private readonly words: Int32Array
  private readonly capacity: number
  private head = 0

  constructor(memory: ArrayBufferLike, offset: number, capacity: number) {
    this.header = new Int32Array(memory, offset, RING_HEADER / 4)
    this.words = new Int32Array(memory, offset + RING_HEADER, capacity / 4)
    this.bytes = new Uint8Array(memory, offset + RING_HEADER, capacity)
    this.capacity = capacity
  }

  /** Bytes that are published and not released. */
  get available(): number {
    // SYNC POINT tail: see RingWriter.publish.
    return (Atomics.load(this.header, TAIL) - this.head) | 0
  }

  /**
   * Whether something was published, by a plain read: for who looks again and again. The processor shows the other side's
   * store soon, if not in the order of others; `Atomics.load` is a call, five times as long as all the rest of a look.
   */
  get stirs(): boolean {
    return this.header[TAIL] !== this.head
  }

  /** Where the next record begins in `bytes`. */
  get position(): number {
    return this.head & (this.capacity - 1)
  }

  /** Bytes from there to the end of the memory. */
  get beforeEnd(): number {
    return this.capacity - this.position
  }

  /** Length of the next record, header included. Only when something is available. Throws EPROTO when it cannot be true. */
  get nextLength(): number {
    const at = this.position
    const length = this.words[at >> 2]
    const { available } = this
    if (available >>> 0 > this.capacity) throw corrupt()
    // The length itself before it is padded: the largest numbers become negative by it.
    if (length < RECORD_HEADER || length > this.capacity - at || align(length) > available) throw corrupt()
    return length
  }

  get nextType(): number {
    return this.words[(this.position >> 2) + 1]
  }

  /** Gives the first `count` bytes back to the producer. They are not read after this. */
  release(count: number): void {
    this.head = (this.head + count) | 0
    // SYNC POINT head: see RingWriter.claim.
    Atomics.store(this.header, HEAD, this.head)
  }

  /** Publishes how many messages were handed on. */
  count(taken: number): void {
    Atomics.store(this.header, TAKEN, taken)
  }

  /** True = the producer waits for room, has it now, and the caller must ring. To be asked after `release` and `count`. */
  roomIsDue(): boolean {
    const { header } = this
    // SYNC POINT room: see RingWriter.wantRoom.
    if (Atomics.load(header, ROOM_WANTED) === 0) return false
    if (!reached(header, header[GOAL_HEAD], header[GOAL_TAKEN])) return false
    return Atomics.exchange(header, ROOM_WANTED, 0) === 1
  }

  /** Does not want to be woken any more. */
  wake(): void {
    Atomics.store(this.header, DATA_WANTED, 0)
  }

  /** Asks to be woken by the next `publish`. False = there is something to read already: do not sleep. */
  sleep(): boolean {
    // SYNC POINT sleep: see RingWriter.publish.
    Atomics.store(this.header, DATA_WANTED, 1)
    if (this.available === 0) return true
    Atomics.store(this.header, DATA_WANTED, 0)
    return false
  }
}

function reached(header: Int32Array, head: number, taken: number): boolean {
  return ((Atomics.load(header, HEAD) - head) | 0) >= 0 && ((Atomics.load(header, TAKEN) - taken) | 0) >= 0
}

/** What the ring says cannot be true. */
export function corrupt(): HeddleError {
  return new HeddleError(
    "EPROTO",
    "The memory that two sides of a connection share does not hold what it should: something else wrote to it",
  )
}
