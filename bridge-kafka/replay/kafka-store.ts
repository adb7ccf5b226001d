import type { KafkaDriver, StoredRecord } from "../driver.ts"
import type { RecordStore, StoreRange, StoreRead, StoreRecord } from "./record-store.ts"

export interface KafkaStoreOptions {
  readonly driver: KafkaDriver
  readonly clusterId: string
  /** Topics that may be replayed; a function where routes make them as they go. Missing ones are passed over. */
  readonly topics: readonly string[] | (() => readonly string[] | Promise<readonly string[]>)
  /** The subject of a record, or null for one that has none: it is passed over. */
  readonly subjectOf: (record: StoredRecord) => string | null
  /** Default "read_committed". */
  readonly isolation?: "read_committed" | "read_uncommitted"
}

/**
 * What is fetched may become so much more in memory: text that compresses well, or small records. Beyond, a part of it is fetched again.
 * (One batch alone may be larger: see `ReadLimits`. Beyond that it is passed over.)
 */
const UNPACKED = 8

/** Topics of a Kafka cluster, read without a consumer group. */
export class KafkaStore implements RecordStore {
  readonly id: string
  readonly cluster: string
  private readonly options: KafkaStoreOptions

  constructor(options: KafkaStoreOptions) {
    this.options = options
    this.id = `kafka:${options.clusterId}`
    this.cluster = options.clusterId
  }

  async ranges(topic?: string): Promise<StoreRange[]> {
    const { driver, topics, isolation = "read_committed" } = this.options
    const all = typeof topics === "function" ? await topics() : topics
    const wanted = topic === undefined ? all : all.filter(name => name === topic)
    if (wanted.length === 0) return []
    const known = await driver.partitions(wanted)
    const ranges: StoreRange[] = []
    for (const name of wanted) {
      if (!known.has(name)) continue
      // Not the high watermark: a replay would wait there for whoever has a transaction open.
      const [first, end] = await Promise.all([
        driver.offsets(name, "earliest"),
        driver.offsets(name, "latest", isolation),
      ])
      for (const [partition, last] of [...end].sort((a, b) => a[0] - b[0]))
        ranges.push({ topic: name, partition, first: first.get(partition) ?? 0, end: last })
    }
    return ranges
  }

  async offsetsAt(ranges: readonly StoreRange[], time: number): Promise<number[]> {
    const { driver, isolation = "read_committed" } = this.options
    const topics = [...new Set(ranges.map(range => range.topic))]
    const found = new Map(
      await Promise.all(topics.map(async topic => [topic, await driver.offsets(topic, time, isolation)] as const)),
    )
    return ranges.map(({ topic, partition, end }) => found.get(topic)?.get(partition) ?? end)
  }

  async *read({ topic, partition, from, until, maxBytes, signal, refused }: StoreRead): AsyncGenerator<StoreRecord[]> {
    if (from >= until) return
    const { driver, subjectOf, isolation = "read_committed" } = this.options
    const limits = { togetherBytes: maxBytes * UNPACKED }
    const reading = { from, until, isolation, signal, maxBytes, limits, marks: true }
    for await (const { records } of driver.read({ topic, partition }, reading)) {
      const batch: StoreRecord[] = []
      for (const record of records) {
        const { unreadable } = record
        if (unreadable !== undefined) {
          refused?.(Math.min(unreadable.last + 1, until) - record.offset, unreadable.error)
          continue
        }
        const subject = subjectOf(record)
        if (subject === null) continue
        const { offset, key, value, headers, timestamp } = record
        batch.push({ subject, topic, partition, offset, key, value, headers, timestamp })
      }
      if (batch.length > 0) yield batch
    }
  }
}
