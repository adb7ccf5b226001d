/**
 * Values to plain MessagePack, as the nodes of the fabric write it (core/codecs/msgpack.ts says what arrives for what was sent). A page has its own because
 * the library that nodes use is larger than all the rest of the page's half, and makes functions from text, which a strict
 * Content-Security-Policy forbids.
 *
 * Source: https://github.com/msgpack/msgpack/blob/master/spec.md
 */
import { unserialisable } from "../../../core/codecs/failure.ts"
import { MAX_DEPTH } from "../../../core/codecs/msgpack-check.ts"

const encoder = new TextEncoder()

/** Payloads that did not fit are rare, and their memory is not kept. */
const USUAL = 16 * 1024

/** Shorter texts are mostly ASCII: character by character is faster than a call of the encoder. */
const SHORT = 48

let bytes = new Uint8Array(USUAL)
let view = new DataView(bytes.buffer)
let at = 0
/** Calls within one another: `toJSON` of a value may encode another. */
let busy = false

/** Throws EINVAL when `value` cannot be serialised. */
export function encodeMsgpack(value: unknown): Uint8Array {
  const outer = busy ? { bytes, view, at } : null
  if (outer !== null) useMemory(new Uint8Array(USUAL))
  busy = true
  at = 0
  try {
    write(value, 0)
    return bytes.slice(0, at)
  } catch (error) {
    throw unserialisable("msgpack", error instanceof Error ? error.message : String(error), value, error)
  } finally {
    if (outer !== null) {
      ;({ bytes, view, at } = outer)
    } else {
      busy = false
      if (bytes.length > USUAL) useMemory(new Uint8Array(USUAL))
    }
  }
}

function useMemory(memory: Uint8Array<ArrayBuffer>): void {
  bytes = memory
  view = new DataView(memory.buffer)
}

function reserve(size: number): void {
  if (at + size <= bytes.length) return
  const old = bytes
  useMemory(new Uint8Array(Math.max(old.length * 2, at + size)))
  bytes.set(old.subarray(0, at))
}

function write(value: unknown, depth: number): void {
  reserve(16)
  switch (typeof value) {
    case "undefined":
      bytes[at++] = 0xc0
      return
    case "boolean":
      bytes[at++] = value ? 0xc3 : 0xc2
      return
    case "number":
      writeNumber(value)
      return
    case "string":
      writeString(value)
      return
    case "bigint":
      writeBigInt(value)
      return
    case "object":
      if (value === null) bytes[at++] = 0xc0
      else writeObject(value, depth)
      return
    default:
      throw new TypeError(`a ${typeof value} has no form`)
  }
}

function writeNumber(value: number): void {
  if (value >>> 0 === value && (value !== 0 || 1 / value > 0)) {
    if (value < 0x80) bytes[at++] = value
    else if (value < 0x100) writeHead(0xcc, 1, value)
    else if (value < 0x10000) writeHead(0xcd, 2, value)
    else writeHead(0xce, 4, value)
  } else if (value >> 0 === value && value < 0) {
    if (value >= -0x20) bytes[at++] = value
    else if (value >= -0x80) writeHead(0xd0, 1, value)
    else if (value >= -0x8000) writeHead(0xd1, 2, value)
    else writeHead(0xd2, 4, value)
  } else {
    bytes[at++] = 0xcb
    view.setFloat64(at, value)
    at += 8
  }
}

/** A token and a number of 1, 2 or 4 bytes; negative ones as two's complement. */
function writeHead(token: number, size: 1 | 2 | 4, value: number): void {
  bytes[at++] = token
  if (size === 1) view.setUint8(at, value)
  else if (size === 2) view.setUint16(at, value)
  else view.setUint32(at, value)
  at += size
}

/** Number of what follows: in the token itself, or in 8, 16 or 32 bits behind the first, second and third of `tokens`; 0 = there is none of 8. */
function writeLength(length: number, short: number, most: number, tokens: readonly [number, number, number]): void {
  if (length <= most) bytes[at++] = short + length
  else if (length < 0x100 && tokens[0] !== 0) writeHead(tokens[0], 1, length)
  else if (length < 0x10000) writeHead(tokens[1], 2, length)
  else writeHead(tokens[2], 4, length)
}

