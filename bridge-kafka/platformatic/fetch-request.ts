import type { ReadLimits, StoredRecord } from "../driver.ts"
import { type AbortedTransaction, decodeBatches } from "./decode-batch.ts"
import { protocolError } from "./errors.ts"
import type { Connection, Library } from "./load.ts"
import { Cursor } from "./varint.ts"

const FETCH = 1
/** The newest that names topics by their names (Kafka 2.7 to 4.x): ids would have to be looked up and go stale. */
const VERSION = 12

export interface FetchFrom {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

export interface FetchOptions {
  /** Milliseconds that the broker waits for data. */
  readonly maxWait: number
  readonly maxBytes: number
  readonly committedOnly: boolean
  readonly limits?: ReadLimits
  /** See `Selection`. */
  readonly marks?: boolean
}

export interface Fetched {
  readonly topic: string
  readonly partition: number
  /** Of the protocol; 0 = no error. */
  readonly code: number
  /** Behind the last record that may be read now: of committed transactions, when only they are asked for. */
  readonly end: number
  readonly records: readonly StoredRecord[]
  /** Where to read on. */
  readonly next: number
}

/** Reads from the broker that leads all these partitions. */
export function fetch(
  library: Library,
  connection: Connection,
  from: readonly FetchFrom[],
  options: FetchOptions,
): Promise<Fetched[]> {
  return new Promise((resolve, reject) => {
    connection.send<Fetched[]>(
      FETCH,
      VERSION,
      () => encode(library, from, options),
      (_id, _key, _version, reader) => decode(library, reader.buffer.buffer, from, options),
      true,
      true,
      (error, fetched) => (error ? reject(error) : resolve(fetched ?? [])),
    )
  })
}

function encode(library: Library, from: readonly FetchFrom[], { maxWait, maxBytes, committedOnly }: FetchOptions) {
  const topics = new Map<string, FetchFrom[]>()
  for (const place of from) topics.set(place.topic, [...(topics.get(place.topic) ?? []), place])
  return library.Writer.create()
    .appendInt32(-1)
    .appendInt32(maxWait)
    .appendInt32(1)
    .appendInt32(maxBytes)
    .appendInt8(committedOnly ? 1 : 0)
    .appendInt32(0)
    .appendInt32(-1)
    .appendArray([...topics], (topicWriter, [topic, places]) => {
      topicWriter.appendString(topic).appendArray(places, (writer, place) => {
        writer
          .appendInt32(place.partition)
          .appendInt32(-1)
          .appendInt64(BigInt(place.offset))
          .appendInt32(-1)
          .appendInt64(-1n)
          .appendInt32(maxBytes)
      })
    })
    .appendArray([], () => {})
    .appendString("")
    .appendTaggedFields()
}

function decode(library: Library, bytes: Buffer, from: readonly FetchFrom[], options: FetchOptions): Fetched[] {
  const cursor = new Cursor(bytes)
  cursor.at += 4
  const code = cursor.int16()
  if (code !== 0) throw protocolError(code, "Reading records")
  cursor.at += 4
  const fetched: Fetched[] = []
  for (let topics = cursor.arrayLength(); topics > 0; topics--) {
    const topic = cursor.compactString() ?? ""
    for (let partitions = cursor.arrayLength(); partitions > 0; partitions--) {
      const answer = decodePartition(cursor)
      const place = from.find(asked => asked.topic === topic && asked.partition === answer.partition)
      if (place === undefined) continue
      const { partition, aborted, records } = answer
      const { limits, marks } = options
      const selected = { topic, partition, from: place.offset, limits, marks }
      const selection = { ...selected, aborted: options.committedOnly ? aborted : null }
      const decoded = decodeBatches(library, records, selection)
      const end = options.committedOnly ? answer.lastStable : answer.highWatermark
      fetched.push({ topic, partition, code: answer.code, end, ...decoded })
    }
    cursor.skipTags()
  }
  return fetched
}

function decodePartition(cursor: Cursor) {
  const partition = cursor.int32()
  const code = cursor.int16()
  const highWatermark = cursor.int64()
  const lastStable = cursor.int64()
  cursor.at += 8
  const aborted: AbortedTransaction[] = []
  for (let count = cursor.arrayLength(); count > 0; count--) {
    aborted.push({ producerId: cursor.bigint64(), firstOffset: cursor.int64() })
    cursor.skipTags()
  }
  cursor.at += 4
  const length = cursor.unsignedVarint()
  const records = cursor.take(Math.max(0, length - 1))
  cursor.skipTags()
  return { partition, code, highWatermark, lastStable, aborted, records }
}
