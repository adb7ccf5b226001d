/**
 * Rewrites MessagePack with the record structures of a link as plain MessagePack, from bytes to bytes: records become maps,
 * `undefined` becomes nil, all else stays as it is. Several times as fast as to decode and encode the value.
 */
import { Buffer } from "node:buffer"

/** A record structure as the head of a map and its keys, each encoded. */
export interface PlainStructure {
  readonly head: Buffer
  readonly keys: readonly Buffer[]
}

/**
 * Bytes of one result. A structure's keys may have 64 KiB and stand for one byte of a payload: what comes from the network must not
 * choose how much memory it takes. Honest payloads grow some three times.
 */
export const MAX_PLAIN = 64 * 1024 * 1024

/** Shorter runs are copied byte by byte: a call of `copy` costs as much as some thirty of them. */
const SHORT = 24

const CHUNK = 64 * 1024

const NOTHING = Buffer.alloc(0)

/** Results are cut from it one behind the other, so that a small payload makes no memory of its own. */
let chunk: Buffer = NOTHING
let used = 0
/** Where the result under way began. */
let first = 0

/** Levels that are open: values left to read, and for a record its structure (null = any other container). */
const left: number[] = []
const records: (PlainStructure | null)[] = []

export function plainStructure(keys: readonly string[]): PlainStructure {
  return { head: Buffer.from(mapHead(keys.length)), keys: keys.map(encodeString) }
}

/**
 * `bytes` from `start` to `end` as plain MessagePack; they must have passed `checkMsgpack` with the same structures. The result never
 * changes; it is a view of `bytes` where nothing had to change. Throws an Error when it would exceed `MAX_PLAIN`.
 */
export function plainMsgpack(
  bytes: Buffer,
  structures: readonly PlainStructure[],
  start: number = 0,
  end: number = bytes.length,
): Buffer {
  first = used
  let from = start
  let at = start
  let depth = 0
  let rest = 1
  let record: PlainStructure | null = null
  while (at < end) {
    while (rest === 0) {
      rest = left[--depth]
      record = records[depth]
    }
    if (record !== null) {
      write(bytes, from, at)
      from = at
      const key: Buffer = record.keys[record.keys.length - rest]
      write(key, 0, key.length)
    }
    rest--
    const token = bytes[at]
    let inside = 0
    let structure: PlainStructure | null = null
    if (token >= 0x40 && token < 0x80) {
      write(bytes, from, at)
      let index = token - 0x40
      if (index >= 32) index += bytes[++at] * 32
      at++
      from = at
      structure = structures[index]
      write(structure.head, 0, structure.head.length)
      inside = structure.keys.length
    } else if (token === 0xd4 && bytes[at + 1] === 0) {
      write(bytes, from, at)
      write(NIL, 0, 1)
      at += 3
      from = at
    } else if (token >= 0x80 && token < 0xa0) {
      inside = token < 0x90 ? (token - 0x80) * 2 : token - 0x90
      at++
    } else if (token >= 0xdc && token < 0xe0) {
      const wide = token === 0xdd || token === 0xdf
      const count = wide ? bytes.readUInt32BE(at + 1) : bytes.readUInt16BE(at + 1)
      inside = token >= 0xde ? count * 2 : count
      at += wide ? 5 : 3
    } else at += sizeOfScalar(bytes, at, token)
    if (inside > 0) {
      left[depth] = rest
      records[depth++] = record
      rest = inside
      record = structure
    }
  }
  if (used === first && from === start) return start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end)
  write(bytes, from, end)
  const plain = chunk.subarray(first, used)
  if (chunk.length > CHUNK) {
    // It has grown: small payloads must not hold it.
    chunk = NOTHING
    used = 0
  }
  return plain
}

const NIL = Buffer.of(0xc0)

/** Bytes of a value that holds no others, its token included. */
function sizeOfScalar(bytes: Buffer, at: number, token: number): number {
  if (token < 0x80 || token >= 0xe0) return 1
  if (token < 0xc0) return token - 0x9f
  switch (token) {
    case 0xc4:
    case 0xd9:
      return 2 + bytes[at + 1]
    case 0xc5:
    case 0xda:
      return 3 + bytes.readUInt16BE(at + 1)
    case 0xc6:
    case 0xdb:
      return 5 + bytes.readUInt32BE(at + 1)
    case 0xcc:
    case 0xd0:
      return 2
    case 0xcd:
    case 0xd1:
    case 0xd4:
      return 3
    case 0xca:
    case 0xce:
    case 0xd2:
      return 5
    case 0xd6:
      return 6
    case 0xcb:
    case 0xcf:
    case 0xd3:
      return 9
    case 0xd7:
      return 10
    case 0xc7:
      return 3 + bytes[at + 1]
    default:
      return 1
  }
}

/** Appends `source` from `from` to `to` to the result under way. */
function write(source: Buffer, from: number, to: number): void {
  const size = to - from
  if (size <= 0) return
  if (used + size > chunk.length) grow(size)
  if (size < SHORT) for (let i = from; i < to; i++) chunk[used++] = source[i]
  else used += source.copy(chunk, used, from, to)
}

function grow(size: number): void {
  const made = used - first
  if (made + size > MAX_PLAIN) {
    used = first
    throw new Error(`it has more than ${MAX_PLAIN} bytes as plain MessagePack`)
  }
  const next = Buffer.allocUnsafeSlow(Math.max(CHUNK, Math.min((made + size) * 2, MAX_PLAIN)))
  chunk.copy(next, 0, first, used)
  chunk = next
  first = 0
  used = made
}

function mapHead(count: number): number[] {
  return count < 16 ? [0x80 + count] : [0xde, count >> 8, count & 0xff]
}

function encodeString(text: string): Buffer {
  const bytes = Buffer.from(text)
  const { length } = bytes
  const head = length < 32 ? [0xa0 + length] : length < 256 ? [0xd9, length] : [0xda, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from(head), bytes])
}
