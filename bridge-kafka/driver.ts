/**
 * What the bridge asks of Kafka, and no more: the whole of a Kafka client is not needed, and what is not needed cannot
 * surprise. `platformatic/` is the implementation; tests/conformance/kafka-driver.ts is the suite that every implementation passes.
 *
 * Offsets and timestamps are numbers: both stay below 2^53 for some hundred thousand years of a partition's life.
 */

import type { KafkaError } from "./errors.ts"
import type { RecordShape } from "./record-shape.ts"
import type { SharedHeaders } from "./shared-headers.ts"
import type { Span } from "./span.ts"

/** Whether records of open and aborted transactions are left out. */
export type Isolation = "read_committed" | "read_uncommitted"

/** Order and duplicates are kept. */
export type KafkaHeader = readonly [name: string, value: Buffer]

export interface KafkaRecord {
  readonly topic: string
  /** Decided by the bridge, never by the client: clients disagree about it. */
  readonly partition: number
  readonly key: Buffer | null
  /** null = tombstone. */
  readonly value: Buffer | null
  readonly headers: readonly KafkaHeader[]
  /** Headers that come before `headers`; only on records to be stored. */
  readonly shared?: SharedHeaders
  /** Value of the header `shared.numbered`, which comes behind those. A whole number from 0 on. */
  readonly number?: number
  /** Milliseconds since 1970 (CreateTime). */
  readonly timestamp: number
}

export interface StoredRecord extends KafkaRecord {
  readonly offset: number
  /** Of consumers, and of `read` with `marks`: it cannot be handed on (poison), and may stand for all records up to `last`, without key, value and headers. */
  readonly unreadable?: { readonly error: KafkaError; readonly last: number }
}

export interface ClusterView {
  readonly clusterId: string
  readonly brokers: readonly { readonly id: number; readonly host: string; readonly port: number }[]
  /** Has the broker the group protocol of KIP-848 ("consumer")? */
  readonly consumerProtocol: boolean
}

export interface TopicSpec {
  readonly name: string
  readonly partitions: number
  /** -1: as the broker is configured. */
  readonly replicationFactor: number
  readonly config?: Readonly<Record<string, string>>
}

export type Compression = "none" | "gzip" | "snappy" | "lz4" | "zstd"

export interface ProducerOptions {
  readonly compression?: Compression
  /** -1 = all in-sync replicas (default), 1, 0. */
  readonly acks?: -1 | 0 | 1
  /** Default true. */
  readonly idempotent?: boolean
  /** Makes the producer transactional: `transact` only. A second producer of the same id fences this one. */
  readonly transactionalId?: string
  /** Milliseconds after which the broker aborts an open transaction. Default 30,000. */
  readonly transactionTimeout?: number
  /** Milliseconds for one call in all, retries included; then it rejects as retriable. Default 30,000. */
  readonly deadline?: number
}

