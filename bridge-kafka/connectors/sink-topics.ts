import type { FabricToKafka } from "../config/bridge-config.ts"
import type { KafkaDriver } from "../driver.ts"
import { Routes } from "../mapping/routes.ts"
import { onlyText, type Shape, shapesOverlap } from "../mapping/shape.ts"

/** Names that are remembered; a sink refuses to write to more (topic.max). */
const MOST = 100_000

/** Milliseconds for which an answer of Kafka about its topics is good enough for replays. */
const FRESH = 5_000

/** The topics that a sink writes to: those that its routes name, those that they could make, and those that it was seen to write to. */
export class SinkTopics {
  private readonly names = new Set<string>()
  private readonly strange: ReadonlySet<string>
  /** Of templates: what they could make. */
  private readonly open: Shape[] = []
  private last = ""
  private asked = Number.NEGATIVE_INFINITY

  constructor({ routes, topicPrefix, topicMax, errorsDeadletterqueueTopicName: letters }: FabricToKafka) {
    this.strange = new Set(letters === null ? [] : [letters])
    for (const { pattern, topic } of new Routes(routes, { topicPrefix, maxTopics: topicMax }).all) {
      for (const shape of topic.shapes({ pattern })) {
        const name = onlyText(shape)
        if (name !== null) this.names.add(name)
        else this.open.push(shape)
      }
    }
  }

  known(): readonly string[] {
    return [...this.names]
  }

  /** Asks Kafka for topics that the routes could have made, also before this process. Those of a template like `${subject}` may be of others. */
  async find(driver: KafkaDriver): Promise<readonly string[]> {
    if (this.open.length > 0 && performance.now() - this.asked > FRESH) {
      for (const name of (await driver.partitions()).keys())
        if (this.open.some(shape => shapesOverlap(shape, [name]))) this.add(name)
      this.asked = performance.now()
    }
    return this.known()
  }

  /** Costs a record a comparison. */
  wrote(topic: string): void {
    if (topic === this.last) return
    this.last = topic
    this.add(topic)
  }

  private add(topic: string): void {
    if (this.names.size < MOST && !topic.startsWith("__") && !this.strange.has(topic)) this.names.add(topic)
  }
}
