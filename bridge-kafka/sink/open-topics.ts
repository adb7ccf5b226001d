import type { KafkaDriver } from "../driver.ts"
import { checkpointTopic } from "./checkpoint.ts"
import type { SinkSettings } from "./settings.ts"
import { type PartitionsChanged, Topics } from "./topics.ts"

/** Topics at most where routes name them all. */
const MOST_TOPICS = 100_000

/** The topics of one sink, those among them that are made in another way than the others. */
export function openTopics(
  driver: KafkaDriver,
  settings: SinkSettings,
  warn: (change: PartitionsChanged) => void,
): Topics {
  const { topicPartitions, topicReplicationFactor: replicationFactor } = settings
  const topics = new Topics(
    driver,
    {
      partitions: topicPartitions,
      replicationFactor,
      config: settings.topicConfig,
      max: settings.topicMax ?? MOST_TOPICS,
      changed: settings.partitionsChanged,
      maxAge: settings.metadataMaxAgeMs,
    },
    warn,
  )
  if (settings.guarantee === "exactly-once") {
    const name = checkpointTopic(settings.bridge, settings.connector)
    // Read whole at each take-over: small segments, compacted early.
    const config = { "cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.1", "segment.bytes": "16777216" }
    topics.specify({ name, partitions: settings.shards, replicationFactor, config })
  }
  if (settings.deadLetterTopic !== null)
    topics.specify({ name: settings.deadLetterTopic, partitions: Math.max(1, topicPartitions), replicationFactor })
  return topics
}
