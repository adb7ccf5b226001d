import type { KafkaDriver, TopicSpec } from "../driver.ts"
import { KafkaError } from "../errors.ts"

export interface TopicsSettings {
  /** Partitions of topics that the bridge makes; 0 = it makes none. */
  readonly partitions: number
  /** -1 = as the broker is configured. */
  readonly replicationFactor: number
  readonly config: Readonly<Record<string, string>>
  /** Topics at most; records for more are poison. */
  readonly max: number
  readonly changed: "warn" | "fail"
  /** Milliseconds after which the numbers of partitions are asked for again. */
  readonly maxAge: number
}

/** A topic has more partitions than before. */
export interface PartitionsChanged {
  readonly topic: string
  readonly before: number
  readonly now: number
}

/** Numbers of partitions, which the place of a key depends on; topics are made where that is wanted. */
export class Topics {
  private readonly driver: KafkaDriver
  private readonly settings: TopicsSettings
  private readonly known = new Map<string, number>()
  private readonly specs = new Map<string, TopicSpec>()
  private readonly warn: (change: PartitionsChanged) => void
  private readonly pending = new Map<string, Promise<void>>()
  private checked = performance.now()
  private checking: Promise<void> | null = null
  private last = ""
  private lastCount = 0

  constructor(driver: KafkaDriver, settings: TopicsSettings, warn: (change: PartitionsChanged) => void) {
    this.driver = driver
    this.settings = settings
    this.warn = warn
  }

  /** Partitions, or 0: call `resolve`, then ask again. */
  count(topic: string): number {
    if (topic === this.last) return this.lastCount
    const count = this.known.get(topic) ?? 0
    if (count > 0) {
      this.last = topic
      this.lastCount = count
    }
    return count
  }

  /** How a topic is made that is not like the others. */
  specify(spec: TopicSpec): void {
    this.specs.set(spec.name, spec)
  }

  /** Finds a topic out, or makes it. Rejects with a KafkaError: retriable when it is missing and must not be made, poison beyond `max`. */
  resolve(topic: string): Promise<void> {
    if (this.known.has(topic)) return Promise.resolve()
    let pending = this.pending.get(topic)
    if (pending === undefined) {
      pending = this.find(topic).finally(() => this.pending.delete(topic))
      this.pending.set(topic, pending)
    }
    return pending
  }

  /** Asks again from time to time, and then resolves when it is known. Rejects fatal when `partitions.changed` is "fail". */
  refresh(force = false): Promise<void> | null {
    if (!force && (this.checking !== null || performance.now() - this.checked < this.settings.maxAge)) return null
    this.checked = performance.now()
    this.checking ??= this.compare().finally(() => {
      this.checking = null
    })
    return this.checking
  }

  private async find(topic: string): Promise<void> {
    const { partitions, replicationFactor, config, max } = this.settings
    const spec = this.specs.get(topic)
    if (spec === undefined && this.known.size - this.specs.size >= max)
      throw new KafkaError("poison", `${topic} would be one topic more than ${max} (topic.max)`)
    const found = (await this.driver.partitions([topic])).get(topic)
    if (found !== undefined && found > 0) {
      this.known.set(topic, found)
      return
    }
    if (spec === undefined && partitions === 0) {
      throw new KafkaError(
        "retriable",
        `The topic ${topic} does not exist; create it, or set topic.creation.default.partitions so that the bridge does`,
        { protocolName: "UNKNOWN_TOPIC_OR_PARTITION" },
      )
    }
    await this.driver.createTopics([spec ?? { name: topic, partitions, replicationFactor, config }])
    const made = (await this.driver.partitions([topic])).get(topic)
    if (made === undefined || made === 0)
      throw new KafkaError("retriable", `The topic ${topic} was made, and is not there yet`)
    this.known.set(topic, made)
  }

  private async compare(): Promise<void> {
    const found = await this.driver.partitions([...this.known.keys()])
    for (const [topic, before] of this.known) {
      const now = found.get(topic)
      if (now === undefined || now === before) continue
      const change = { topic, before, now }
      if (this.settings.changed === "fail") {
        throw new KafkaError(
          "fatal",
          `${topic} has ${now} partitions now, and had ${before}: keys would go elsewhere than before; restart the connector to accept that, or set partitions.changed to warn`,
        )
      }
      this.known.set(topic, now)
      if (topic === this.last) this.last = ""
      this.warn(change)
    }
  }
}
