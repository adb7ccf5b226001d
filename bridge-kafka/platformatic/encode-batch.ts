import type { Compression, KafkaHeader, KafkaRecord } from "../driver.ts"
import type { SharedHeaders } from "../shared-headers.ts"
import type { Library } from "./load.ts"
import { varintSize, writeVarint } from "./varint.ts"

/** Bytes in front of the records of a batch (format 2, Kafka 0.11 and later). */
export const BATCH_HEADER = 61
/** What the checksum covers begins behind it. */
const CHECKED_FROM = 21
const CRC_AT = 17
const TRANSACTIONAL = 1 << 4

/** Names come from few programs; a map that is full is emptied, not grown. */
const MOST_NAMES = 1_000
const headerNames = new Map<string, Buffer>()

function headerName(name: string): Buffer {
  const known = headerNames.get(name)
  if (known !== undefined) return known
  if (headerNames.size >= MOST_NAMES) headerNames.clear()
  const bytes = Buffer.from(name)
  headerNames.set(name, bytes)
  return bytes
}

/** Who sends, and the number of the first record (KIP-98). */
export interface Sender {
  readonly id: bigint
  readonly epoch: number
  readonly sequence: number
  readonly transactional: boolean
}

/** Bytes that a record takes at most, its length included. */
function roomFor({ key, value, headers, shared }: KafkaRecord): number {
  let room = 6 * MOST_VARINT + (key?.length ?? 0) + (value?.length ?? 0)
  if (shared !== undefined)
    room += sharedBytes(shared).length + 2 * MOST_VARINT + headerName(shared.numbered).length + DIGITS
  for (let i = 0; i < headers.length; i++)
    room += 2 * MOST_VARINT + headerName(headers[i][0]).length + headers[i][1].length
  return room
}

/** Of 2^53. */
const MOST_VARINT = 8
const DIGITS = 16

/** As they stand in records, without their count. */
function sharedBytes(shared: SharedHeaders): Buffer {
  if (shared.encoded !== null) return shared.encoded
  let room = 0
  for (const [name, value] of shared.list) room += 2 * MOST_VARINT + headerName(name).length + value.length
  const bytes = Buffer.allocUnsafe(room)
  let at = 0
  for (const header of shared.list) at = writeHeader(bytes, at, header)
  shared.encoded = Buffer.from(bytes.subarray(0, at))
  return shared.encoded
}

/** Below it, a loop is quicker than a call into C++. */
const SHORT = 24

function writeBytes(target: Buffer, at: number, bytes: Buffer | null): number {
  if (bytes === null) return writeVarint(target, at, -1)
  const { length } = bytes
  const start = writeVarint(target, at, length)
  if (length > SHORT) target.set(bytes, start)
  else for (let i = 0; i < length; i++) target[start + i] = bytes[i]
  return start + length
}

function writeHeader(target: Buffer, start: number, [name, value]: KafkaHeader): number {
  return writeBytes(target, writeBytes(target, start, headerName(name)), value)
}

/** A whole number as text, its length before it. */
function writeDigits(target: Buffer, start: number, number: number): number {
  let length = 1
  for (let power = 10; power <= number; power *= 10) length++
  const end = start + 1 + length
  // Zigzag of at most 16.
  target[start] = length << 1
  let rest = number
  for (let at = end - 1; at > start; at--) {
    // Beyond 31 bits the remainder is slow, and few get there.
    const higher = rest > 0x7fffffff ? Math.floor(rest / 10) : (rest / 10) | 0
    target[at] = 48 + (rest - higher * 10)
    rest = higher
  }
  return end
}

/** Of the records behind it: two bytes up to 8 KiB. */
const LENGTH_ROOM = 2

function writeRecord(target: Buffer, start: number, record: KafkaRecord, index: number, firstTime: number): number {
  // The length stands first and is known last: room as for most.
  let at = start + LENGTH_ROOM
  target[at++] = 0
  at = writeVarint(target, at, record.timestamp - firstTime)
  at = writeVarint(target, at, index)
  at = writeBytes(target, at, record.key)
  at = writeBytes(target, at, record.value)
  const { headers, shared, number } = record
  if (shared === undefined) at = writeVarint(target, at, headers.length)
  else {
    at = writeVarint(target, at, headers.length + shared.list.length + (number === undefined ? 0 : 1))
    const bytes = sharedBytes(shared)
    target.set(bytes, at)
    at += bytes.length
    if (number !== undefined) at = writeDigits(target, writeBytes(target, at, headerName(shared.numbered)), number)
  }
  for (let i = 0; i < headers.length; i++) at = writeHeader(target, at, headers[i])
  const size = at - start - LENGTH_ROOM
  const taken = varintSize(size)
  if (taken !== LENGTH_ROOM) target.copyWithin(start + taken, start + LENGTH_ROOM, at)
  writeVarint(target, start, size)
  return start + taken + size
}

