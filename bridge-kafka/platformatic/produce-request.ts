import { protocolError } from "./errors.ts"
import type { Connection, Library } from "./load.ts"
import { Cursor } from "./varint.ts"

const PRODUCE = 0
/** Versions of one layout: 9 is Kafka 2.4's, 11 the last that asks for explicit transactions. */
export const PRODUCE_VERSIONS = { least: 9, most: 11 } as const

export interface PartitionBatch {
  readonly topic: string
  readonly partition: number
  readonly bytes: Buffer
}

export interface PartitionAnswer {
  readonly topic: string
  readonly partition: number
  readonly code: number
  readonly offset: number
  /** Index in the batch of the record that was refused, or -1. */
  readonly record: number
  readonly said: string | null
}

export interface ProduceRequest {
  readonly version: number
  readonly transactionalId: string | null
  readonly acks: number
  /** Milliseconds that the broker waits for its replicas. */
  readonly timeout: number
  /** One a partition. */
  readonly batches: readonly PartitionBatch[]
}

/** Sends batches to the broker that leads them all. With acks 0 the answer is empty, and comes when the bytes are written. */
export function produce(library: Library, connection: Connection, request: ProduceRequest): Promise<PartitionAnswer[]> {
  return new Promise((resolve, reject) => {
    connection.send(
      PRODUCE,
      request.version,
      () => encode(library, request),
      (_id, _key, _version, reader) => decode(reader.buffer.buffer),
      true,
      true,
      (error, answers) => (error ? reject(error) : resolve(Array.isArray(answers) ? answers : [])),
    )
  })
}

function encode(library: Library, request: ProduceRequest) {
  const topics = new Map<string, PartitionBatch[]>()
  for (const batch of request.batches) {
    const others = topics.get(batch.topic)
    if (others === undefined) topics.set(batch.topic, [batch])
    else others.push(batch)
  }
  const writer = library.Writer.create()
    .appendString(request.transactionalId)
    .appendInt16(request.acks)
    .appendInt32(request.timeout)
    .appendArray([...topics], (topicWriter, [topic, batches]) => {
      topicWriter.appendString(topic).appendArray(batches, (batchWriter, batch) => {
        batchWriter
          .appendInt32(batch.partition)
          .appendUnsignedVarInt(batch.bytes.length + 1)
          .append(batch.bytes)
      })
    })
    .appendTaggedFields()
  if (request.acks === 0) writer.context.noResponse = true
  return writer
}

function decode(bytes: Buffer): PartitionAnswer[] {
  const cursor = new Cursor(bytes)
  const answers: PartitionAnswer[] = []
  for (let topics = cursor.arrayLength(); topics > 0; topics--) {
    const topic = cursor.compactString() ?? ""
    for (let partitions = cursor.arrayLength(); partitions > 0; partitions--)
      answers.push(decodePartition(cursor, topic))
    cursor.skipTags()
  }
  return answers
}

function decodePartition(cursor: Cursor, topic: string): PartitionAnswer {
  const partition = cursor.int32()
  const code = cursor.int16()
  const offset = cursor.int64()
  cursor.at += 16
  let record = -1
  let said: string | null = null
  for (let errors = cursor.arrayLength(); errors > 0; errors--) {
    const index = cursor.int32()
    const text = cursor.compactString()
    if (record < 0) {
      record = index
      said = text
    }
    cursor.skipTags()
  }
  said = cursor.compactString() ?? said
  cursor.skipTags()
  return { topic, partition, code, offset, record, said }
}

/** The newest version that both know. */
export function produceVersion(range: { minVersion: number; maxVersion: number } | undefined): number {
  const version = Math.min(range?.maxVersion ?? 0, PRODUCE_VERSIONS.most)
  if (range !== undefined && version >= PRODUCE_VERSIONS.least && version >= range.minVersion) return version
  throw protocolError(35, "Choosing a version of the Produce request")
}
