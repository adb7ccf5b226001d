/**
 * Whole numbers of variable length, unsigned LEB128: seven bits a byte, the lowest first, the top bit says that more
 * follow. Numbers up to 2**53 - 1 (`Number.MAX_SAFE_INTEGER`), so at most eight bytes.
 */
import type { Buffer } from "node:buffer"
import { HeddleError } from "./errors.ts"

/** Bytes that the largest number takes: 53 bits in groups of seven. */
export const MAX_VARINT_SIZE = 8

const LIMIT_28 = 2 ** 28

/** Bytes that `n` takes. `n` is a whole number from 0 to 2**53 - 1; the caller sees to that. */
export function varintSize(n: number): number {
  if (n < 0x80) return 1
  let size = 1
  for (let rest = n; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++
  return size
}

/** Writes `n` at `at`, where `varintSize(n)` bytes must be free. Returns where it ended. */
export function writeVarint(n: number, into: Uint8Array, at: number): number {
  let rest = n
  // Beyond 2**31 the shifts of JavaScript would lose bits.
  while (rest >= LIMIT_28) {
    into[at++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  while (rest >= 0x80) {
    into[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  into[at++] = rest
  return at
}

/**
 * Reads what the network sent, from `at` up to `end`. Nothing is allocated for what is announced: every length is
 * compared with what is there first. One reader can be used again and again by `reset`.
 *
 * All methods throw `HeddleError` EPROTO when the bytes end too soon; `at` is then unspecified.
 */
export class Reader {
  bytes: Buffer
  at: number
  end: number

  constructor(bytes: Buffer, at = 0, end = bytes.length) {
    this.bytes = bytes
    this.at = at
    this.end = Math.min(end, bytes.length)
  }

  reset(bytes: Buffer, at = 0, end = bytes.length): void {
    this.bytes = bytes
    this.at = at
    this.end = Math.min(end, bytes.length)
  }

  /** Bytes that are left. */
  get left(): number {
    return this.end - this.at
  }

  /** Longer forms than needed (0x80 0x00 for 0) are accepted; more than 2**53 - 1 is EPROTO. */
  varint(): number {
    if (this.at < this.end) {
      const first = this.bytes[this.at]
      if (first < 0x80) {
        this.at++
        return first
      }
    }
    return this.longVarint()
  }

  private longVarint(): number {
    let value = 0
    let scale = 1
    for (let size = 0; size < MAX_VARINT_SIZE; size++) {
      const byte = this.byte()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) break
        return value
      }
      scale *= 0x80
    }
    throw new HeddleError("EPROTO", "The peer sent a number above 2**53 - 1: it does not speak this protocol")
  }

  byte(): number {
    if (this.at >= this.end) throw truncated(1, 0)
    return this.bytes[this.at++]
  }

  skip(count: number): void {
    if (!(count >= 0) || count > this.end - this.at) throw truncated(count, this.end - this.at)
    this.at += count
  }

  /** A view of the next `count` bytes, not a copy. */
  view(count: number): Buffer {
    const start = this.at
    this.skip(count)
    return this.bytes.subarray(start, this.at)
  }

  /** The next `count` bytes as UTF-8; invalid sequences become U+FFFD. */
  utf8(count: number): string {
    const start = this.at
    this.skip(count)
    return this.bytes.toString("utf8", start, this.at)
  }

  /** The next `count` bytes as one character each (ASCII; bytes above 127 become U+0080 to U+00FF). */
  latin1(count: number): string {
    const start = this.at
    this.skip(count)
    return this.bytes.toString("latin1", start, this.at)
  }
}

function truncated(wanted: number, left: number): HeddleError {
  return new HeddleError("EPROTO", `The peer sent a record that ends too soon: ${wanted} bytes announced, ${left} left`)
}