const STRING = [0xd9, 0xda, 0xdb] as const
const BYTES = [0xc4, 0xc5, 0xc6] as const
const ARRAY = [0, 0xdc, 0xdd] as const
const MAP = [0, 0xde, 0xdf] as const

function writeString(text: string): void {
  const { length } = text
  if (length < SHORT) {
    reserve(length + 2)
    // As long as it is ASCII its length is known.
    const start = at + (length < 32 ? 1 : 2)
    let i = 0
    for (; i < length; i++) {
      const code = text.charCodeAt(i)
      if (code > 127) break
      bytes[start + i] = code
    }
    if (i === length) {
      writeLength(length, 0xa0, 31, STRING)
      at += length
      return
    }
  }
  const encoded = encoder.encode(text)
  reserve(encoded.length + 5)
  writeLength(encoded.length, 0xa0, 31, STRING)
  bytes.set(encoded, at)
  at += encoded.length
}

function writeBigInt(value: bigint): void {
  if (value >= 2n ** 64n || value < -(2n ** 63n)) throw new RangeError("it is a BigInt of more than 64 bits")
  if (value >= 2n ** 63n) {
    bytes[at++] = 0xcf
    view.setBigUint64(at, value)
  } else {
    bytes[at++] = 0xd3
    view.setBigInt64(at, value)
  }
  at += 8
}

function writeObject(value: object, depth: number): void {
  if (depth === MAX_DEPTH) throw new RangeError("it refers to itself, or is nested too deeply")
  if (Array.isArray(value)) {
    writeArray(value, depth)
    return
  }
  if (ArrayBuffer.isView(value)) {
    writeBytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
  } else if (value instanceof ArrayBuffer) {
    writeBytes(new Uint8Array(value))
  } else if (value instanceof Date) {
    writeDate(value.getTime())
  } else if (value instanceof Map) {
    writeLength(value.size, 0x80, 15, MAP)
    for (const [key, one] of value) {
      write(key, depth + 1)
      write(one, depth + 1)
    }
  } else if (value.constructor !== Object && typeof (value as { toJSON?: unknown }).toJSON === "function") {
    write((value as { toJSON(): unknown }).toJSON(), depth + 1)
  } else if (value instanceof Set) {
    writeArray([...value], depth)
  } else if (value instanceof Error) {
    writeEntries(
      [
        ["name", value.name],
        ["message", value.message],
      ],
      depth,
    )
  } else if (value instanceof RegExp) {
    throw new TypeError("a RegExp has no form; send its source")
  } else {
    writeEntries(Object.entries(value), depth)
  }
}

function writeArray(values: readonly unknown[], depth: number): void {
  writeLength(values.length, 0x90, 15, ARRAY)
  // Not `for of`: holes are values, too.
  for (let i = 0; i < values.length; i++) write(values[i], depth + 1)
}

function writeEntries(entries: readonly (readonly [string, unknown])[], depth: number): void {
  writeLength(entries.length, 0x80, 15, MAP)
  for (const [key, one] of entries) {
    writeString(key)
    write(one, depth + 1)
  }
}

function writeBytes(data: Uint8Array): void {
  reserve(data.length + 5)
  writeLength(data.length, 0, -1, BYTES)
  bytes.set(data, at)
  at += data.length
}

/** The timestamp of the specification, in 32, 64 or 96 bits; an invalid date as the library of the nodes writes it. */
function writeDate(milliseconds: number): void {
  if (Number.isNaN(milliseconds)) {
    bytes.set([0xd4, 0xff, 0xff], at)
    at += 3
    return
  }
  const seconds = Math.floor(milliseconds / 1000)
  const nanoseconds = (milliseconds - seconds * 1000) * 1_000_000
  if (seconds >= 0 && seconds < 2 ** 32) {
    if (nanoseconds === 0) {
      writeTimestamp(0xd6)
      view.setUint32(at, seconds)
      at += 4
      return
    }
    writeTimestamp(0xd7)
    // Thirty bits of nanoseconds, and 34 of seconds, the upper two of which are 0.
    view.setUint32(at, nanoseconds * 4)
    view.setUint32(at + 4, seconds)
    at += 8
    return
  }
  bytes[at++] = 0xc7
  writeTimestamp(12)
  view.setUint32(at, nanoseconds)
  view.setBigInt64(at + 4, BigInt(seconds))
  at += 12
}

function writeTimestamp(token: number): void {
  bytes[at++] = token
  bytes[at++] = 0xff
}
