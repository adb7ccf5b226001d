import type { ProducerOptions } from "../driver.ts"
import type { SinkSettings } from "../sink/settings.ts"
import type { BridgeConfig, FabricToKafka } from "./bridge-config.ts"

/** What the sink is told of its part of the file. `fabricId`: of the fabric that was joined. */
export function sinkSettings(config: BridgeConfig, connector: FabricToKafka, fabricId: string): SinkSettings {
  const { producer, topicPrefix } = connector
  return {
    fabricId,
    bridge: config.name,
    connector: connector.name,
    subjects: connector.subjects,
    routes: connector.routes.map(route => ({ ...route, topic: topicPrefix + route.topic })),
    guarantee: connector.guarantee,
    shards: connector.shards,
    coordination: connector.coordination,
    spoolMode: config.spool?.mode ?? "off",
    spoolFull: config.spool?.full ?? "block",
    bufferMemoryBytes: connector.bufferMemoryBytes,
    lingerMs: producer.lingerMs,
    batchSize: producer.batchSize,
    producer: producerOptions(producer),
    topicPartitions: connector.topicCreationEnable ? (connector.topicCreationDefaultPartitions ?? 0) : 0,
    topicReplicationFactor: connector.topicCreationDefaultReplicationFactor,
    topicConfig: connector.topicConfig,
    topicMax: connector.topicMax,
    partitionsChanged: connector.partitionsChanged,
    metadataMaxAgeMs: producer.metadataMaxAgeMs,
    maxHops: config.hopsMax,
    tolerance: connector.errorsTolerance,
    deadLetterTopic: connector.errorsDeadletterqueueTopicName,
    deadLetterHeaders: connector.errorsDeadletterqueueContextHeadersEnable,
    retryMinMs: connector.errorsRetryDelayMinMs,
    retryMaxMs: connector.errorsRetryDelayMaxMs,
    dedupIds: connector.dedupIds,
    dedupPublishers: connector.dedupPublishers,
    handOverMs: connector.handOverMs,
    maxWaiting: connector.maxWaiting,
    standbyBytes: connector.standbyBytes,
    standbyMs: connector.standbyMs,
    sessionMs: connector.sessionTimeoutMs,
  }
}

function producerOptions(producer: FabricToKafka["producer"]): ProducerOptions {
  return {
    compression: producer.compressionType,
    acks: producer.acks === "all" ? -1 : (Number(producer.acks) as -1 | 0 | 1),
    idempotent: producer.enableIdempotence,
    transactionTimeout: producer.transactionTimeoutMs,
    deadline: producer.deliveryTimeoutMs,
  }
}
