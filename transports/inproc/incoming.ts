import { type MessagePort, receiveMessageOnPort } from "node:worker_threads"
import type { ConnectionSink } from "../../core/contract.ts"
import { Queue } from "../../core/queue.ts"
import { type Post, WAKE } from "./port.ts"
import {
  CONTROL,
  CONTROL_NAMES,
  GOODBYE,
  LOAD,
  type Load,
  MESSAGE,
  payloadLength,
  Run,
  readMessage,
  unpackLoad,
  View,
  weight,
} from "./records.ts"
import { corrupt, RingReader } from "./ring.ts"
import { align, PADDING, RECORD_HEADER } from "./ring-layout.ts"

/**
 * Milliseconds that an idle receiver looks again at each turn of the event loop before it sleeps. To be woken costs the
 * two threads some 20 µs, so looking for about twice that is never much worse than sleeping, and mostly better.
 */
const LOOK = 0.05
/** Looking in vain makes it rarer, down to one sleep in 2^8. */
const MAX_MISSES = 8

/** Who owns the receiving half. */
export interface IncomingOwner {
  /** There may be something: call `read`, but not from within this call. */
  due(): void
  /** Everything that is not for this half. */
  heard(post: Post): void
  goodbye(): void
  /** The memory does not hold what it should. */
  failed(error: Error): void
}

/** The receiving half of a connection between threads. */
export class Incoming {
  /** Bytes of messages so far. */
  bytes = 0
  /** Bits of the owner that say why nothing is delivered; 0 = go on. May change within any call of the sink. */
  held: number
  private readonly port: MessagePort
  private readonly ring: RingReader
  private readonly owner: IncomingOwner
  private readonly run = new Run()
  private readonly loads = new Queue<Load>()
  /** Messages, and KiB beside the ring, handed on so far. */
  private taken = 0
  private loadsTaken = 0
  private looking = false
  private asleep = false
  private lookUntil = 0
  private misses = 0
  private sleeps = 0
  private readonly look = (): void => this.lookAgain()

  constructor(
    port: MessagePort,
    memory: ArrayBufferLike,
    offset: number,
    capacity: number,
    owner: IncomingOwner,
    held: number,
  ) {
    this.port = port
    this.ring = new RingReader(memory, offset, capacity)
    this.owner = owner
    this.held = held
  }

  /** Nothing is left that was published. */
  get empty(): boolean {
    return this.run.at === this.run.end && this.ring.available === 0
  }

  /** Delivers at most `max` messages; returns how many. */
  read(sink: ConnectionSink, max: number): number {
    const { run, ring } = this
    let count = 0
    try {
      while (count < max && this.held === 0) {
        if (run.at === run.end && !this.fetch()) break
        if (run.cut) {
          run.finish(ring)
          continue
        }
        const { words, at } = run
        const length = words[at >> 2]
        const type = words[(at >> 2) + 1]
        if (length < RECORD_HEADER) {
          this.owner.failed(corrupt())
          break
        }
        run.at = at + align(length)
        if (run.at === run.end) run.finish(ring)
        if ((type & 0xff) === MESSAGE) {
          count++
          this.taken = (this.taken + 1) | 0
          this.bytes += length - RECORD_HEADER
          sink.message(readMessage(words, at, length, type >>> 8))
        } else if (type !== PADDING) {
          count++
          this.special(sink, words, at, length, type)
        }
      }
    } finally {
      ring.count(this.taken, this.loadsTaken)
      if (ring.roomIsDue()) this.port.postMessage(WAKE)
    }
    return count
  }

  /** The other side rang: whatever this half wished for has come. */
  woken(): void {
    this.asleep = false
  }

  loaded(load: Load): void {
    this.loads.push(load)
  }

  /** Nothing is there: looks for a short while, then sleeps until the other side rings. */
  rest(): void {
    if (this.looking || this.asleep) return
    if (this.misses === 0 || (this.sleeps++ & ((1 << this.misses) - 1)) === 0) {
      this.lookUntil = performance.now() + LOOK
      this.lookSoon()
    } else this.sleep()
  }

  private lookSoon(): void {
    this.looking = true
    setImmediate(this.look)
  }

  private lookAgain(): void {
    this.looking = false
    if (this.held !== 0) return
    if (this.ring.available > 0) {
      this.misses = 0
      this.owner.due()
    } else if (performance.now() < this.lookUntil) this.lookSoon()
    else {
      if (this.misses < MAX_MISSES) this.misses++
      this.sleep()
    }
  }

  private sleep(): void {
    if (this.ring.sleep()) this.asleep = true
    else this.owner.due()
  }

  private fetch(): boolean {
    try {
      return this.run.fetch(this.ring)
    } catch (error) {
      this.owner.failed(error as Error)
      return false
    }
  }

  private special(sink: ConnectionSink, words: Int32Array, at: number, length: number, type: number): void {
    const kind = type & 0xff
    if (kind === GOODBYE) this.owner.goodbye()
    else if (kind === CONTROL) {
      const body = new View(words.buffer, at + RECORD_HEADER, length - RECORD_HEADER)
      sink.controlReceived(CONTROL_NAMES[type >>> 8], body)
    } else if (kind === LOAD) this.deliverLoad(sink, type >>> 8)
    else this.owner.failed(corrupt())
  }

  private deliverLoad(sink: ConnectionSink, type: number): void {
    const load = this.takeLoad()
    if (load === undefined) return
    const message = unpackLoad(load)
    const size = payloadLength(message)
    this.loadsTaken = (this.loadsTaken + weight(size)) | 0
    if (type === MESSAGE) {
      this.taken = (this.taken + 1) | 0
      this.bytes += size
      sink.message(message)
    } else sink.controlReceived(CONTROL_NAMES[type >>> 8], message[0])
  }

  /** Undefined = the connection is over. */
  private takeLoad(): Load | undefined {
    // SYNC POINT load: it was posted before its record was published, so it is here already (Outgoing.putLoad).
    while (this.loads.length === 0) {
      const next = receiveMessageOnPort(this.port)
      if (next === undefined) {
        this.owner.failed(corrupt())
        return undefined
      }
      this.owner.heard(next.message as Post)
    }
    return this.loads.shift()
  }
}
