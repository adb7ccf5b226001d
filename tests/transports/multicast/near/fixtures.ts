import { Buffer } from "node:buffer"
import { CHUNK } from "../../../../transports/multicast/near/layout.ts"
import { type Consumer, NearReader, type Place } from "../../../../transports/multicast/near/reader.ts"
import { NearWriter } from "../../../../transports/multicast/near/writer.ts"
import { DATA, HEADER, LONG, putStart, putU16, putU32, putU48, u48 } from "../../../../transports/multicast/wire.ts"
import type { Native } from "../../../../transports/native/addon.ts"
import { later } from "../../../support/cleanup.ts"

export const KEY = { high: 0xfedc_ba98, low: 0x7654_3210 }
/** Header, and the head of the packet's one frame. */
export const LEAST = HEADER + 5

/** Fills `bytes` with DATA of one message: its body is words of its number. */
export function encode(bytes: Buffer, sequence: number): void {
  putStart(bytes, 0, DATA, 0, 0, KEY)
  putU16(bytes, 6, HEADER)
  putU48(bytes, 16, sequence)
  putU16(bytes, 22, 1)
  putU48(bytes, 24, 1)
  putU16(bytes, 30, 0)
  putU48(bytes, 32, sequence - 1)
  putU16(bytes, 38, 0)
  bytes[HEADER] = LONG
  putU32(bytes, HEADER + 1, bytes.length - LEAST)
  for (let at = LEAST; at < bytes.length; at++) bytes[at] = sequence >>> (8 * ((at - LEAST) & 3))
}

/** Whether it is what `encode` writes, all of it. Returns its number. */
export function checked(packet: Buffer): number {
  const sequence = u48(packet, 16)
  const expected = Buffer.alloc(packet.length)
  encode(expected, sequence)
  if (!packet.equals(expected)) throw new Error(`packet ${sequence} of ${packet.length} bytes is not whole`)
  return sequence
}

/** A sender's end, with packets to publish. */
export class Publisher {
  readonly writer: NearWriter
  chunk: Buffer
  sequence = 0
  private readonly native: Native
  private at = 0
  private tickets = 0
  private over = false

  constructor(native: Native, chunks = 4, any = false, key = KEY) {
    this.native = native
    this.writer = new NearWriter(native, chunks, key, any)
    later(() => {
      this.close()
      native.releaseMemory(this.writer.memory)
    })
    this.chunk = this.writer.take() as Buffer
    this.writer.open = true
  }

  close(): void {
    if (this.over) return
    this.over = true
    this.writer.close()
  }

  get words(): Int32Array {
    return new Int32Array(this.writer.memory, 0, Math.floor(this.writer.memory.byteLength / 4))
  }

  /** Publishes the next packet, in a fresh chunk when this one is full. */
  publish(length = LEAST + 8): Buffer {
    if (this.at + length > CHUNK) this.renew()
    const bytes = this.chunk.subarray(this.at, this.at + length)
    this.at = (this.at + length + 3) & ~3
    encode(bytes, ++this.sequence)
    this.writer.publish(bytes)
    return bytes
  }

  /** The chunk is written to anew. */
  renew(): void {
    this.writer.renew(this.chunk)
    this.at = 0
  }

  /** What a NEAR to a new reader says. */
  offer(host = "127.0.0.1", port = 7_000): Place {
    const ticket = ++this.tickets
    const { descriptor, size, nonce } = this.writer
    const slot = this.writer.offer(host, port, ticket)
    return { pid: process.pid, descriptor, size, slot, ticket, nonce: Buffer.from(nonce) }
  }

  open(place: Place, key = KEY): NearReader {
    const reader = new NearReader(this.native, place, key)
    later(() => reader.close())
    return reader
  }

  reader(port?: number): NearReader {
    return this.open(this.offer("127.0.0.1", port))
  }
}

/** Who takes packets: all before `position` have come. */
export class Taker implements Consumer {
  position: number

  constructor(position = 1) {
    this.position = position
  }

  lacks(sequence: number): boolean {
    return sequence >= this.position
  }
}

/** Makes the reader one that takes what goes out. It must have nothing before the next packet to wait for. */
export function begin(publisher: Publisher, reader: NearReader): void {
  publisher.publish()
  reader.ready(new Taker(publisher.sequence))
  reader.take()
}
