/**
 * Records of short values, read in one pass that checks as it goes. What it does not take, or finds malformed, is left to
 * the library and the checks before it (msgpack-check.ts), which say what is wrong.
 */
import type { Buffer } from "node:buffer"

/** What was asked for is not flat. No payload decodes to it. */
export const NOT_FLAT = Symbol("not flat")

/** Records with more values are read as fast by the library. */
const MOST_KEYS = 32
/** ASCII of so many bytes is cheaper to put together here than to have it made by the runtime. */
const SHORT = 10
/** Records of a structure before code is made for it: peers announce structures that nobody uses. */
const WARM = 32

/** What `toString("latin1")` calls after a look at its arguments; missing in the types of Node. */
type Latin = Buffer & { latin1Slice(start: number, end: number): string }

type Make = (values: readonly unknown[]) => object

interface Shape {
  readonly keys: readonly string[]
  /** Null: not made yet. */
  make: Make | null
  used: number
}

/** Values of the record that is being read. */
const values: unknown[] = new Array(MOST_KEYS).fill(null)
const doubles = new DataView(new ArrayBuffer(8))

export class FlatDecoder {
  private readonly shapes: (Shape | null)[] = []

  /** The next structure. */
  learn(keys: readonly string[]): void {
    // A name twice: the last value would have to win.
    const fits = keys.length <= MOST_KEYS && !keys.includes("__proto__") && new Set(keys).size === keys.length
    this.shapes.push(fits ? { keys, make: null, used: 0 } : null)
  }

  /** What lies in `bytes` from `start` to `end`, or NOT_FLAT. Never throws. */
  decode(bytes: Buffer, start: number, end: number): unknown {
    if (end - start < 2) return NOT_FLAT
    let at = start
    let index = bytes[at++] - 0x40
    if (index >= 32) index += bytes[at++] * 32
    const shape = index >= 0 && index < this.shapes.length ? this.shapes[index] : null
    if (shape === null) return NOT_FLAT
    const count = shape.keys.length
    for (let i = 0; i < count; i++) {
      if (at >= end) return NOT_FLAT
      const token = bytes[at++]
      if (token < 0x40) values[i] = token
      else if (token >= 0xe0) values[i] = token - 0x100
      else if (token >= 0xa0 && token < 0xc0) {
        const length = token - 0xa0
        if (length > end - at) return NOT_FLAT
        const text = length <= SHORT ? shortText(bytes, at, length) : asciiText(bytes, at, length)
        if (text === null) return NOT_FLAT
        values[i] = text
        at += length
      } else {
        const size = SIZES[token & 0x1f]
        if (token < 0xc0 || size < 0 || size > end - at) return NOT_FLAT
        values[i] = scalar(token, bytes, at)
        at += size
      }
    }
    return at === end ? make(shape) : NOT_FLAT
  }
}

/** Bytes behind the tokens 0xc0 to 0xdf that stand for a value of fixed size; -1 = the library's. */
const SIZES: readonly number[] = [
  ...[0, -1, 0, 0, -1, -1, -1, -1, -1, -1, 4, 8, 1, 2, 4, -1],
  ...[1, 2, 4, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1],
]

function scalar(token: number, bytes: Buffer, at: number): unknown {
  switch (token) {
    case 0xc0:
      return null
    case 0xc2:
      return false
    case 0xc3:
      return true
    case 0xca:
      doubles.setUint32(0, word(bytes, at))
      return doubles.getFloat32(0)
    case 0xcb:
      doubles.setUint32(0, word(bytes, at))
      doubles.setUint32(4, word(bytes, at + 4))
      return doubles.getFloat64(0)
    case 0xcc:
      return bytes[at]
    case 0xcd:
      return (bytes[at] << 8) | bytes[at + 1]
    case 0xce:
      return word(bytes, at) >>> 0
    case 0xd0:
      return (bytes[at] << 24) >> 24
    case 0xd1:
      return ((bytes[at] << 24) >> 16) | bytes[at + 1]
    default:
      return word(bytes, at)
  }
}

function word(bytes: Buffer, at: number): number {
  return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]
}

/** Null: not ASCII. */
function asciiText(bytes: Buffer, at: number, length: number): string | null {
  let all = 0
  for (let i = 0; i < length; i++) all |= bytes[at + i]
  return all < 0x80 ? (bytes as Latin).latin1Slice(at, at + length) : null
}

/** The same for 1 to SHORT bytes. */
function shortText(bytes: Buffer, at: number, length: number): string | null {
  let all = 0
  for (let i = 0; i < length; i++) all |= bytes[at + i]
  if (all > 0x7f) return null
  const b = bytes
  const i = at
  switch (length) {
    case 1:
      return text(b[i])
    case 2:
      return text(b[i], b[i + 1])
    case 3:
      return text(b[i], b[i + 1], b[i + 2])
    case 4:
      return text(b[i], b[i + 1], b[i + 2], b[i + 3])
    case 5:
      return text(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4])
    case 6:
      return text(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5])
    case 7:
      return text(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6])
    case 8:
      return text(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7])
    case 9:
      return text(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8])
    case 10:
      return text(b[i], b[i + 1], b[i + 2], b[i + 3], b[i + 4], b[i + 5], b[i + 6], b[i + 7], b[i + 8], b[i + 9])
    default:
      return ""
  }
}

const text = String.fromCharCode

function make(shape: Shape): object {
  if (shape.make !== null) return shape.make(values)
  const { keys } = shape
  if (shape.used++ === WARM) shape.make = compile(keys)
  const made: Record<string, unknown> = {}
  for (let i = 0; i < keys.length; i++) made[keys[i]] = values[i]
  return made
}

/** Code that makes an object of these keys at once, with a shape of its own; null where a process forbids such code. */
function compile(keys: readonly string[]): Make | null {
  const members = keys.map((key, i) => `${JSON.stringify(key)}: values[${i}]`)
  try {
    return new Function("values", `return { ${members.join(", ")} }`) as Make
  } catch {
    return null
  }
}
