import type { KafkaDriver, KafkaRecord, Packing, Places, Producer, ProducerOptions, StoredAt } from "../driver.ts"
import { failureOf } from "../failure.ts"
import type { RecordShape } from "../record-shape.ts"
import type { Span } from "../span.ts"
import type { BridgeMetrics } from "./bridge-metrics.ts"
import type { Counter, Gauge, Histogram } from "./metric.ts"

/** Told of each topic that is written to. */
export interface TopicListener {
  wrote(topic: string): void
}

/** The same driver, whose producers measure their batches: how long, how many, how large, how old. */
export function measuredDriver(
  driver: KafkaDriver,
  connector: string,
  metrics: BridgeMetrics,
  topics: TopicListener,
): KafkaDriver {
  const measures = new Measures(connector, metrics, topics)
  return new Proxy(driver, {
    get(target, name) {
      if (name === "producer")
        return async (options?: ProducerOptions) =>
          new MeasuredProducer(await target.producer(options), measures, options?.transactionalId !== undefined)
      const value = Reflect.get(target, name) as unknown
      return typeof value === "function" ? value.bind(target) : value
    },
  })
}

class Measures {
  readonly seconds: Histogram
  readonly transactionSeconds: Histogram
  readonly records: Histogram
  readonly bytes: Histogram
  readonly delay: Histogram
  readonly outstanding: Gauge
  readonly committed: Counter
  readonly topics: TopicListener
  private readonly connector: string
  private readonly metrics: BridgeMetrics

  constructor(connector: string, metrics: BridgeMetrics, topics: TopicListener) {
    this.connector = connector
    this.metrics = metrics
    this.topics = topics
    this.seconds = metrics.produceSeconds.with({ connector })
    this.transactionSeconds = metrics.transactionSeconds.with({ connector })
    this.records = metrics.batchRecords.with({ connector })
    this.bytes = metrics.batchBytes.with({ connector })
    this.delay = metrics.delaySeconds.with({ connector })
    this.outstanding = metrics.outstanding.with({ connector })
    this.committed = metrics.transactions.with({ connector, outcome: "committed" })
  }

  failed(error: unknown, transaction: boolean): void {
    const { connector, metrics } = this
    const { kind } = failureOf(error, "KAFKA_PRODUCE")
    if (kind === "retriable") metrics.retries.with({ connector, error: nameOf(error) }).add()
    if (transaction) metrics.transactions.with({ connector, outcome: kind === "fenced" ? "fenced" : "aborted" }).add()
  }
}

function nameOf(error: unknown): string {
  const { protocolName, code } = error as { protocolName?: unknown; code?: unknown }
  return String(protocolName ?? code ?? "unknown")
}

class MeasuredProducer implements Producer {
  private readonly producer: Producer
  private readonly measures: Measures
  readonly pack?: () => Packing

  constructor(producer: Producer, measures: Measures, transactional: boolean) {
    this.producer = producer
    this.measures = measures
    if (producer.pack !== undefined)
      this.pack = () => new MeasuredPacking((producer.pack as () => Packing)(), measures, transactional)
  }

  produce(records: readonly KafkaRecord[]): Promise<StoredAt[]> {
    return this.measured(records, false)
  }

  transact(records: readonly KafkaRecord[]): Promise<StoredAt[]> {
    return this.measured(records, true)
  }

  close(): Promise<void> {
    return this.producer.close()
  }

  private measured(records: readonly KafkaRecord[], transaction: boolean): Promise<StoredAt[]> {
    const { measures, producer } = this
    const noted = new Noted(measures)
    for (let i = 0; i < records.length; i++) noted.add(records[i])
    return noted.measured(transaction, () => (transaction ? producer.transact(records) : producer.produce(records)))
  }
}

class MeasuredPacking implements Packing {
  private readonly packing: Packing
  private readonly noted: Noted
  private readonly transactional: boolean

  constructor(packing: Packing, measures: Measures, transactional: boolean) {
    this.packing = packing
    this.noted = new Noted(measures)
    this.transactional = transactional
  }

  get length(): number {
    return this.packing.length
  }

  get full(): boolean {
    return this.packing.full
  }

  add(record: KafkaRecord): void {
    this.packing.add(record)
    this.noted.add(record)
  }

  addValue(shape: RecordShape, source: Span, from: number, to: number, timestamp: number, number: number): boolean {
    this.noted.note(shape.topic, to - from, timestamp)
    return this.packing.addValue(shape, source, from, to, timestamp, number)
  }

  send(): Promise<Places> {
    return this.noted.measured(this.transactional, () => this.packing.send())
  }
}

/** What is told of a call. */
class Noted {
  private readonly measures: Measures
  private records = 0
  private bytes = 0
  private oldest = 0
  private topic = ""

  constructor(measures: Measures) {
    this.measures = measures
  }

  add({ topic, value, timestamp }: KafkaRecord): void {
    this.note(topic, value?.length ?? 0, timestamp)
  }

  /** `size`: bytes of its value. */
  note(topic: string, size: number, timestamp: number): void {
    // One of each batch stands for its neighbours: the first, which waited longest.
    if (this.records++ === 0) this.oldest = timestamp
    this.bytes += size
    if (topic === this.topic) return
    this.topic = topic
    this.measures.topics.wrote(topic)
  }

  async measured<T>(transaction: boolean, send: () => Promise<T>): Promise<T> {
    const { measures, records } = this
    const start = performance.now()
    measures.outstanding.value += records
    try {
      const places = await send()
      const seconds = (performance.now() - start) / 1_000
      measures.seconds.observe(seconds)
      measures.records.observe(records)
      measures.bytes.observe(this.bytes)
      if (records > 0) measures.delay.observe(Math.max(0, Date.now() - this.oldest) / 1_000)
      if (transaction) {
        measures.transactionSeconds.observe(seconds)
        measures.committed.add()
      }
      return places
    } catch (error) {
      measures.failed(error, transaction)
      throw error
    } finally {
      measures.outstanding.value -= records
    }
  }
}
