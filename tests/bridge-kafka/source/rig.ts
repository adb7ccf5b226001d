import { SourceConnector } from "../../../bridge-kafka/source/connector.ts"
import type { SourceParts, SourceSettings } from "../../../bridge-kafka/source/settings.ts"
import type { Fabric } from "../../../index.ts"
import { later } from "../../support/cleanup.ts"
import { until } from "../../support/wait.ts"
import { FakeKafka } from "./fake-kafka.ts"

/** As the configuration's defaults, but quick. */
export const SETTINGS: SourceSettings = {
  name: "in",
  topics: ["t"],
  subject: "${header.hd.subject:-${topic}.${key:-none}}",
  subjectPrefix: "",
  groupId: "g",
  start: "committed-or-latest",
  isolationLevel: "read_committed",
  delivery: "published",
  ackTimeoutMs: 60_000,
  order: "key",
  maxInFlightPerKey: 1,
  maxInFlight: 100,
  offsetFlushIntervalMs: 10,
  errorsTolerance: "none",
  errorsDeadletterqueueTopicName: null,
  errorsDeadletterqueueTopicReplicationFactor: -1,
  errorsDeadletterqueueContextHeadersEnable: true,
  errorsDeadletterqueueSubject: null,
  errorsRetryDelayMinMs: 1,
  errorsRetryDelayMaxMs: 5,
  errorsLogEnable: false,
  consumer: {
    groupProtocol: null,
    sessionTimeoutMs: null,
    fetchMaxWaitMs: 500,
    fetchMaxBytes: 4 * 1024 * 1024,
    fetchMaxUnpackedBytes: 64 * 1024 * 1024,
    fetchMaxRecordBytes: 16 * 1024 * 1024,
  },
  revokeTimeoutMs: 2_000,
  maxDeliveries: 5,
  bufferMemoryBytes: 64 * 1024 * 1024,
  watchdogMs: 30_000,
}

/** A source that runs on a Kafka of the test's own making. */
export async function source(
  fabric: Fabric,
  settings: Partial<SourceSettings> = {},
  parts: Partial<SourceParts> = {},
): Promise<{ kafka: FakeKafka; connector: SourceConnector }> {
  const kafka = new FakeKafka()
  const all = { fabric, driver: kafka, fabricId: "here", bridge: "box", clusterId: "fake", ...parts }
  const connector = new SourceConnector({ ...SETTINGS, ...settings }, all)
  later(() => connector.stop())
  connector.start()
  await until(() => connector.state === "running")
  return { kafka, connector }
}
