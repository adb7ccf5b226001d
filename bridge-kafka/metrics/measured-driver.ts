import type { KafkaDriver, KafkaRecord, Producer, ProducerOptions, StoredAt } from "../driver.ts"
import { failureOf } from "../failure.ts"
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
        return async (options?: ProducerOptions) => new MeasuredProducer(await target.producer(options), measures)
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

  constructor(producer: Producer, measures: Measures) {
    this.producer = producer
    this.measures = measures
  }

  async produce(records: readonly KafkaRecord[]): Promise<StoredAt[]> {
    return this.measured(records, false)
  }

  async transact(records: readonly KafkaRecord[]): Promise<StoredAt[]> {
    return this.measured(records, true)
  }

  close(): Promise<void> {
    return this.producer.close()
  }

  private async measured(records: readonly KafkaRecord[], transaction: boolean): Promise<StoredAt[]> {
    const { measures, producer } = this
    let bytes = 0
    for (let i = 0; i < records.length; i++) {
      const { value, topic } = records[i]
      if (value !== null) bytes += value.length
      measures.topics.wrote(topic)
    }
    const start = performance.now()
    measures.outstanding.value += records.length
    try {
      const places = await (transaction ? producer.transact(records) : producer.produce(records))
      const seconds = (performance.now() - start) / 1_000
      measures.seconds.observe(seconds)
      measures.records.observe(records.length)
      measures.bytes.observe(bytes)
      // One of each batch stands for its neighbours: the first, which waited longest.
      if (records.length > 0) measures.delay.observe(Math.max(0, Date.now() - records[0].timestamp) / 1_000)
      if (transaction) {
        measures.transactionSeconds.observe(seconds)
        measures.committed.add()
      }
      return places
    } catch (error) {
      measures.failed(error, transaction)
      throw error
    } finally {
      measures.outstanding.value -= records.length
    }
  }
}
