import { type MessagePort, receiveMessageOnPort } from "node:worker_threads"
import type { ConnectionSink, Message } from "../../core/contract.ts"
import { Queue } from "../../core/queue.ts"
import { View } from "../../core/view.ts"
import { Lookout, type Watched } from "../shm/lookout.ts"
import { corrupt, RingReader } from "../shm/ring.ts"
import { align, PADDING, RECORD_HEADER } from "../shm/ring-layout.ts"
import { Assembly } from "./large.ts"
import { type Post, WAKE } from "./port.ts"
import {
  CONTROL,
  CONTROL_NAMES,
  GOODBYE,
  LARGE,
  MESSAGE,
  PIECE,
  payloadLength,
  readMessage,
  SHARED,
} from "./records.ts"
import { Run } from "./run.ts"

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
export class Incoming implements Watched {
  /** Bytes of messages so far. */
  bytes = 0
  /** Bits of the owner that say why nothing is delivered; 0 = go on. May change within any call of the sink. */
  held: number
  private readonly port: MessagePort
  private readonly ring: RingReader
  /** Null: it sleeps at once. */
  private readonly lookout: Lookout | null
  private readonly owner: IncomingOwner
  private readonly run = new Run()
  private readonly assembly = new Assembly()
  /** Frames that were posted, until their record is read. */
  private readonly posted = new Queue<readonly Uint8Array[]>()
  /** Messages handed on so far. */
  private taken = 0
  private asleep = false

  constructor(
    port: MessagePort,
    memory: ArrayBufferLike,
    offset: number,
    capacity: number,
    busyPoll: number,
    owner: IncomingOwner,
    held: number,
  ) {
    this.port = port
    this.ring = new RingReader(memory, offset, capacity)
    this.lookout = busyPoll > 0 ? new Lookout(this, busyPoll, false) : null
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
        if (run.at === run.end) {
          const found = this.fetch(sink)
          if (found < 0) break
          count += found
          continue
        }
        const { words, at } = run
        const length = words[at >> 2]
        const type = words[(at >> 2) + 1]
        if (run.cut || type === PIECE) {
          run.finish(ring)
          continue
        }
        if (length < RECORD_HEADER) {
          this.owner.failed(corrupt())
          break
        }
        run.at = at + align(length)
        if (run.at === run.end) run.finish(ring)
        if ((type & 0xff) === MESSAGE) {
          count++
          this.took(length - RECORD_HEADER)
          sink.message(readMessage(run.memory, words, at + RECORD_HEADER, length - RECORD_HEADER, type >>> 8))
        } else if (type !== PADDING) {
          count++
          this.special(sink, words, at + RECORD_HEADER, length - RECORD_HEADER, type)
        }
      }
    } finally {
      ring.count(this.taken)
      this.ringForRoom()
    }
    return count
  }

  /** The other side rang: whatever this half wished for has come. */
  woken(): void {
    this.asleep = false
  }

  framesPosted(frames: readonly Uint8Array[]): void {
    this.posted.push(frames)
  }

  /** Nothing is there: looks for a short while, then sleeps until the other side rings. */
  rest(): void {
    if (!this.asleep && this.lookout?.begin() !== true) this.sleep()
  }

  /** The connection is over. */
  stop(): void {
    this.lookout?.stop()
  }

  // From the lookout

  get due(): boolean {
    return this.held === 0 && this.ring.stirs
  }

  found(): void {
    this.owner.due()
  }

  gaveUp(): void {
    if (this.held === 0) this.sleep()
  }

  private sleep(): void {
    if (this.ring.sleep()) this.asleep = true
    else this.owner.due()
  }

  /** More of the ring: a run, or a piece of a large message. Returns how many pieces, -1 = nothing. */
  private fetch(sink: ConnectionSink): number {
    const { ring, run } = this
    if (ring.available === 0) return -1
    try {
      const length = ring.nextLength
      if (ring.nextType !== PIECE) {
        run.fetch(ring, length)
        return 0
      }
      if (!this.assembly.add(ring, length)) {
        // The writer may go on while the rest is read.
        this.ringForRoom()
        return 1
      }
    } catch (error) {
      this.owner.failed(error as Error)
      return -1
    }
    this.assembled(sink)
    return 1
  }

  private assembled(sink: ConnectionSink): void {
    const { kind, detail, bytes } = this.assembly
    this.assembly.clear()
    if (kind === MESSAGE) {
      this.took(bytes.length)
      const words = new Int32Array(bytes.buffer, 0, bytes.length >> 2)
      sink.message(readMessage(words.buffer, words, 0, bytes.length, detail))
    } else sink.controlReceived(CONTROL_NAMES[detail], bytes as Buffer)
  }

  private special(sink: ConnectionSink, words: Int32Array, at: number, length: number, type: number): void {
    const kind = type & 0xff
    if (kind === CONTROL) sink.controlReceived(CONTROL_NAMES[type >>> 8], new View(words.buffer, at, length))
    else if (kind === LARGE) this.assembly.begin(words, at)
    else if (kind === SHARED) this.sharedMessage(sink)
    else if (kind === GOODBYE) this.owner.goodbye()
    else this.owner.failed(corrupt())
  }

  private sharedMessage(sink: ConnectionSink): void {
    const frames = this.takeFrames()
    if (frames === undefined) return
    const message: Message = frames.map(frame => new View(frame.buffer, frame.byteOffset, frame.length))
    this.took(payloadLength(message))
    sink.message(message)
  }

  /** Undefined = the connection is over. */
  private takeFrames(): readonly Uint8Array[] | undefined {
    // SYNC POINT frames: they were posted before their record was published, so they are here already
    // (Outgoing.putShared).
    while (this.posted.length === 0) {
      const next = receiveMessageOnPort(this.port)
      if (next === undefined) {
        this.owner.failed(corrupt())
        return undefined
      }
      this.owner.heard(next.message as Post)
    }
    return this.posted.shift()
  }

  private took(bytes: number): void {
    this.taken = (this.taken + 1) | 0
    this.bytes += bytes
  }

  private ringForRoom(): void {
    if (this.ring.roomIsDue()) this.port.postMessage(WAKE satisfies Post)
  }
}
