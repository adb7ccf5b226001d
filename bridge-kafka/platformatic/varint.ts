/** Zigzag variable-length integers of Kafka's records (as in Protocol Buffers), for safe integers without BigInt. */

/** Above it, bit operations would cut. */
const BITS = 0x3fffffff

export function varintSize(value: number): number {
  if (value >= -BITS && value <= BITS) {
    const z = (value << 1) ^ (value >> 31)
    return z < 0x80 ? 1 : z < 0x4000 ? 2 : z < 0x200000 ? 3 : z < 0x10000000 ? 4 : 5
  }
  let size = 1
  for (let z = zigzag(value); z > 127; z = Math.floor(z / 128)) size++
  return size
}

/** Returns where it ended. */
export function writeVarint(target: Buffer, at: number, value: number): number {
  if (value >= -BITS && value <= BITS) {
    let z = (value << 1) ^ (value >> 31)
    while (z > 127) {
      target[at++] = (z & 127) | 128
      z >>>= 7
    }
    target[at++] = z
    return at
  }
  let z = zigzag(value)
  while (z > 127) {
    target[at++] = (z % 128) | 128
    z = Math.floor(z / 128)
  }
  target[at++] = z
  return at
}

function zigzag(value: number): number {
  return value >= 0 ? value * 2 : -value * 2 - 1
}

/** Reads on through bytes. Throws RangeError behind the end, so that a cut answer is never taken for a short one. */
export class Cursor {
  readonly bytes: Buffer
  at: number

  constructor(bytes: Buffer, at = 0) {
    this.bytes = bytes
    this.at = at
  }

  get left(): number {
    return this.bytes.length - this.at
  }

  int8(): number {
    this.at += 1
    return this.bytes.readInt8(this.at - 1)
  }

  int16(): number {
    this.at += 2
    return this.bytes.readInt16BE(this.at - 2)
  }

  int32(): number {
    this.at += 4
    return this.bytes.readInt32BE(this.at - 4)
  }

  uint32(): number {
    this.at += 4
    return this.bytes.readUInt32BE(this.at - 4)
  }

  /** Exact below 2^53. */
  int64(): number {
    this.at += 8
    return this.bytes.readInt32BE(this.at - 8) * 0x1_0000_0000 + this.bytes.readUInt32BE(this.at - 4)
  }

  bigint64(): bigint {
    this.at += 8
    return this.bytes.readBigInt64BE(this.at - 8)
  }

  /** Without zigzag: lengths of the flexible versions, which are one more than what they count. */
  unsignedVarint(): number {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      if (this.at >= this.bytes.length || factor > 2 ** 49) throw new RangeError("a number is cut off or has no end")
      const byte = this.bytes[this.at++]
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
  }

  varint(): number {
    const { bytes } = this
    const first = bytes[this.at]
    // Most numbers of a record have one byte.
    if (first < 128) {
      this.at++
      return (first >>> 1) ^ -(first & 1)
    }
    const z = this.unsignedVarint()
    return z % 2 === 0 ? z / 2 : -(z + 1) / 2
  }

  /** A view, not a copy. */
  take(length: number): Buffer {
    const start = this.at
    if (length < 0 || start + length > this.bytes.length) throw new RangeError(`${length} bytes are not there`)
    this.at = start + length
    return this.bytes.subarray(start, start + length)
  }

  compactString(): string | null {
    const length = this.unsignedVarint()
    return length === 0 ? null : this.take(length - 1).toString("utf8")
  }

  skipTags(): void {
    for (let count = this.unsignedVarint(); count > 0; count--) {
      this.unsignedVarint()
      this.take(this.unsignedVarint())
    }
  }

  /** Entries of a compact array; -1 = null. */
  arrayLength(): number {
    return this.unsignedVarint() - 1
  }
}
