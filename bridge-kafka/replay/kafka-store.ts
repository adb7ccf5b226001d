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
    const { driver, topics } = this.options
    const all = typeof topics === "function" ? await topics() : topics
    const wanted = topic === undefined ? all : all.filter(name => name === topic)
    if (wanted.length === 0) return []
    const known = await driver.partitions(wanted)
    const ranges: StoreRange[] = []
    for (const name of wanted) {
      if (!known.has(name)) continue
      const [first, end] = await Promise.all([driver.offsets(name, "earliest"), driver.offsets(name, "latest")])
      for (const [partition, last] of [...end].sort((a, b) => a[0] - b[0]))
        ranges.push({ topic: name, partition, first: first.get(partition) ?? 0, end: last })
    }
    return ranges
  }

  async offsetsAt(ranges: readonly StoreRange[], time: number): Promise<number[]> {
    const topics = [...new Set(ranges.map(range => range.topic))]
    const found = new Map(
      await Promise.all(topics.map(async topic => [topic, await this.options.driver.offsets(topic, time)] as const)),
    )
    return ranges.map(({ topic, partition, end }) => found.get(topic)?.get(partition) ?? end)
  }

  async *read({ topic, partition, from, until, maxBytes, signal }: StoreRead): AsyncGenerator<StoreRecord[]> {
    if (from >= until) return
    const { driver, subjectOf, isolation = "read_committed" } = this.options
    for await (const { records } of driver.read({ topic, partition }, { from, until, isolation, signal, maxBytes })) {
      const batch: StoreRecord[] = []
      for (const record of records) {
        const subject = subjectOf(record)
        if (subject === null) continue
        const { offset, key, value, headers, timestamp } = record
        batch.push({ subject, topic, partition, offset, key, value, headers, timestamp })
      }
      if (batch.length > 0) yield batch
    }
  }
}
