import { randomFillSync } from "node:crypto"
import type { Native } from "../native/addon.ts"
import type { ByteStream } from "../stream/byte-stream.ts"
import type { NetStream } from "../stream/net-stream.ts"
import type { Upgrade } from "../stream/upgrade.ts"
import { MAX_RING, MIN_CAPACITY, NONCE_AT, NONCE_SIZE, validCapacity } from "./ring-layout.ts"
import { RingStream, sharedSize } from "./ring-stream.ts"

const NONE = Buffer.alloc(0)
const TAKEN = Buffer.from([1])

/** Version of rings and records (ring-layout.ts), and of the two commands here. */
const VERSION = Buffer.from("1")

/**
 * An offer: the descriptor of the memory in the process that made it, the capacity of each ring (uint32 each), and what is
 * written in the memory at NONCE_AT: the number may mean another file by the time that somebody looks.
 */
const OFFER = 8 + NONCE_SIZE

/** What `SharedMemoryOffer` needs to know. */
export interface RingOptions {
  /** Bytes of each direction's ring, rounded up to a power of two. */
  readonly sharedMemory: number
  /** Microseconds; see `LinkOptions`. */
  readonly busyPoll: number
  readonly sharedMemoryLate?: boolean
}

/**
 * Moves a connection over a Unix socket into shared memory. Who dialled makes the memory, which has no name, and says its
 * descriptor; the other side opens that of the process which the operating system says is at the other end. It cannot
 * where that is another user's or in another container: then the socket goes on.
 */
export class SharedMemoryOffer implements Upgrade {
  readonly property = "X-Heddle-Rings"
  readonly version = VERSION
  readonly command = "HEDDLE-RINGS"
  readonly late: string | null
  private readonly native: Native
  private readonly options: RingOptions
  private readonly capacity: number
  private offered: { memory: ArrayBuffer; descriptor: number } | null = null

  constructor(native: Native, options: RingOptions) {
    this.native = native
    this.options = options
    this.late = options.sharedMemoryLate === true ? "X-Heddle-Rings-Late" : null
    this.capacity = capacityFor(options.sharedMemory)
  }

  offer(): Buffer {
    try {
      this.offered = this.native.createMemory(sharedSize(this.capacity))
    } catch {
      // Out of memory or descriptors: the socket serves as well.
      return NONE
    }
    const nonce = Buffer.from(this.offered.memory, NONCE_AT, NONCE_SIZE)
    randomFillSync(nonce)
    const body = Buffer.alloc(OFFER)
    body.writeUInt32BE(this.offered.descriptor, 0)
    body.writeUInt32BE(this.capacity, 4)
    nonce.copy(body, 8)
    return body
  }

  accept(stream: NetStream, offer: Buffer, late = false): { answer: Buffer; stream: ByteStream } {
    const memory = this.open(stream, offer)
    if (memory === null) return { answer: NONE, stream }
    return { answer: TAKEN, stream: this.rings(stream, memory, offer.readUInt32BE(4), "accept", late) }
  }

  settle(stream: NetStream, answer: Buffer, late = false): ByteStream {
    const { offered } = this
    this.offered = null
    if (offered === null) return stream
    // The other side has opened it, or never will.
    this.native.closeDescriptor(offered.descriptor)
    if (answer.equals(TAKEN)) return this.rings(stream, offered.memory, this.capacity, "dial", late)
    this.native.releaseMemory(offered.memory)
    return stream
  }

  cancel(): void {
    if (this.offered === null) return
    this.native.closeDescriptor(this.offered.descriptor)
    this.native.releaseMemory(this.offered.memory)
    this.offered = null
  }

  private open(stream: NetStream, offer: Buffer): ArrayBuffer | null {
    if (offer.length !== OFFER) return null
    const capacity = offer.readUInt32BE(4)
    if (!validCapacity(capacity) || capacity > MAX_RING) return null
    const { number: descriptor } = stream
    const peer = descriptor < 0 ? null : this.native.peerCredentials(descriptor)
    // The process may be one that this container does not see.
    if (peer === null || peer.pid <= 0) return null
    let memory: ArrayBuffer
    try {
      memory = this.native.openMemory(peer.pid, offer.readUInt32BE(0), sharedSize(capacity))
    } catch {
      return null
    }
    if (Buffer.from(memory, NONCE_AT, NONCE_SIZE).equals(offer.subarray(8))) return memory
    this.native.releaseMemory(memory)
    return null
  }

  private rings(
    stream: NetStream,
    memory: ArrayBuffer,
    capacity: number,
    side: "dial" | "accept",
    late: boolean,
  ): RingStream {
    const { native } = this
    const shared = {
      memory,
      capacity,
      release: () => native.releaseMemory(memory),
      ring: (descriptor: number) => void native.ring(descriptor),
    }
    return new RingStream(stream, shared, side, this.options.busyPoll, late)
  }
}

function capacityFor(bytes: number): number {
  let capacity = MIN_CAPACITY
  while (capacity < bytes && capacity < MAX_RING) capacity *= 2
  return capacity
}