/** Where a record was stored; -1 when the broker was not asked (acks 0). */
export interface StoredAt {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** Records that are written down for Kafka when they are added: a batch of small ones costs no object for each while it is on its way. */
export interface Packing {
  /** Records added. */
  readonly length: number
  /** One partition has more records than go in one batch: with still more, others would wait for it. */
  readonly full: boolean
  /** Not once it is being sent. What the record has as bytes may be used again at once. */
  add(record: KafkaRecord): void
  /** As `add` of a record of that shape, with its partition, whose value lies in `source` from `from` up to `to`. Returns `full`. */
  addValue(shape: RecordShape, source: Span, from: number, to: number, timestamp: number, number: number): boolean
  /**
   * As `produce` of these records, or `transact` for a transactional producer; again, after an error that is retriable: as the same records
   * sent again. One call at a time, of any kind, of the producer that made it.
   */
  send(): Promise<Places>
}

/** By the number of the record, in the order in which they were added. */
export interface Places {
  at(index: number): StoredAt | null | undefined
}

export interface Producer {
  /**
   * Stores records; those of one partition in the order given. One call at a time. Resolves with the place of each record, in the
   * order of `records`. Rejects with a KafkaError; after one that is retriable the outcome is unknown, unless the producer is idempotent
   * and the same records are sent again by this producer.
   */
  produce(records: readonly KafkaRecord[]): Promise<StoredAt[]>
  /**
   * Stores records of any topics in one transaction, committed when it resolves. One call at a time. When it rejects nothing of it is
   * visible to read_committed readers, except with `KafkaError.outcome === "unknown"` (the commit's answer was lost).
   * The producer is of no further use then: close it and make another of the same id, which fences and aborts what is left.
   */
  transact(records: readonly KafkaRecord[]): Promise<StoredAt[]>
  /** An empty list for the next call. Where a producer has none, records are kept for `produce` and `transact`. */
  pack?(): Packing
  close(): Promise<void>
}

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** Where a partition begins that a consumer has gained. */
export interface Beginning extends TopicPartition {
  readonly offset: number
  /** False: nothing was, and `start` decided. */
  readonly committed: boolean
}

/** What does not fit is poison: a record that is marked `unreadable`, or an error of `read` without `marks`. */
export interface ReadLimits {
  /** Memory that one batch may become when it is unpacked: decompressed bytes, records, headers. Default 64 MiB. */
  readonly batchBytes?: number
  /** The same for all batches that come at once; those beyond come with the next fetch. Default: as `batchBytes`. */
  readonly togetherBytes?: number
  /** Bytes of one record: key, value and headers. Default: as many as the batch. */
  readonly recordBytes?: number
}

export interface ConsumerOptions {
  readonly group: string
  readonly topics: readonly string[]
  /** "consumer" = KIP-848, "classic" = cooperative-sticky. Default: "consumer" where the broker has it. */
  readonly protocol?: "consumer" | "classic"
  readonly isolation?: Isolation
  /** Where to begin without a committed offset. Default "latest". */
  readonly start?: "earliest" | "latest"
  /** Bounds of what is fetched, so that a small batch cannot become a large one here. */
  readonly limits?: ReadLimits
  /** Milliseconds a broker may wait for data. Default 500. */
  readonly maxWait?: number
  /** Bytes that one fetch may bring. Default 4 MiB. */
  readonly maxBytes?: number
  readonly sessionTimeout?: number
  /** Called with partitions gained, before records of them come: where each begins, and whether the group has committed that. */
  readonly assigned?: (partitions: readonly Beginning[]) => void
  /** Called before partitions are given up: commits made until it resolves still count. */
  readonly revoked?: (partitions: readonly TopicPartition[]) => Promise<void>
  /**
   * Lost without a chance to commit. `silent`: the group did not answer for a whole session, in which this process was awake (Kafka is
   * away); otherwise others may have them already.
   */
  readonly lost?: (partitions: readonly TopicPartition[], silent?: boolean) => void
  /** Called after each attempt to be heard by the group: null = it has answered. */
  readonly heard?: (error: unknown) => void
}

export interface Batch extends TopicPartition {
  readonly records: readonly StoredRecord[]
}

export interface Consumer extends AsyncIterable<Batch> {
  readonly assignment: readonly TopicPartition[]
  pause(partitions: readonly TopicPartition[]): void
  resume(partitions: readonly TopicPartition[]): void
  /** `offset` = the next to be read. Never commits by itself. */
  commit(offsets: readonly (TopicPartition & { readonly offset: number })[]): Promise<void>
  /** Leaves the group. */
  close(): Promise<void>
}

export interface ReadOptions {
  readonly from: number
  /** Exclusive; default: the end at the time of the call. */
  readonly until?: number
  readonly isolation?: Isolation
  readonly signal?: AbortSignal
  readonly maxBytes?: number
  readonly limits?: ReadLimits
  /** What does not fit comes as a record that is `unreadable`, and reading goes on behind it. Default: it rejects, as poison. */
  readonly marks?: boolean
}

export interface KafkaDriver {
  /** Rejects with a KafkaError when no bootstrap server answers. May be called again. */
  connect(): Promise<ClusterView>
  /** Number of partitions of each topic that exists; others are missing from the result. Never creates a topic. Without names: of all topics. */
  partitions(topics?: readonly string[]): Promise<Map<string, number>>
  /** Topics that exist already are no error. Rejects at once, as retriable, while there are fewer brokers than replicas are asked for. */
  createTopics(topics: readonly TopicSpec[]): Promise<void>
  /** Partitions in all, after the call. */
  growTopic(topic: string, partitions: number): Promise<void>
  deleteTopics(topics: readonly string[]): Promise<void>
  /**
   * One offset a partition: the first, the one behind the last, or the first at or after a time (ms; the end when there is none). The end
   * for "read_committed" is where the oldest open transaction began: a reader gets so far. Default "read_uncommitted": of all that is there.
   */
  offsets(topic: string, at: "earliest" | "latest" | number, isolation?: Isolation): Promise<Map<number, number>>
  producer(options?: ProducerOptions): Promise<Producer>
  consumer(options: ConsumerOptions): Promise<Consumer>
  /** Reads a range of one partition without a group. Control records and, in read_committed, aborted ones are left out. */
  read(partition: TopicPartition, options: ReadOptions): AsyncIterable<Batch>
  groupOffsets(group: string, topics: readonly string[]): Promise<(TopicPartition & { offset: number })[]>
  /** Only while the group has no members. */
  setGroupOffsets(group: string, offsets: readonly (TopicPartition & { offset: number })[]): Promise<void>
  deleteGroup(group: string): Promise<void>
  close(): Promise<void>
}

/** How a driver reaches its cluster: the names of Kafka's own configuration, as strings. */
export type KafkaProperties = Readonly<Record<string, string>>
