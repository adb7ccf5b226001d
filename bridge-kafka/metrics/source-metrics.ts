import type { SourceConnector } from "../source/connector.ts"
import type { BridgeMetrics } from "./bridge-metrics.ts"
import { readRoutes } from "./route-metrics.ts"

export function readSource(metrics: BridgeMetrics, connector: string, source: SourceConnector): void {
  const { counters } = source
  const of = { connector }
  metrics.received.with(of).read = () => counters.records
  metrics.receivedBytes.with(of).read = () => counters.bytes
  const topics = source.topics.map(topic => ({ route: topic, topic, records: () => source.recordsOf(topic) }))
  readRoutes(metrics, connector, topics)
  metrics.sent.with(of).read = () => counters.messages
  metrics.rebalances.with(of).read = () => counters.assigned + counters.revoked + counters.lost
  metrics.restarts.with(of).read = () => counters.restarts
  metrics.stalls.with(of).read = () => counters.stalls
  metrics.loops.with(of).read = () => source.status().loops
  metrics.outstanding.with(of).read = () => source.status().partitions.reduce((sum, one) => sum + one.records, 0)
  metrics.bufferBytes.with(of).read = () => source.status().partitions.reduce((sum, one) => sum + one.bytes, 0)
  metrics.redelivered.with(of).read = () => counters.redelivered
  metrics.retries.with({ connector, error: "all" }).read = () => counters.retries
  const drop = (reason: string, read: () => number): void => {
    metrics.dropped.with({ connector, reason }).read = read
  }
  drop("poison", () => counters.dropped)
  drop("filtered", () => counters.filtered)
  drop("unwanted", () => counters.unwanted)
  drop("overrun", () => counters.overrun)
}

/** Asks Kafka how far the partitions of this instance are behind. */
export async function readLag(metrics: BridgeMetrics, connector: string, source: SourceConnector): Promise<void> {
  const found = await source.lag()
  metrics.lag.remove({ connector })
  for (const { topic, partition, lag } of found) metrics.lag.with({ connector, topic, partition }).set(lag)
}
