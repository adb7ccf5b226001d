import { Buffer } from "node:buffer"
import { copyInto } from "../../core/bytes.ts"
import { viewOf } from "../../core/view.ts"
import { HEADER, LARGEST_DATAGRAM, putU16, putU32, u16, u32 } from "./wire.ts"

/** Where a body lies so that words cannot be read from it: brought here first. Made when it is needed. */
let scratch: Buffer | null = null
let scratchWords: Uint32Array = new Uint32Array(0)

/** `target[i] ^= bytes[from + i]` for `length` bytes; `words` and `target` are the same memory. */
function xorInto(words: Uint32Array, target: Buffer, bytes: Buffer, from: number, length: number): void {
  const whole = length >>> 2
  const at = bytes.byteOffset + from
  let source: Uint32Array
  if ((at & 3) === 0) source = new Uint32Array(bytes.buffer, at, whole)
  else {
    if (scratch === null) {
      scratch = Buffer.allocUnsafeSlow(LARGEST_DATAGRAM + 1)
      scratchWords = new Uint32Array(scratch.buffer, 0, scratch.length >>> 2)
    }
    copyInto(scratch, viewOf(bytes, from, from + length), 0)
    source = scratchWords
  }
  let word = 0
  // Eight at a time: 0.45 instead of 0.75 ns a word.
  for (const end = whole - 7; word < end; word += 8) {
    words[word] ^= source[word]
    words[word + 1] ^= source[word + 1]
    words[word + 2] ^= source[word + 2]
    words[word + 3] ^= source[word + 3]
    words[word + 4] ^= source[word + 4]
    words[word + 5] ^= source[word + 5]
    words[word + 6] ^= source[word + 6]
    words[word + 7] ^= source[word + 7]
  }
  for (; word < whole; word++) words[word] ^= source[word]
  for (let i = whole * 4; i < length; i++) target[i] ^= bytes[from + i]
}

/** XOR of packets (MC-71): what of them is not known otherwise. */
export class ParitySum {
  /** Of the longest body. */
  filled = 0
  lengths = 0
  /** XOR of the two fields of the header: `first`, and `message` as its 16 and 32 bits. */
  first = 0
  messageHigh = 0
  messageLow = 0
  bytes: Buffer
  private words: Uint32Array

  /** `capacity` for bodies; it grows when a longer one comes. */
  constructor(capacity = 0) {
    this.bytes = Buffer.allocUnsafeSlow(capacity)
    this.words = new Uint32Array(this.bytes.buffer, 0, capacity >>> 2)
  }

  get capacity(): number {
    return this.bytes.length
  }

  /** What it has when these bytes are added. */
  capacityFor(bytes: Buffer): number {
    const body = bytes.length - HEADER
    const { length } = this.bytes
    return body <= length ? length : Math.min(LARGEST_DATAGRAM + 1, (Math.max(body, length * 2) + 3) & ~3)
  }

  clear(): void {
    this.filled = this.lengths = this.first = this.messageHigh = this.messageLow = 0
  }

  /** A DATA packet, or with its own `length` the sum in a PARITY. */
  add(bytes: Buffer, length: number): void {
    this.lengths ^= length
    this.first ^= u16(bytes, 6)
    this.messageHigh ^= u16(bytes, 32)
    this.messageLow = (this.messageLow ^ u32(bytes, 34)) >>> 0
    const body = bytes.length - HEADER
    if (body > this.bytes.length) this.grow(this.capacityFor(bytes))
    const common = Math.min(body, this.filled)
    if (common > 0) xorInto(this.words, this.bytes, bytes, HEADER, common)
    if (body <= common) return
    // Beyond all others so far: as it is.
    copyInto(this.bytes, viewOf(bytes, HEADER + common, bytes.length), common)
    this.filled = body
  }

  /** Into a packet: what `add` took, as far as the packet goes. */
  writeTo(bytes: Buffer): void {
    putU16(bytes, 6, this.first)
    putU16(bytes, 32, this.messageHigh)
    putU32(bytes, 34, this.messageLow)
    putU16(bytes, 38, 0)
    copyInto(bytes, viewOf(this.bytes, 0, bytes.length - HEADER), HEADER)
  }

  private grow(capacity: number): void {
    const old = this.bytes
    this.bytes = Buffer.allocUnsafeSlow(capacity)
    this.words = new Uint32Array(this.bytes.buffer, 0, capacity >>> 2)
    if (this.filled > 0) copyInto(this.bytes, viewOf(old, 0, this.filled), 0)
  }
}
