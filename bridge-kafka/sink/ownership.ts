import { setTimeout as delay } from "node:timers/promises"
import { HeddleError } from "../../core/errors.ts"
import { Backoff } from "../backoff.ts"
import type { Consumer, KafkaDriver, TopicPartition } from "../driver.ts"
import { failureOf } from "../failure.ts"

export interface OwnershipHost {
  /** The shard is this instance's now. */
  gain(shard: number): void
  /** It will be another's: resolves when nothing of it is on its way. */
  give(shards: readonly number[]): Promise<void>
  /** `silent`: the group cannot be reached, and nobody has been given it instead. Otherwise it may be another's already. */
  lose(shard: number, silent: boolean): void
  /** The group has said what is ours; `owns` tells. */
  settled(): void
  /** What keeps us from the group; null = it has answered. */
  trouble(error: unknown): void
  failed(error: unknown): void
}

export interface OwnershipOptions {
  readonly topic: string
  readonly group: string
  readonly shards: number
  readonly retryMin: number
  readonly retryMax: number
  /** Milliseconds without an answer after which the group has given up on us. */
  readonly session: number
}

/** Milliseconds that joining, when it is under way, is waited for at the end. */
const LEAVE_MOST = 2_000

/** Which shards are this instance's, as a consumer group on a topic of as many partitions decides (SINK-3); nothing is ever in that topic. */
export class Ownership {
  private readonly driver: KafkaDriver
  private readonly host: OwnershipHost
  private readonly options: OwnershipOptions
  private readonly abort = new AbortController()
  private readonly owned = new Set<number>()
  private consumer: Consumer | null = null
  private running: Promise<void> | null = null
  /** When the group has answered last, by `performance.now`; before the first answer, and after a loss, when that began. */
  private heardAt = performance.now()
  private member = false

  constructor(driver: KafkaDriver, host: OwnershipHost, options: OwnershipOptions) {
    this.driver = driver
    this.host = host
    this.options = options
  }

  start(): void {
    this.heardAt = performance.now()
    this.running ??= this.run()
  }

  owns(shard: number): boolean {
    return this.owned.has(shard)
  }

  /** Milliseconds since which the group cannot be asked whose the shards are; 0 = it can, or its last answer still holds. */
  silence(now: number): number {
    return Math.max(0, now - this.heardAt - (this.member ? this.options.session : 0))
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
    // One that is still being made is closed when it comes: where Kafka is away, that is later than anybody wants to wait.
    await Promise.race([this.running, delay(LEAVE_MOST, undefined, { ref: false })])
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
          this.loseAll(false)
          this.host.failed(error)
          break
        }
        this.host.trouble(error)
      }
      const { consumer } = this
      this.consumer = null
      // We leave by ourselves: nobody has them before.
      this.loseAll(true)
      await consumer?.close().catch(() => {})
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
      lost: (partitions, silent = false) => {
        this.unheard()
        for (const shard of numbers(partitions)) if (this.owned.delete(shard)) this.host.lose(shard, silent)
      },
      heard: error => {
        if (error === null) {
          this.member = true
          this.heardAt = performance.now()
        }
        if (!this.abort.signal.aborted) this.host.trouble(error)
      },
      sessionTimeout: this.options.session,
    })
    if (this.abort.signal.aborted) await consumer.close().catch(() => {})
    else this.consumer = consumer
  }

  private loseAll(silent: boolean): void {
    this.unheard()
    for (const shard of this.owned) this.host.lose(shard, silent)
    this.owned.clear()
  }

  private unheard(): void {
    // While it is silent already, it goes on being so.
    if (this.member) this.heardAt = performance.now()
    this.member = false
  }
}
