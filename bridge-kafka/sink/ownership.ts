import { HeddleError } from "../../core/errors.ts"
import { Backoff } from "../backoff.ts"
import type { Consumer, KafkaDriver, TopicPartition } from "../driver.ts"
import { failureOf } from "../failure.ts"

export interface OwnershipHost {
  /** The shard is this instance's now. */
  gain(shard: number): void
  /** It will be another's: resolves when nothing of it is on its way. */
  give(shards: readonly number[]): Promise<void>
  /** It is another's already, or nobody's, as when Kafka is away. */
  lose(shard: number): void
  /** The group has said what is ours; `owns` tells. */
  settled(): void
  trouble(error: unknown): void
  failed(error: unknown): void
}

export interface OwnershipOptions {
  readonly topic: string
  readonly group: string
  readonly shards: number
  readonly retryMin: number
  readonly retryMax: number
}

/** Which shards are this instance's, as a consumer group on a topic of as many partitions decides (SINK-3); nothing is ever in that topic. */
export class Ownership {
  private readonly driver: KafkaDriver
  private readonly host: OwnershipHost
  private readonly options: OwnershipOptions
  private readonly abort = new AbortController()
  private readonly owned = new Set<number>()
  private consumer: Consumer | null = null
  private running: Promise<void> | null = null

  constructor(driver: KafkaDriver, host: OwnershipHost, options: OwnershipOptions) {
    this.driver = driver
    this.host = host
    this.options = options
  }

  start(): void {
    this.running ??= this.run()
  }

  owns(shard: number): boolean {
    return this.owned.has(shard)
  }

  /** Leaves the group: what is owned is given up in order. */
  async close(): Promise<void> {
    this.abort.abort()
    const { consumer } = this
    this.consumer = null
    const given = [...this.owned]
    this.owned.clear()
    // Before the group knows: nobody else may have them while there is something to send.
    if (given.length > 0) await this.host.give(given)
    await consumer?.close().catch(() => {})
    await this.running
  }

  private async run(): Promise<void> {
    const { signal } = this.abort
    const { retryMin: min, retryMax: max } = this.options
    const backoff = new Backoff({ min, max: Math.max(min, max) })
    while (!signal.aborted) {
      try {
        await this.join()
        backoff.reset()
        // Nothing ever comes; the iteration keeps the member alive, and ends with it.
        if (this.consumer !== null) for await (const _ of this.consumer);
        if (signal.aborted) break
      } catch (error) {
        if (signal.aborted) break
        const { kind } = failureOf(error, "KAFKA_CONSUME")
        if (kind === "fatal" || kind === "poison") {
          this.loseAll()
          this.host.failed(error)
          break
        }
        this.host.trouble(error)
      }
      const { consumer } = this
      this.consumer = null
      await consumer?.close().catch(() => {})
      this.loseAll()
      await backoff.wait(signal)
    }
  }

  private async join(): Promise<void> {
    const { topic, group, shards } = this.options
    let count = (await this.driver.partitions([topic])).get(topic)
    if (count === undefined) {
      await this.driver.createTopics([
        { name: topic, partitions: shards, replicationFactor: -1, config: { "retention.ms": "3600000" } },
      ])
      count = (await this.driver.partitions([topic])).get(topic) ?? shards
    }
    if (count !== shards) {
      throw new HeddleError(
        "ERR_CONFIG",
        `${topic} has ${count} partitions, and shards is ${shards}; all instances need the same number. To change it, stop them all when their spools are empty, and delete the topic`,
      )
    }
    const numbers = (partitions: readonly TopicPartition[]): number[] => partitions.map(one => one.partition)
    const consumer = await this.driver.consumer({
      group,
      topics: [topic],
      start: "latest",
      assigned: partitions => {
        for (const shard of numbers(partitions)) {
          if (this.owned.has(shard)) continue
          this.owned.add(shard)
          this.host.gain(shard)
        }
        this.host.settled()
      },
      revoked: async partitions => {
        const given = numbers(partitions).filter(shard => this.owned.delete(shard))
        if (given.length > 0) await this.host.give(given)
      },
      lost: partitions => {
        for (const shard of numbers(partitions)) if (this.owned.delete(shard)) this.host.lose(shard)
      },
    })
    if (this.abort.signal.aborted) await consumer.close().catch(() => {})
    else this.consumer = consumer
  }

  private loseAll(): void {
    for (const shard of this.owned) this.host.lose(shard)
    this.owned.clear()
  }
}
