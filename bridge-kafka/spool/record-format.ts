/**
 * A record on the disk (SPOOL-1). Numbers are little-endian.
 *
 *     u32  bytes from `sequence` to the end
 *     u32  CRC-32C of these bytes, with the length as seed
 *     u48  sequence
 *     i48  timestamp, milliseconds since 1970
 *     u8   flags
 *     varint shard; text subject; [text topic]; [varint partition]; [bytes key]; [varint count, (text name, bytes value)...];
 *     [text publisher, varint epoch, varint number, varint floor]; [text id]; value up to the end
 *
 * where text and bytes are a varint length and the bytes, and [] is there when its flag is set.
 */
import { Buffer } from "node:buffer"
import { HeddleError } from "../../core/errors.ts"
import { MAX_VARINT_SIZE, Reader, writeVarint } from "../../core/varint.ts"
import { viewOf } from "../../core/view.ts"
import type { KafkaHeader } from "../driver.ts"
import type { BridgeRecord } from "../record.ts"
import { copySpan, type Span } from "../span.ts"
import { crc32c, crc32cOf } from "./crc32c.ts"
import { Interner } from "./interner.ts"

/** Who numbered a durable message, and how (DUR-1). */
export interface Origin {
  readonly publisher: string
  readonly epoch: number
  readonly number: number
  /** The lowest number of this epoch that the publisher still waits for. */
  readonly floor: number
}

/** A record as the spool gives it back. Its bytes are views of a block that stays in memory as long as they. */
export interface SpoolRecord extends BridgeRecord {
  readonly sequence: number
  readonly shard: number
  /** "" without one. */
  readonly id: string
  /** null: a plain message. */
  readonly origin: Origin | null
}

/** Length and checksum. */
export const PREFIX_SIZE = 8
/** Where the body begins; no record is shorter. */
export const HEAD_SIZE = PREFIX_SIZE + 13
const FLAGS_AT = PREFIX_SIZE + 12

const HAS_TOPIC = 1
const HAS_PARTITION = 2
const HAS_KEY = 4
const HAS_VALUE = 8
const HAS_HEADERS = 16
const HAS_ORIGIN = 32
const HAS_ID = 64
/** Everything before it in this file was on the disk (synced) before this record was written: damage before it is no torn tail. */
export const SYNC_POINT = 128

const TWO_32 = 2 ** 32
/** Of a timestamp: six bytes with sign. */
const TIME_LIMIT = 2 ** 47

/** Up to this many bytes a loop is faster than the call of `set`. */
const SHORT_COPY = 32

/** Bytes of headers that are compared with those of the record before. */
const MOST_KEPT = 48

const NO_HEADERS: readonly KafkaHeader[] = Object.freeze([])

/**
 * At least as many bytes as the record will take; texts may have three bytes a character. Throws EINVAL for a timestamp that is none:
 * after it `encodeRecord` cannot fail.
 */
export function roomFor(record: BridgeRecord, id: string, origin: Origin | null): number {
  const { key, value, headers, timestamp } = record
  if (!(timestamp >= -TIME_LIMIT && timestamp < TIME_LIMIT))
    throw new HeddleError("EINVAL", `The timestamp ${timestamp} of a record on ${record.subject} is no time; give ms`)
  let room = HEAD_SIZE + 8 * MAX_VARINT_SIZE + 3 * (record.subject.length + record.topic.length + id.length)
  if (key !== null) room += key.length
  if (value !== null) room += value.length
  for (let i = 0; i < headers.length; i++) room += 2 * MAX_VARINT_SIZE + 3 * headers[i][0].length + headers[i][1].length
  if (origin !== null) room += 4 * MAX_VARINT_SIZE + 3 * origin.publisher.length
  return room
}

/** Writes at `at`, where `roomFor` bytes are free. Returns where it ended. */
export function encodeRecord(
  into: Buffer,
  start: number,
  sequence: number,
  record: BridgeRecord,
  shard: number,
  id: string,
  origin: Origin | null,
  syncPoint: boolean,
): number {
  const { key, value, headers, timestamp, topic, partition } = record
  let at = start + HEAD_SIZE
  let flags = syncPoint ? SYNC_POINT : 0
  at = writeVarint(shard, into, at)
  at = writeText(record.subject, into, at)
  if (topic !== "") {
    flags |= HAS_TOPIC
    at = writeText(topic, into, at)
  }
  if (partition >= 0) {
    flags |= HAS_PARTITION
    at = writeVarint(partition, into, at)
  }
  if (key !== null) {
    flags |= HAS_KEY
    at = writeVarint(key.length, into, at)
    at = writeBytes(key, into, at)
  }
  if (headers.length > 0) {
    flags |= HAS_HEADERS
    at = writeVarint(headers.length, into, at)
    for (let i = 0; i < headers.length; i++) {
      const bytes = headers[i][1]
      at = writeText(headers[i][0], into, at)
      at = writeVarint(bytes.length, into, at)
      at = writeBytes(bytes, into, at)
    }
  }
  if (origin !== null) {
    flags |= HAS_ORIGIN
    at = writeText(origin.publisher, into, at)
    at = writeVarint(origin.epoch, into, at)
    at = writeVarint(origin.number, into, at)
    at = writeVarint(origin.floor, into, at)
  }
  if (id !== "") {
    flags |= HAS_ID
    at = writeText(id, into, at)
  }
  if (value !== null) {
    flags |= HAS_VALUE
    at = writeBytes(value, into, at)
  }
  const length = at - start - PREFIX_SIZE
  writeU32(length, into, start)
  writeU48(sequence, into, start + PREFIX_SIZE)
  writeU48(timestamp, into, start + PREFIX_SIZE + 6)
  into[start + FLAGS_AT] = flags
  writeU32(crc32c(into, start + PREFIX_SIZE, at, length), into, start + 4)
  return at
}

