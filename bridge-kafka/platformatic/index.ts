import type {
  Batch,
  ClusterView,
  Consumer,
  ConsumerOptions,
  Isolation,
  KafkaDriver,
  KafkaProperties,
  Producer,
  ProducerOptions,
  ReadOptions,
  TopicPartition,
  TopicSpec,
} from "../driver.ts"
import { KafkaError } from "../errors.ts"
import * as admin from "./admin.ts"
import { Cluster } from "./cluster.ts"
import { GroupConsumer } from "./consumer.ts"
import { loadLibrary } from "./load.ts"
import { listOffsets } from "./offsets.ts"
import { DEADLINE, PlainProducer } from "./producer.ts"
import { type ClientSettings, type CodeOptions, readProperties } from "./properties.ts"
import { readRange } from "./range-reader.ts"
import { TransactionalProducer } from "./transactional-producer.ts"

/** Kafka's name for the request that groups of KIP-848 are made of. */
const CONSUMER_PROTOCOL = "ConsumerGroupHeartbeat"

/**
 * A driver over the npm package `@platformatic/kafka`, which is loaded at the first use. `properties` are those of Kafka's own clients;
 * throws ERR_CONFIG for one that is unknown or cannot be. Nothing is connected before it is needed.
 */
export function platformatic(properties: KafkaProperties, code: CodeOptions = {}): KafkaDriver {
  return new PlatformaticDriver(readProperties(properties, code))
}

class PlatformaticDriver implements KafkaDriver {
  private readonly settings: ClientSettings
  private readonly clusters = new Set<Cluster>()
  private main: Promise<Cluster> | null = null
  private closed = false

  constructor(settings: ClientSettings) {
    this.settings = settings
  }

  async connect(): Promise<ClusterView> {
    const cluster = await this.cluster()
    return cluster.retry("Connecting to Kafka", this.settings.connectTimeout, async () => {
      await cluster.describe([])
      const brokers = [...cluster.brokers].map(([id, { host, port }]) => ({ id, host, port }))
      const consumerProtocol = (await cluster.version(CONSUMER_PROTOCOL)) !== undefined
      return { clusterId: cluster.clusterId, brokers, consumerProtocol }
    })
  }

  async partitions(topics?: readonly string[]): Promise<Map<string, number>> {
    const cluster = await this.cluster()
    const found = await cluster.retry("Looking up topics", DEADLINE, () => cluster.describe(topics ?? null))
    return new Map([...found].map(([name, view]) => [name, view.leaders.length]))
  }

  async createTopics(topics: readonly TopicSpec[]): Promise<void> {
    await admin.createTopics(await this.cluster(), topics)
  }

  async growTopic(topic: string, partitions: number): Promise<void> {
    await admin.growTopic(await this.cluster(), topic, partitions)
  }

  async deleteTopics(topics: readonly string[]): Promise<void> {
    await admin.deleteTopics(await this.cluster(), topics)
  }

  async offsets(
    topic: string,
    at: "earliest" | "latest" | number,
    isolation?: Isolation,
  ): Promise<Map<number, number>> {
    return listOffsets(await this.cluster(), topic, at, isolation === "read_committed")
  }

  async producer(options: ProducerOptions = {}): Promise<Producer> {
    const cluster = await this.newCluster()
    const { transactionalId } = options
    try {
      if (transactionalId === undefined) return new PlainProducer(cluster, options)
      return await TransactionalProducer.open(cluster, transactionalId, options)
    } catch (error) {
      await cluster.close()
      throw error
    }
  }

  async consumer(options: ConsumerOptions): Promise<Consumer> {
    const consumerProtocol = options.protocol === undefined ? (await this.connect()).consumerProtocol : false
    const protocol = options.protocol ?? (consumerProtocol ? "consumer" : "classic")
    return GroupConsumer.join(timeout => this.newCluster(timeout), { ...options, protocol })
  }

  async *read(partition: TopicPartition, options: ReadOptions): AsyncGenerator<Batch> {
    // A connection of its own: waiting for records must not hold up the requests of others.
    const cluster = await this.newCluster()
    try {
      yield* readRange(cluster, partition, options)
    } finally {
      this.clusters.delete(cluster)
      await cluster.close()
    }
  }

  async groupOffsets(group: string, topics: readonly string[]): Promise<(TopicPartition & { offset: number })[]> {
    return admin.groupOffsets(await this.cluster(), group, topics)
  }

  async setGroupOffsets(group: string, offsets: readonly (TopicPartition & { offset: number })[]): Promise<void> {
    await admin.setGroupOffsets(await this.cluster(), group, offsets)
  }

  async deleteGroup(group: string): Promise<void> {
    await admin.deleteGroup(await this.cluster(), group)
  }

  async close(): Promise<void> {
    this.closed = true
    await Promise.all([...this.clusters].map(cluster => cluster.close()))
    this.clusters.clear()
  }

  private cluster(): Promise<Cluster> {
    this.main ??= this.newCluster()
    return this.main
  }

  private async newCluster(requestTimeout?: number): Promise<Cluster> {
    const library = await loadLibrary()
    if (this.closed) throw new KafkaError("fatal", "The Kafka driver is closed")
    for (const cluster of this.clusters) if (cluster.closed) this.clusters.delete(cluster)
    const cluster = new Cluster(library, this.settings, requestTimeout)
    this.clusters.add(cluster)
    return cluster
  }
}
