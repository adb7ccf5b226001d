/** Messages that have no room in one record pass in pieces, straight from their frames into memory of their own. */
import type { Message } from "../../core/contract.ts"
import { corrupt, type RingReader, type RingWriter } from "../shm/ring.ts"
import { align, largestRecord, RECORD_HEADER } from "../shm/ring-layout.ts"
import { LARGE, MESSAGE, PIECE } from "./records.ts"

/** Words of a LARGE record: length as float64, kind, detail. */
const HEADER = 16

/** The writing side: at most one message at a time is under way. */
export class Disassembly {
  private readonly most: number
  private parts: readonly Uint8Array[] = []
  private part = 0
  private offset = 0
  private left = 0
  private readonly number = new Float64Array(1)
  private readonly numberWords = new Int32Array(this.number.buffer)

  constructor(capacity: number) {
    this.most = largestRecord(capacity) - RECORD_HEADER
  }

  /** A message was begun and is not finished; `begin` must not be called. */
  get active(): boolean {
    return this.left > 0
  }

  /** False = the ring has no room, nothing was begun. `length` = bytes of all parts. */
  begin(ring: RingWriter, kind: number, detail: number, parts: readonly Uint8Array[], length: number): boolean {
    const at = ring.claim(HEADER, LARGE)
    if (at < 0) return false
    this.number[0] = length
    const { words } = ring
    words[at >> 2] = this.numberWords[0]
    words[(at >> 2) + 1] = this.numberWords[1]
    words[(at >> 2) + 2] = kind
    words[(at >> 2) + 3] = detail
    this.parts = parts
    this.part = 0
    this.offset = 0
    this.left = length
    return true
  }

  /** Writes the next piece. False = no room. */
  step(ring: RingWriter): boolean {
    const length = Math.min(this.left, this.most)
    let at = ring.claim(length, PIECE)
    if (at < 0) return false
    const end = at + length
    while (at < end) {
      const part = this.parts[this.part]
      const count = Math.min(part.length - this.offset, end - at)
      ring.bytes.set(count === part.length ? part : part.subarray(this.offset, this.offset + count), at)
      at += count
      this.offset += count
      if (this.offset === part.length) {
        this.part++
        this.offset = 0
      }
    }
    this.left -= length
    if (this.left === 0) this.parts = []
    return true
  }
}

/** The parts of a message's payload: where it has several frames, their lengths come first. */
export function partsOf(message: Message): readonly Uint8Array[] {
  if (message.length === 1) return message
  const lengths = new Int32Array(message.length)
  for (let i = 0; i < message.length; i++) lengths[i] = message[i].length
  return [new Uint8Array(lengths.buffer), ...message]
}

/** The reading side. */
export class Assembly {
  kind = MESSAGE
  detail = 0
  /** Payload of the whole. */
  bytes: Uint8Array = new Uint8Array(0)
  private at = 0

  /** `at` is that of the payload of a LARGE record. */
  begin(words: Int32Array, at: number): void {
    const word = at >> 2
    const number = new Int32Array([words[word], words[word + 1]])
    const length = new Float64Array(number.buffer)[0]
    this.kind = words[word + 2]
    this.detail = words[word + 3]
    this.bytes = Buffer.allocUnsafeSlow(length)
    this.at = 0
  }

  /** Takes the PIECE that is next in the ring, `length` bytes with its header. True = the message is whole. Throws EPROTO. */
  add(ring: RingReader, length: number): boolean {
    const from = ring.position
    const count = length - RECORD_HEADER
    if (count > this.bytes.length - this.at) throw corrupt()
    this.bytes.set(ring.bytes.subarray(from + RECORD_HEADER, from + length), this.at)
    ring.release(align(length))
    this.at += count
    return this.at === this.bytes.length
  }

  /** Keeps nothing of what was assembled. */
  clear(): void {
    this.bytes = new Uint8Array(0)
    this.at = 0
  }
}