/** The body of a record that has a subject, headers and a value, up to the value. */
export function encodedBody(subject: string, shard: number, headers: readonly KafkaHeader[]): Buffer {
  const value = Buffer.alloc(0)
  const record = { subject, topic: "", partition: -1, key: null, value, headers, timestamp: 0 }
  const bytes = Buffer.alloc(roomFor(record, "", null))
  return Buffer.from(bytes.subarray(HEAD_SIZE, encodeRecord(bytes, 0, 0, record, shard, "", null, false)))
}

/** What is known of a plain message's record before it comes (plain-form.ts). */
interface PlainBody {
  readonly headers: readonly KafkaHeader[]
  /** By `encodedBody`. */
  readonly body: Span
}

/** Bytes of a record with that body and a value of `length` bytes. */
export function plainSize({ body }: PlainBody, length: number): number {
  return HEAD_SIZE + body.bytes.length + length
}

/** Where the value of a record with that body begins. */
export function valueIn(start: number, { body }: PlainBody): number {
  return start + HEAD_SIZE + body.bytes.length
}

/** As `encodeRecord` of one with that body, whose value lies in `source`: `into` has room for `plainSize` bytes. */
export function encodePlain(
  into: Span,
  start: number,
  sequence: number,
  timestamp: number,
  { body, headers }: PlainBody,
  source: Span,
  from: number,
  to: number,
  syncPoint: boolean,
): number {
  const { bytes, view } = into
  let at = start + HEAD_SIZE
  copySpan(body, 0, body.bytes.length, into, at)
  at += body.bytes.length
  copySpan(source, from, to, into, at)
  at += to - from
  const length = at - start - PREFIX_SIZE
  view.setInt32(start, length, true)
  writeU48(sequence, bytes, start + PREFIX_SIZE)
  writeU48(timestamp, bytes, start + PREFIX_SIZE + 6)
  bytes[start + FLAGS_AT] = HAS_VALUE | (headers.length > 0 ? HAS_HEADERS : 0) | (syncPoint ? SYNC_POINT : 0)
  view.setInt32(start + 4, crc32cOf(into, start + PREFIX_SIZE, at, length), true)
  return at
}

export function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0
}

/** The whole record's size by its length field; NaN when fewer than four bytes are there. */
export function sizeAt(bytes: Uint8Array, at: number, end: number): number {
  return end - at < 4 ? Number.NaN : PREFIX_SIZE + readU32(bytes, at)
}

export function sequenceAt(bytes: Uint8Array, at: number): number {
  const high = bytes[at + PREFIX_SIZE + 4] | (bytes[at + PREFIX_SIZE + 5] << 8)
  return high * TWO_32 + readU32(bytes, at + PREFIX_SIZE)
}

export function timestampAt(bytes: Uint8Array, at: number): number {
  const high = bytes[at + PREFIX_SIZE + 10] | (bytes[at + PREFIX_SIZE + 11] << 8)
  return ((high << 16) >> 16) * TWO_32 + readU32(bytes, at + PREFIX_SIZE + 6)
}

export function isSyncPoint(bytes: Uint8Array, at: number): boolean {
  return (bytes[at + FLAGS_AT] & SYNC_POINT) !== 0
}

/** Without decoding the rest. */
export function shardIn(bytes: Uint8Array, at: number): number {
  let shard = 0
  for (let place = at + HEAD_SIZE, factor = 1; ; place++, factor *= 128) {
    const byte = bytes[place]
    if (byte < 128) return shard + byte * factor
    shard += (byte & 127) * factor
  }
}

export function originIn(bytes: Uint8Array, at: number): boolean {
  return (bytes[at + FLAGS_AT] & HAS_ORIGIN) !== 0
}

