import type {
  Batch,
  ClusterView,
  Consumer,
  ConsumerOptions,
  KafkaDriver,
  KafkaHeader,
  KafkaRecord,
  Producer,
  ReadOptions,
  StoredAt,
  StoredRecord,
  TopicPartition,
} from "../../../bridge-kafka/driver.ts"
import { Queue } from "../../../core/queue.ts"

/** A consumer whose group, and whose records, are the test's. What Kafka does, tests/kafka shows. */
export class FakeConsumer implements Consumer {
  readonly options: ConsumerOptions
  assignment: TopicPartition[] = []
  readonly paused = new Set<string>()
  /** Newest first. */
  readonly commits: (readonly (TopicPartition & { offset: number })[])[] = []
  closed = false
  /** Thrown by the next commits. */
  refuse: Error | null = null
  private readonly batches = new Queue<Batch>()
  private failure: Error | null = null
  private wake: (() => void) | null = null

  constructor(options: ConsumerOptions) {
    this.options = options
  }

  assign(...partitions: TopicPartition[]): void {
    this.assignment.push(...partitions)
    this.options.assigned?.(partitions.map(one => ({ ...one, offset: 0, committed: true })))
  }

  /** Gains a partition of which the group has committed nothing. */
  assignNew(topic: string, partition: number, offset: number): void {
    this.assignment.push({ topic, partition })
    this.options.assigned?.([{ topic, partition, offset, committed: false }])
  }

  async revoke(...partitions: TopicPartition[]): Promise<void> {
    await this.options.revoked?.(partitions)
    this.assignment = []
  }

  give(records: readonly StoredRecord[]): void {
    const [{ topic, partition }] = records
    this.batches.push({ topic, partition, records })
    this.wake?.()
  }

  fail(error: Error): void {
    this.failure = error
    this.wake?.()
  }

  committed(topic: string, partition: number): number {
    for (const offsets of this.commits)
      for (const one of offsets) if (one.topic === topic && one.partition === partition) return one.offset
    return -1
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) this.paused.add(`${topic}/${partition}`)
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) this.paused.delete(`${topic}/${partition}`)
  }

  async commit(offsets: readonly (TopicPartition & { readonly offset: number })[]): Promise<void> {
    if (this.refuse !== null) throw this.refuse
    this.commits.unshift(offsets)
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    await this.options.revoked?.(this.assignment)
    this.wake?.()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Batch> {
    while (!this.closed) {
      if (this.failure !== null) throw this.failure
      const batch = this.batches.shift()
      if (batch === undefined) await new Promise<void>(resolve => (this.wake = resolve))
      else yield batch
    }
  }
}

export class FakeKafka implements KafkaDriver {
  readonly consumers: FakeConsumer[] = []
  readonly produced: KafkaRecord[] = []
  /** Rejects the next calls of `produce`. */
  readonly produceErrors: Error[] = []
  readonly consumerErrors: Error[] = []
  /** What lies in the topic, for the watchdog. */
  stored: StoredRecord[] = []
  end = 0

  get last(): FakeConsumer {
    return this.consumers[this.consumers.length - 1]
  }

  async consumer(options: ConsumerOptions): Promise<Consumer> {
    const error = this.consumerErrors.shift()
    if (error !== undefined) throw error
    const consumer = new FakeConsumer(options)
    this.consumers.push(consumer)
    return consumer
  }

  async producer(): Promise<Producer> {
    return {
      produce: async records => {
        const error = this.produceErrors.shift()
        if (error !== undefined) throw error
        this.produced.push(...records)
        return records.map(({ topic, partition }): StoredAt => ({ topic, partition, offset: 0 }))
      },
      transact: () => Promise.reject(new Error("not here")),
      close: async () => {},
    }
  }

  async connect(): Promise<ClusterView> {
    return { clusterId: "fake", brokers: [], consumerProtocol: true }
  }

  async partitions(topics: readonly string[]): Promise<Map<string, number>> {
    return new Map(topics.map(topic => [topic, 2]))
  }

  async offsets(): Promise<Map<number, number>> {
    return new Map([[0, this.end]])
  }

  async *read({ topic, partition }: TopicPartition, { from }: ReadOptions): AsyncGenerator<Batch> {
    const records = this.stored.filter(({ offset }) => offset >= from)
    if (records.length > 0) yield { topic, partition, records }
  }

  async groupOffsets(): Promise<(TopicPartition & { offset: number })[]> {
    return []
  }

  async createTopics(): Promise<void> {}
  async growTopic(): Promise<void> {}
  async deleteTopics(): Promise<void> {}
  async setGroupOffsets(): Promise<void> {}
  async deleteGroup(): Promise<void> {}
  async close(): Promise<void> {}
}

/** Records of one partition: keys k0, k1... as given, values `{ n: offset }` as JSON. */
export function records(
  topic: string,
  partition: number,
  from: number,
  keys: readonly (string | null)[],
): StoredRecord[] {
  return keys.map((key, i) => ({
    topic,
    partition,
    offset: from + i,
    key: key === null ? null : Buffer.from(key),
    value: Buffer.from(JSON.stringify(from + i)),
    headers: [["hd.codec", Buffer.from("json")]] as KafkaHeader[],
    timestamp: 1_700_000_000_000 + i,
  }))
}
