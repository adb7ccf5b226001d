import type { Compression, KafkaHeader, KafkaRecord } from "../driver.ts"
import type { RecordShape } from "../record-shape.ts"
import type { SharedHeaders } from "../shared-headers.ts"
import { copySpan, type Span, spanOf } from "../span.ts"
import type { Library } from "./load.ts"
import { Cursor, varintSize, writeVarint } from "./varint.ts"

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

/** What stands around the value of a record: the key, and the headers up to the number's digits; with lengths and counts. */
interface Frame {
  readonly before: Span
  readonly after: Buffer
}

function frameOf(shape: RecordShape): Frame {
  shape.encoded ??= makeFrame(shape)
  return shape.encoded as Frame
}

function makeFrame({ key, headers }: RecordShape): Frame {
  const before = Buffer.alloc(MOST_VARINT + (key?.length ?? 0))
  const shared = sharedBytes(headers)
  const name = headerName(headers.numbered)
  const after = Buffer.alloc(2 * MOST_VARINT + shared.length + name.length)
  let at = writeVarint(after, 0, headers.list.length + 1)
  after.set(shared, at)
  at = writeBytes(after, at + shared.length, name)
  return {
    before: spanOf(Buffer.from(before.subarray(0, writeBytes(before, 0, key)))),
    after: Buffer.from(after.subarray(0, at)),
  }
}

/** Of a whole number as text. */
function digitsOf(number: number): number {
  let length = 1
  for (let power = 10; power <= number; power *= 10) length++
  return length
}

/** The digits of 0 to 99, two each. */
const PAIRS = Buffer.from(Array.from({ length: 100 }, (_, number) => String(number).padStart(2, "0")).join(""))