/** Of a record that is there whole, by `sizeAt`. */
export function checksumHolds(bytes: Uint8Array, at: number, size: number): boolean {
  return crc32c(bytes, at + PREFIX_SIZE, at + size, size - PREFIX_SIZE) === readU32(bytes, at + 4)
}

export class RecordDecoder {
  private readonly interner = new Interner()
  private reader: Reader | null = null
  private lastBytes: Buffer = Buffer.alloc(0)
  private lastHeaders: readonly KafkaHeader[] = NO_HEADERS

  /**
   * Reads the record at `at`, which is there whole and whose checksum holds. Throws EPROTO when it was not written by this format: a
   * checksum that holds over it means a fault of a program, not of a disk.
   */
  decode(bytes: Buffer, at: number): SpoolRecord {
    const end = at + PREFIX_SIZE + readU32(bytes, at)
    this.reader ??= new Reader(bytes)
    const reader = this.reader
    reader.reset(bytes, at + HEAD_SIZE, end)
    const flags = bytes[at + FLAGS_AT]
    const shard = reader.varint()
    const subject = this.text(reader)
    const topic = (flags & HAS_TOPIC) === 0 ? "" : this.text(reader)
    const partition = (flags & HAS_PARTITION) === 0 ? -1 : reader.varint()
    const key = (flags & HAS_KEY) === 0 ? null : view(reader, reader.varint())
    const headers = (flags & HAS_HEADERS) === 0 ? NO_HEADERS : this.headers(reader)
    const origin = (flags & HAS_ORIGIN) === 0 ? null : this.origin(reader)
    const id = (flags & HAS_ID) === 0 ? "" : reader.utf8(reader.varint())
    const value = (flags & HAS_VALUE) === 0 ? null : viewOf(bytes, reader.at, end)
    return {
      subject,
      topic,
      partition,
      key,
      value,
      headers,
      timestamp: timestampAt(bytes, at),
      sequence: sequenceAt(bytes, at),
      shard,
      id,
      origin,
    }
  }

  private text(reader: Reader): string {
    const length = reader.varint()
    const start = reader.at
    reader.skip(length)
    return this.interner.text(reader.bytes, start, reader.at)
  }

  private headers(reader: Reader): readonly KafkaHeader[] {
    // Of plain messages that come one after the other the headers are mostly the same: no objects for them.
    const { bytes, at } = reader
    const { length } = this.lastBytes
    let same = length > 0 && at + length <= bytes.length ? 0 : -1
    while (same >= 0 && same < length) same = bytes[at + same] === this.lastBytes[same] ? same + 1 : -1
    if (same === length) {
      reader.skip(length)
      return this.lastHeaders
    }
    const headers: KafkaHeader[] = []
    for (let left = reader.varint(); left > 0; left--) headers.push([this.text(reader), view(reader, reader.varint())])
    if (reader.at - at <= MOST_KEPT) {
      this.lastBytes = Buffer.from(viewOf(bytes, at, reader.at))
      // With bytes of their own: views would keep the block of the first of them.
      this.lastHeaders = headers.map(([name, value]) => [name, Buffer.from(value)])
    }
    return headers
  }

  private origin(reader: Reader): Origin {
    return {
      publisher: this.text(reader),
      epoch: reader.varint(),
      number: reader.varint(),
      floor: reader.varint(),
    }
  }
}

function view(reader: Reader, length: number): Buffer {
  const start = reader.at
  reader.skip(length)
  return viewOf(reader.bytes, start, reader.at)
}

export function writeU32(n: number, into: Uint8Array, at: number): void {
  into[at] = n
  into[at + 1] = n >>> 8
  into[at + 2] = n >>> 16
  into[at + 3] = n >>> 24
}

/** The lowest 48 bits, of negative numbers in two's complement. */
export function writeU48(n: number, into: Uint8Array, at: number): void {
  const high = Math.floor(n / TWO_32)
  writeU32(n >>> 0, into, at)
  into[at + 4] = high
  into[at + 5] = high >>> 8
}

function writeBytes(bytes: Uint8Array, into: Uint8Array, at: number): number {
  const { length } = bytes
  if (length > SHORT_COPY) into.set(bytes, at)
  else for (let i = 0; i < length; i++) into[at + i] = bytes[i]
  return at + length
}

/** Mostly short ASCII, for which a call into the runtime costs more than the loop. */
function writeText(text: string, into: Buffer, start: number): number {
  const { length } = text
  let at = writeVarint(length, into, start)
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x7f) return writeUtf8(text, into, start)
    into[at++] = code
  }
  return at
}

function writeUtf8(text: string, into: Buffer, start: number): number {
  // The length goes first, and is not known before: written at its longest place, then moved.
  const far = start + MAX_VARINT_SIZE
  const length = into.write(text, far)
  const at = writeVarint(length, into, start)
  into.copyWithin(at, far, far + length)
  return at + length
}
