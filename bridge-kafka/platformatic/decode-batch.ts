import type { KafkaHeader, ReadLimits, StoredRecord } from "../driver.ts"
import { KafkaError } from "../errors.ts"
import type { Library } from "./load.ts"
import { TooLarge, tooLarge, unpack } from "./unpack.ts"
import { Cursor } from "./varint.ts"

const CODEC = 0b111
const TIMESTAMP_OF_LOG = 1 << 3
const TRANSACTIONAL = 1 << 4
const CONTROL = 1 << 5
/** Offset and length, which a batch begins with. */
const PREFIX = 12

/** A batch of a broker's default size (1 MiB) may have been 64 times that: text that repeats itself, not a bomb. */
const BATCH_BYTES = 64 * 1024 * 1024

/** Memory that V8 takes for a record, and for a header, besides their bytes: few bytes of a batch can be many of these. */
const RECORD_COST = 200
const HEADER_COST = 150

const NO_HEADERS: readonly KafkaHeader[] = []

export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}

export interface Decoded {
  readonly records: StoredRecord[]
  /** Where to read on: behind the last whole batch, also when nothing of it was for us. `from` when there was none. */
  readonly next: number
}

export interface Selection {
  readonly topic: string
  readonly partition: number
  /** First offset that is wanted: a batch may begin before it. */
  readonly from: number
  /** Null: read_uncommitted. All that overlap the bytes, as the broker lists them. */
  readonly aborted: readonly AbortedTransaction[] | null
  readonly limits?: ReadLimits
  /** What is beyond the limits is given as records that are marked (`unreadable`). Default: it is thrown. */
  readonly marks?: boolean
}

/**
 * The records of a fetched piece of a log. Control records are left out, and records of aborted transactions: a producer's range begins at the
 * offset that the broker names and ends at its next abort marker, as often as it aborts, also when the marker is not in this piece (the library
 * remembers one range a producer, and none without a marker: kafka.md 1.3, 8). Views of `bytes`. Batches that would take more memory
 * together than one may are left for the next time. Throws a KafkaError for damage, and for what is beyond the limits.
 */
export function decodeBatches(library: Library, bytes: Buffer, selection: Selection): Decoded {
  const { topic, partition, from } = selection
  const aborted = selection.aborted === null ? [] : [...selection.aborted].sort((a, b) => a.firstOffset - b.firstOffset)
  const aborting = new Set<bigint>()
  const records: StoredRecord[] = []
  const budget = new Budget(selection.limits)
  let next = from
  let start = 0
  let soon = 0
  while (bytes.length - start >= PREFIX) {
    const end = start + PREFIX + bytes.readInt32BE(start + 8)
    // The last one may be cut: it comes again as the first.
    if (end > bytes.length || end <= start + PREFIX) break
    const cursor = new Cursor(bytes.subarray(start, end))
    start = end
    const head = readHeader(library, cursor, `${topic}/${partition}`)
    const last = head.first + head.lastDelta
    const before = next
    next = Math.max(next, last + 1)
    while (soon < aborted.length && aborted[soon].firstOffset <= last) aborting.add(aborted[soon++].producerId)
    if (head.attributes & CONTROL) {
      // Any marker ends the transaction: a commit marker cannot follow while it is listed as aborted.
      aborting.delete(head.producerId)
      continue
    }
    if (head.attributes & TRANSACTIONAL && aborting.has(head.producerId)) continue
    if (last < from) continue
    const known = records.length
    try {
      budget.begin(known > 0)
      readRecords(head, unpacked(library, cursor, head.attributes & CODEC, budget), selection, records, budget)
    } catch (error) {
      if (!(error instanceof TooLarge)) throw error
      records.length = known
      // Alone it may fit: it comes again as the first.
      if (budget.shared) return { records, next: before }
      const place = `${topic}/${partition}: the batch at offset ${head.first}`
      const refusal = tooLarge(`Reading ${place}: ${error.message} (fetch.max.unpacked.bytes)`, "RECORD_LIST_TOO_LARGE")
      if (selection.marks !== true) throw refusal
      const mark = { topic, partition, offset: Math.max(head.first, from), timestamp: head.lastTime }
      records.push({ ...mark, key: null, value: null, headers: NO_HEADERS, unreadable: { error: refusal, last } })
    }
  }
  return { records, next }
}

