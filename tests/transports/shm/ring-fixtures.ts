/** Two ends of rings in plain memory, with fake sockets beside them. */

import { RingStream, type SharedMemory, sharedSize } from "../../../transports/shm/ring-stream.ts"
import { type ByteReader, type ByteStream, NO_READER } from "../../../transports/stream/byte-stream.ts"
import type { NetStream } from "../../../transports/stream/net-stream.ts"

/** The life line of one end: what happens to it reaches the other in a later turn. */
export class FakeSocket {
  reader: ByteReader = NO_READER
  /** Answers the peer's goodbye by itself, as sockets do unless they are told otherwise. */
  answers = true
  descriptor = 1
  bells = 0
  isEnded = false
  isDestroyed = false
  other: FakeSocket | null = null

  /** The peer's byte. */
  ring(): void {
    this.bells++
    setImmediate(() => this.other?.reader.bytes(Buffer.alloc(1), 1))
  }

  end(): void {
    this.isEnded = true
    this.leave()
  }

  destroy(): void {
    if (this.isDestroyed) return
    this.isDestroyed = true
    this.leave()
  }

  answerNoGoodbye(): void {
    this.answers = false
  }

  /** The link breaks. */
  break(error?: Error): void {
    this.reader.ended(error)
  }

  private leave(): void {
    this.descriptor = -1
    setImmediate(() => {
      if (this.other === null) return
      this.other.reader.ended()
      if (this.other.answers) this.other.end()
    })
  }
}

/** One end: a stream over a fake socket. */
export class End {
  readonly socket = new FakeSocket()
  readonly stream: RingStream
  releases = 0

  constructor(memory: ArrayBufferLike, capacity: number, side: "dial" | "accept", busyPoll = 0) {
    const shared: SharedMemory = {
      // A thread shares memory of another class, which the views take as well.
      memory: memory as ArrayBuffer,
      capacity,
      release: () => void this.releases++,
      ring: () => this.socket.ring(),
    }
    this.stream = new RingStream(this.socket as unknown as NetStream, shared, side, busyPoll)
  }
}

export interface RingPair {
  readonly memory: ArrayBuffer
  readonly dial: End
  readonly accept: End
}

export function ringPair(capacity: number, busyPoll = 0): RingPair {
  const memory = new ArrayBuffer(sharedSize(capacity))
  const dial = new End(memory, capacity, "dial", busyPoll)
  const accept = new End(memory, capacity, "accept", busyPoll)
  dial.socket.other = accept.socket
  accept.socket.other = dial.socket
  return { memory, dial, accept }
}

/** Keeps what a stream brings. */
export class Keeper implements ByteReader {
  readonly chunks: Buffer[] = []
  count = 0
  drains = 0
  ends = 0
  error: Error | undefined
  /** Something came after the end: never allowed. */
  late = 0
  /** Asked after each piece; false = stop reading. */
  goesOn: (count: number) => boolean = () => true
  /** Where the next bytes shall go. */
  place: () => Buffer | null = () => null

  constructor(stream: ByteStream) {
    stream.reader = this
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString("latin1")
  }

  bytes(chunk: Buffer, count: number): boolean {
    if (this.ends > 0) this.late++
    this.chunks.push(Buffer.from(chunk.subarray(0, count)))
    this.count += count
    return this.goesOn(count)
  }

  target(): Buffer | null {
    return this.place()
  }

  drained(): void {
    if (this.ends > 0) this.late++
    this.drains++
  }

  ended(error?: Error): void {
    this.ends++
    this.error = error
  }
}
