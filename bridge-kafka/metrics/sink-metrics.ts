import type { SinkConnector } from "../sink/sink-connector.ts"
import type { Spool } from "../spool/spool.ts"
import type { BridgeMetrics } from "./bridge-metrics.ts"
import { readRoutes, routesOf } from "./route-metrics.ts"

/** What a sink and its spool count already is read when somebody looks. */
export function readSink(metrics: BridgeMetrics, connector: string, sink: SinkConnector, spool: Spool | null): void {
  const { counters } = sink
  const of = { connector }
  metrics.received.with(of).read = () => counters.received + counters.requested
  metrics.receivedBytes.with(of).read = () => counters.bytes
  readRoutes(metrics, connector, routesOf(sink.routes.all))
  metrics.sent.with(of).read = () => counters.stored
  metrics.sentBytes.with(of).read = () => counters.storedBytes
  metrics.duplicates.with(of).read = () => counters.duplicates
  metrics.rebalances.with(of).read = () => counters.takeOvers
  metrics.loops.with(of).read = () => sink.status().loops
  metrics.bufferBytes.with(of).read = () => sink.status().bufferBytes
  metrics.shards.with(of).read = () => sink.status().owned.length
  metrics.orphaned.with(of).read = () => sink.status().orphaned.length
  const drop = (reason: string, read: () => number): void => {
    metrics.dropped.with({ connector, reason }).read = read
  }
  drop("full", () => counters.full)
  drop("unreadable", () => counters.unreadable)
  drop("poison", () => counters.poisonDropped)
  drop("take-over-uncertain", () => counters.takeOverUncertain)
  drop("take-over", () => counters.takeOverMissed)
  drop("take-over", () => counters.takeOverMissed + counters.takeOverUncertain)
  drop("missed", () => sink.status().missed)
  drop("unrouted", () => sink.status().unrouted)
  if (spool !== null) readSpool(metrics, connector, spool)
}

export function readSpool(metrics: BridgeMetrics, connector: string, spool: Spool): void {
  const of = { connector }
  metrics.dropped.with({ connector, reason: "spool-oldest" }).read = () => spool.stats().dropped.oldest
  metrics.spoolBytes.with(of).read = () => spool.stats().bytes
  metrics.spoolSegments.with(of).read = () => spool.stats().segments
  metrics.spoolRecords.with(of).read = () => spool.next - spool.released
  metrics.spoolAge.with(of).read = () => spool.stats().oldestAge / 1_000
  metrics.fsyncs.with(of).read = () => spool.stats().fsync.count
  metrics.fsyncSeconds.with(of).read = () => spool.stats().fsync.total / 1_000
  metrics.fsyncLongest.with(of).read = () => spool.stats().fsync.longest / 1_000
}