/** Memory that what is decoded in one go may take. */
class Budget {
  readonly recordBytes: number
  /** Other batches have taken of it already. */
  shared = false
  private used = 0
  private readonly alone: number
  private readonly together: number

  constructor({ batchBytes = BATCH_BYTES, recordBytes = batchBytes, togetherBytes = batchBytes }: ReadLimits = {}) {
    this.alone = batchBytes
    this.together = Math.min(batchBytes, togetherBytes)
    this.recordBytes = recordBytes
  }

  /** What is left of it. */
  get bytes(): number {
    return Math.max((this.shared ? this.together : this.alone) - this.used, 1)
  }

  /** A batch; `others` = records of others are there. */
  begin(others: boolean): void {
    this.shared = others
    if (!others) this.used = 0
  }

  /** Throws `TooLarge`. */
  take(bytes: number): void {
    this.used += bytes
    if (this.used > (this.shared ? this.together : this.alone))
      throw new TooLarge(`it would take more than ${this.alone} bytes of memory when it is unpacked`)
  }
}

interface Head {
  first: number
  lastDelta: number
  attributes: number
  firstTime: number
  lastTime: number
  producerId: bigint
  count: number
}

function readHeader(library: Library, cursor: Cursor, place: string): Head {
  const first = cursor.int64()
  cursor.at += 8
  const magic = cursor.int8()
  if (magic !== 2)
    throw new KafkaError("fatal", `Reading ${place}: a batch of format ${magic}, which is older than Kafka 0.11`)
  const sum = cursor.uint32()
  if (library.crc32c(cursor.bytes.subarray(cursor.at)) !== sum) {
    const text = `Reading ${place}: the batch at offset ${first} is damaged (its checksum differs)`
    throw new KafkaError("retriable", text, { protocolName: "CORRUPT_MESSAGE" })
  }
  const attributes = cursor.int16()
  const lastDelta = cursor.int32()
  const firstTime = cursor.int64()
  const lastTime = cursor.int64()
  const producerId = cursor.bigint64()
  cursor.at += 6
  return { first, lastDelta, attributes, firstTime, lastTime, producerId, count: cursor.int32() }
}

function unpacked(library: Library, cursor: Cursor, codec: number, budget: Budget): Cursor {
  if (codec === 0) return cursor
  const bytes = unpack(library, cursor.take(cursor.left), codec, budget.bytes)
  budget.take(bytes.length)
  return new Cursor(bytes)
}

function readRecords(
  head: Head,
  cursor: Cursor,
  { topic, partition, from, marks }: Selection,
  records: StoredRecord[],
  budget: Budget,
): void {
  for (let left = head.count; left > 0; left--) {
    const size = cursor.varint()
    const end = cursor.at + size
    cursor.at++
    const timestamp =
      head.attributes & TIMESTAMP_OF_LOG ? head.lastTime + skip(cursor) : head.firstTime + cursor.varint()
    const offset = head.first + cursor.varint()
    if (offset < from) {
      cursor.at = end
      continue
    }
    budget.take(RECORD_COST)
    const key = nullable(cursor)
    const value = nullable(cursor)
    const record = { topic, partition, key, value, headers: readHeaders(cursor, budget), timestamp, offset }
    if (size <= budget.recordBytes) records.push(record)
    else {
      const place = `${topic}/${partition}: the record at offset ${offset}`
      const text = `Reading ${place} has ${size} bytes, more than ${budget.recordBytes} (fetch.max.record.bytes)`
      const error = tooLarge(text, "RECORD_TOO_LARGE")
      if (marks !== true) throw error
      records.push({ ...record, unreadable: { error, last: offset } })
    }
    cursor.at = end
  }
}

/** The topic's time is the log's: the record's own counts for nothing. */
function skip(cursor: Cursor): 0 {
  cursor.varint()
  return 0
}

function nullable(cursor: Cursor): Buffer | null {
  const length = cursor.varint()
  return length < 0 ? null : cursor.take(length)
}

function readHeaders(cursor: Cursor, budget: Budget): readonly KafkaHeader[] {
  const count = cursor.varint()
  if (count === 0) return NO_HEADERS
  const headers: KafkaHeader[] = []
  for (let left = count; left > 0; left--) {
    budget.take(HEADER_COST)
    const name = cursor.take(cursor.varint()).toString("utf8")
    // Kafka knows a header without a value; the contract does not.
    headers.push([name, nullable(cursor) ?? EMPTY])
  }
  return headers
}

const EMPTY = Buffer.alloc(0)