/** A whole number as text of so many digits, its length before it. */
function writeDigits(target: Buffer, start: number, number: number, length: number): number {
  const end = start + 1 + length
  // Zigzag of at most 16.
  target[start] = length << 1
  let rest = number
  let at = end
  while (rest > 9) {
    // Beyond 31 bits the remainder is slow, and few get there.
    const higher = rest > 0x7fffffff ? Math.floor(rest / 100) : (rest / 100) | 0
    const pair = 2 * (rest - higher * 100)
    target[--at] = PAIRS[pair + 1]
    target[--at] = PAIRS[pair]
    rest = higher
  }
  if (at > start + 1) target[--at] = 48 + rest
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
    if (number !== undefined)
      at = writeDigits(target, writeBytes(target, at, headerName(shared.numbered)), number, digitsOf(number))
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

/** Where nothing is known of how many records there will be. */
const FIRST_ROOM = 4_096

export function batchMemory(): Buffer {
  return Buffer.allocUnsafeSlow(BATCH_HEADER + FIRST_ROOM)
}

/** A sixteenth of a batch: records longer than that are few. */
const NEARLY = 4

/**
 * Writes records of one partition behind one another, as they come. The library makes an object with lists of buffers for each record.
 */
export class BatchEncoder {
  count = 0
  private readonly limit: number
  private target: Span
  private used = BATCH_HEADER
  private lastSize = 0
  private firstTime = 0
  private lastTime = 0

  /** `limit`: bytes of a batch, which one record may exceed. `memory`: to be filled; when it is too small, other memory takes its place. */
  constructor(limit: number, memory = batchMemory()) {
    this.limit = limit
    this.target = spanOf(memory)
  }

  /** One more may not fit. */
  get isNearlyFull(): boolean {
    const { limit, used, lastSize } = this
    return limit - used < Math.max(limit >> NEARLY, lastSize)
  }

  /** What it fills. */
  get memory(): Buffer {
    return this.target.bytes
  }

  /** False: it does not fit any more, and nothing was added. */
  add(record: KafkaRecord): boolean {
    const { count, used, limit } = this
    this.makeRoom(roomFor(record))
    if (count === 0) this.begin(record.timestamp)
    const end = writeRecord(this.target.bytes, used, record, count, this.firstTime)
    if (count > 0 && end > limit) return false
    this.added(end, record.timestamp)
    return true
  }

  /** The same, of a record of that shape whose value lies in `source` from `from` up to `to`. */
  addValue(shape: RecordShape, source: Span, from: number, to: number, timestamp: number, number: number): boolean {
    const { count, used } = this
    const { before, after } = frameOf(shape)
    const head = before.bytes.length
    const length = to - from
    if (count === 0) this.begin(timestamp)
    const delta = timestamp - this.firstTime
    const digits = digitsOf(number)
    const size = 2 + varintSize(delta) + varintSize(count) + head + varintSize(length) + length + after.length + digits
    const end = used + varintSize(size) + size
    if (count > 0 && end > this.limit) return false
    this.makeRoom(end - used)
    const { target } = this
    const { bytes } = target
    let at = writeVarint(bytes, used, size)
    bytes[at++] = 0
    at = writeVarint(bytes, writeVarint(bytes, at, delta), count)
    copySpan(before, 0, head, target, at)
    at = writeVarint(bytes, at + head, length)
    copySpan(source, from, to, target, at)
    at += length
    bytes.set(after, at)
    writeDigits(bytes, at + after.length, number, digits)
    this.added(end, timestamp)
    return true
  }

  /** What was added; the encoder is of no use any more. */
  take(): EncodedRecords {
    const { target, used, firstTime, lastTime, count } = this
    return { bytes: target.bytes.subarray(0, used), firstTime, lastTime, count }
  }

  private makeRoom(room: number): void {
    const { used, target } = this
    if (used + room > target.bytes.length) this.target = spanOf(grown(target.bytes, used, used + room))
  }

  private begin(timestamp: number): void {
    this.firstTime = timestamp
    this.lastTime = timestamp
  }

  private added(end: number, timestamp: number): void {
    this.lastSize = end - this.used
    this.used = end
    this.count++
    if (timestamp > this.lastTime) this.lastTime = timestamp
  }
}

/** As many records, from `from` on, as fit into `limit` bytes: one at least. `records` are all of one partition. */
export function encodeRecords(records: readonly KafkaRecord[], from: number, limit: number): EncodedRecords {
  const encoder = new BatchEncoder(limit)
  for (let index = from; index < records.length; index++) if (!encoder.add(records[index])) break
  return encoder.take()
}

/** The same records in two batches, where a broker wants no larger ones. There are two at least; they are not compressed. */
export function halved({ bytes, firstTime, count }: EncodedRecords): [EncodedRecords, EncodedRecords] {
  const middle = count >> 1
  const cursor = new Cursor(bytes, BATCH_HEADER)
  const times = [firstTime, firstTime]
  for (let index = 0; index < middle; index++) {
    const end = cursor.varint() + cursor.at
    cursor.at++
    times[0] = Math.max(times[0], firstTime + cursor.varint())
    cursor.at = end
  }
  const first = { bytes: bytes.subarray(0, cursor.at), firstTime, lastTime: times[0], count: middle }
  // Times and places count from the first of a batch, and may have other lengths.
  const target = Buffer.allocUnsafe(BATCH_HEADER + bytes.length - cursor.at + (count - middle) * 3 * MOST_VARINT)
  let used = BATCH_HEADER
  let secondTime = 0
  let lastTime = 0
  for (let index = 0; index < count - middle; index++) {
    const end = cursor.varint() + cursor.at
    const attributes = bytes[cursor.at++]
    const time = firstTime + cursor.varint()
    cursor.varint()
    if (index === 0) {
      secondTime = time
      lastTime = time
    } else if (time > lastTime) lastTime = time
    const delta = time - secondTime
    used = writeVarint(target, used, 1 + varintSize(delta) + varintSize(index) + end - cursor.at)
    target[used++] = attributes
    used = writeVarint(target, writeVarint(target, used, delta), index)
    used += bytes.copy(target, used, cursor.at, end)
    cursor.at = end
  }
  return [first, { bytes: target.subarray(0, used), firstTime: secondTime, lastTime, count: count - middle }]
}

function grown(target: Buffer, used: number, needed: number): Buffer {
  const larger = Buffer.allocUnsafeSlow(Math.max(needed, target.length * 2))
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

/** The library copies what it gives to the native function, unless it comes as a list of buffers; the other one takes buffers only. */
function checksum(library: Library, bytes: Buffer): number {
  native ??= library.loadNativeCRC32C() !== null
  return library.crc32c(native ? library.Writer.create().append(bytes).dynamicBuffer : bytes)
}

let native: boolean | undefined

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
  bytes.writeUInt32BE(checksum(library, bytes.subarray(CHECKED_FROM)), CRC_AT)
  return bytes
}
