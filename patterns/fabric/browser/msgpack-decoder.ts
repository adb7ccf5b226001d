/**
 * Plain MessagePack to values. It comes from the network: no length that it announces makes memory, and what has no plain form (extensions but
 * timestamps and `undefined`) is refused, as nodes refuse it (core/codecs/msgpack-check.ts).
 */
import { undecodable } from "../../../core/codecs/failure.ts"
import { MAX_CONTAINERS, MAX_DEPTH } from "../../../core/codecs/msgpack-check.ts"

/** A byte order mark is a character like others. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true })

/** Shorter texts are mostly ASCII: character by character is faster than a call of the decoder. */
const SHORT = 24

/** What is being read. Reading calls nothing of the user's, so that there is one at a time. */
let bytes: Uint8Array = new Uint8Array(0)
let view: DataView = new DataView(bytes.buffer)
let at = 0
let containers = 0

/** Throws ERR_CODEC unless `payload` is exactly one value. Bytes in it are views. */
export function decodeMsgpack(payload: Uint8Array): unknown {
  bytes = payload
  view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
  at = 0
  containers = 0
  try {
    const value = read(0)
    if (at !== payload.length) throw new Error(`${payload.length - at} bytes after the value`)
    return value
  } catch (error) {
    throw undecodable("msgpack", error instanceof RangeError ? "it ends too soon" : (error as Error).message, error)
  }
}

function read(depth: number): unknown {
  const token = byte()
  if (token < 0x80) return token
  if (token >= 0xe0) return token - 0x100
  if (token < 0x90) return readMap(token - 0x80, depth)
  if (token < 0xa0) return readArray(token - 0x90, depth)
  if (token < 0xc0) return readString(token - 0xa0)
  switch (token) {
    case 0xc0:
      return null
    case 0xc2:
      return false
    case 0xc3:
      return true
    case 0xc4:
      return take(byte())
    case 0xc5:
      return take(uint16())
    case 0xc6:
      return take(uint32())
    case 0xc7:
      return readLong()
    case 0xca:
      return view.getFloat32(skip(4))
    case 0xcb:
      return view.getFloat64(skip(8))
    case 0xcc:
      return byte()
    case 0xcd:
      return uint16()
    case 0xce:
      return uint32()
    case 0xcf:
      return view.getBigUint64(skip(8))
    case 0xd0:
      return view.getInt8(skip(1))
    case 0xd1:
      return view.getInt16(skip(2))
    case 0xd2:
      return view.getInt32(skip(4))
    case 0xd3:
      return view.getBigInt64(skip(8))
    case 0xd4:
      return readTiny()
    case 0xd6:
      mustBeTimestamp()
      return new Date(uint32() * 1000)
    case 0xd7: {
      mustBeTimestamp()
      const high = uint32()
      const seconds = (high % 4) * 2 ** 32 + uint32()
      return new Date(seconds * 1000 + Math.floor(high / 4) / 1_000_000)
    }
    case 0xd9:
      return readString(byte())
    case 0xda:
      return readString(uint16())
    case 0xdb:
      return readString(uint32())
    case 0xdc:
      return readArray(uint16(), depth)
    case 0xdd:
      return readArray(uint32(), depth)
    case 0xde:
      return readMap(uint16(), depth)
    case 0xdf:
      return readMap(uint32(), depth)
    default:
      throw new Error(`the byte 0x${token.toString(16)} begins no value that is accepted`)
  }
}

/** DataView and this see to it that nothing is read beyond the end. */
function skip(count: number): number {
  if (count > bytes.length - at) throw new RangeError()
  at += count
  return at - count
}

function byte(): number {
  return bytes[skip(1)]
}

function uint16(): number {
  return view.getUint16(skip(2))
}

function uint32(): number {
  return view.getUint32(skip(4))
}

function take(count: number): Uint8Array {
  const start = skip(count)
  return bytes.subarray(start, at)
}

function readString(length: number): string {
  const start = skip(length)
  if (length <= SHORT) {
    let text = ""
    let i = start
    for (; i < at; i++) {
      const code = bytes[i]
      if (code > 127) break
      text += String.fromCharCode(code)
    }
    if (i === at) return text
  }
  return decoder.decode(bytes.subarray(start, at))
}

function readArray(count: number, depth: number): unknown[] {
  enter(count, depth)
  const values: unknown[] = []
  for (let i = 0; i < count; i++) values.push(read(depth + 1))
  return values
}

function readMap(count: number, depth: number): Record<string, unknown> {
  enter(count * 2, depth)
  const object: Record<string, unknown> = {}
  for (let i = 0; i < count; i++) {
    const key = read(depth + 1)
    if (typeof key === "object" && key !== null) throw new Error("a map has a key that is no plain value")
    const name = String(key)
    // As the library of the nodes has it: assigned, it would be the prototype.
    object[name === "__proto__" ? "__proto_" : name] = read(depth + 1)
  }
  return object
}

/** Each value takes a byte at least: who announces more than there are bytes lies. */
function enter(values: number, depth: number): void {
  if (values > bytes.length - at) throw new RangeError()
  if (values > 0 && depth === MAX_DEPTH) throw new Error(`it is nested more than ${MAX_DEPTH} deep`)
  if (++containers > MAX_CONTAINERS) throw new Error(`it has more than ${MAX_CONTAINERS} arrays and objects`)
}

/** An extension of one byte: `undefined`, or an invalid date. */
function readTiny(): unknown {
  const type = byte()
  skip(1)
  if (type === 0) return undefined
  if (type !== 0xff) throw extension(type)
  return new Date(Number.NaN)
}

/** The timestamp of 96 bits. */
function readLong(): Date {
  const size = byte()
  if (size !== 12) throw extension(byte())
  mustBeTimestamp()
  const nanoseconds = uint32()
  return new Date(Number(view.getBigInt64(skip(8))) * 1000 + nanoseconds / 1_000_000)
}

function mustBeTimestamp(): void {
  const type = byte()
  if (type !== 0xff) throw extension(type)
}

function extension(type: number): Error {
  return new Error(
    `it has the extension type ${type > 127 ? type - 256 : type}; only timestamps and undefined are accepted`,
  )
}