/** Records of one partition, encoded; the sender's numbers are still to be put in. */
export interface EncodedRecords {
  /** The header's place is left free. */
  readonly bytes: Buffer
  readonly firstTime: number
  readonly lastTime: number
  readonly count: number
}

/**
 * Encodes as many records, from `from` on, as fit into `limit` bytes: one at least. `records` are all of one partition.
 * The library makes an object with lists of buffers for each record; this writes them behind one another.
 */
export function encodeRecords(records: readonly KafkaRecord[], from: number, limit: number): EncodedRecords {
  const firstTime = records[from].timestamp
  let lastTime = firstTime
  let target = Buffer.allocUnsafe(BATCH_HEADER + Math.min(limit + MARGIN, guess(records, from)))
  let at = BATCH_HEADER
  let index = from
  for (; index < records.length; index++) {
    const record = records[index]
    const room = at + roomFor(record)
    if (room > target.length) target = grown(target, at, room)
    const end = writeRecord(target, at, record, index - from, firstTime)
    if (index > from && end > limit) break
    at = end
    if (record.timestamp > lastTime) lastTime = record.timestamp
  }
  return { bytes: target.subarray(0, at), firstTime, lastTime, count: index - from }
}

/** For the record that does not fit any more. */
const MARGIN = 4_096

/** The first record stands for all. */
function guess(records: readonly KafkaRecord[], from: number): number {
  return roomFor(records[from]) * (records.length - from)
}

function grown(target: Buffer, used: number, needed: number) {
  const larger = Buffer.allocUnsafe(Math.max(needed, target.length * 2))
  target.copy(larger, 0, 0, used)
  return larger
}

/** Kafka's numbers of the codecs. */
const CODECS: Readonly<Record<Compression, number>> = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 }

/** Compresses the records of a batch, when it is wanted. */
export async function compress(library: Library, records: EncodedRecords, codec: Compression): Promise<EncodedRecords> {
  if (codec === "none") return records
  const algorithm = library.compressionsAlgorithms[codec]
  const plain = records.bytes.subarray(BATCH_HEADER)
  const packed = codec === "gzip" ? await gzip(library, plain) : algorithm.compressSync(plain)
  const bytes = Buffer.allocUnsafe(BATCH_HEADER + packed.length)
  bytes.set(packed, BATCH_HEADER)
  return { ...records, bytes }
}

/** In a thread of its own: it is the slow one. */
function gzip(library: Library, bytes: Buffer): Promise<Buffer> {
  return library.compressionsAlgorithms.gzip.compress(bytes)
}

function writeInt64(target: Buffer, value: number, at: number): void {
  target.writeInt32BE(Math.floor(value / 0x1_0000_0000), at)
  target.writeUInt32BE(value - Math.floor(value / 0x1_0000_0000) * 0x1_0000_0000, at + 4)
}

/** Fills in the header in place: the batch is ready to be sent, and may be sent again as it is. */
export function sealBatch(library: Library, records: EncodedRecords, codec: Compression, sender: Sender): Buffer {
  const { bytes, count } = records
  bytes.fill(0, 0, 8)
  bytes.writeInt32BE(bytes.length - 12, 8)
  bytes.writeInt32BE(-1, 12)
  bytes[16] = 2
  bytes.writeInt16BE(CODECS[codec] | (sender.transactional ? TRANSACTIONAL : 0), 21)
  bytes.writeInt32BE(count - 1, 23)
  writeInt64(bytes, records.firstTime, 27)
  writeInt64(bytes, records.lastTime, 35)
  bytes.writeBigInt64BE(sender.id, 43)
  bytes.writeInt16BE(sender.epoch, 51)
  bytes.writeInt32BE(sender.sequence, 53)
  bytes.writeInt32BE(count, 57)
  bytes.writeUInt32BE(library.crc32c(bytes.subarray(CHECKED_FROM)), CRC_AT)
  return bytes
}
