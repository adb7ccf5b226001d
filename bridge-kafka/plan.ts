import { hold, release } from "../core/keep-alive.ts"
import type { BridgeConfig, FabricToKafka } from "./config/bridge-config.ts"
import { sinkSettings } from "./config/sink-settings.ts"
import { SinkTopics } from "./connectors/sink-topics.ts"
import type { KafkaDriver } from "./driver.ts"
import { checkpointTopic } from "./sink/checkpoint.ts"
import { shardsTopic } from "./sink/settings.ts"

/** Of a dead-letter topic that a source makes: letters are few. A sink makes it as its other topics. */
const DEAD_LETTER_PARTITIONS = 1

/** A topic that a bridge would use. */
export interface PlannedTopic {
  readonly connector: string
  readonly topic: string
  /** Those that it has, or would have when the bridge made it; 0 = it is not there and nobody makes it. */
  readonly partitions: number
  /** `there`; `create`: the bridge makes it when it needs it; `wait`: a source waits for it; `missing`: a sink would retry until somebody makes it. */
  readonly action: "there" | "create" | "wait" | "missing"
}

export interface Plan {
  /** Null: there is no Kafka. */
  readonly cluster: string | null
  readonly brokers: number
  readonly topics: readonly PlannedTopic[]
  /** Folders of spools, by connector. */
  readonly spools: readonly { readonly connector: string; readonly folder: string }[]
  /** What works, and is perhaps not meant. */
  readonly warnings: readonly string[]
}

/** What a bridge would find and make: asks Kafka, makes nothing. Rejects with a KafkaError when no broker answers. */
export async function planBridge(config: BridgeConfig, driver: KafkaDriver | null): Promise<Plan> {
  if (driver === null) return planned(config, null)
  // Nothing else keeps the process alive meanwhile.
  hold()
  try {
    return await planned(config, driver)
  } finally {
    release()
  }
}

async function planned(config: BridgeConfig, driver: KafkaDriver | null): Promise<Plan> {
  const cluster = driver === null ? null : await driver.connect()
  const wishes: Omit<PlannedTopic, "action">[] = []
  const warnings: string[] = []
  for (const connector of config.connectors) {
    const { name, errorsDeadletterqueueTopicName: letters, errorsTolerance } = connector
    const wish = (topic: string, partitions: number): number => wishes.push({ connector: name, topic, partitions })
    let letterPartitions = DEAD_LETTER_PARTITIONS
    if (driver === null) continue
    if (connector.class === "KafkaToFabric") for (const topic of connector.topics) wish(topic, 0)
    else {
      const { topicPartitions, shards } = sinkSettings(config, connector, config.fabric.id)
      letterPartitions = Math.max(DEAD_LETTER_PARTITIONS, topicPartitions)
      for (const topic of new SinkTopics(connector).known()) wish(topic, topicPartitions)
      if (connector.coordination === "group") wish(shardsTopic(config.name, name), shards)
      if (connector.guarantee === "exactly-once") wish(checkpointTopic(config.name, name), shards)
      warnings.push(...warningsOf(connector))
    }
    if (letters !== null) wish(letters, letterPartitions)
    else if (errorsTolerance === "all")
      warnings.push(
        `${name}: records that cannot pass are dropped: errors.tolerance is all, and there is no dead-letter topic`,
      )
  }
  const names = [...new Set(wishes.map(one => one.topic))]
  const known = driver === null || names.length === 0 ? new Map<string, number>() : await driver.partitions(names)
  const waits = new Set(config.connectors.flatMap(one => (one.class === "KafkaToFabric" ? [one.name] : [])))
  const topics = wishes.map(({ connector, topic, partitions: made }): PlannedTopic => {
    const partitions = known.get(topic) ?? 0
    if (partitions > 0) return { connector, topic, partitions, action: "there" }
    const action = made > 0 ? "create" : waits.has(connector) ? "wait" : "missing"
    return { connector, topic, partitions: made, action }
  })
  const { spool } = config
  if (driver !== null && spool !== null && spool.retainBytes + spool.retainAge > 0)
    warnings.push(
      "spool.retain.* keeps records after Kafka has them, to know retries after a restart; replays read Kafka, not them",
    )
  const spools =
    spool === null || spool.mode === "off"
      ? []
      : config.connectors
          .filter(one => one.class === "FabricToKafka")
          .map(one => ({ connector: one.name, folder: `${spool.dir}/${one.name}` }))
  return { cluster: cluster?.clusterId ?? null, brokers: cluster?.brokers.length ?? 0, topics, spools, warnings }
}

function warningsOf({ name, producer, coordination }: FabricToKafka): string[] {
  const found: string[] = []
  if (producer.acks === "0" || producer.acks === "1")
    found.push(`${name}: acks ${producer.acks}: a broker that dies may take what it has acknowledged`)
  if (coordination === "none") found.push(`${name}: coordination none: never run a second instance`)
  return found
}
