import { counters, type Family, gauges, histograms } from "./family.ts"
import { prometheusText, type Sample, samples } from "./prometheus.ts"

/** Seconds, from a fast disk to a broker that is about to be given up. */
const LATENCY = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]

/** Seconds: what is spooled while Kafka is away may be hours old when it arrives. */
const DELAY = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60, 600, 3_600, 86_400]

/** Records of one batch. */
const RECORDS = [1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000]

/** Bytes of one batch: powers of four from 1 KiB to 16 MiB. */
const BYTES = Array.from({ length: 8 }, (_, at) => 1_024 * 4 ** at)

/** Of all connectors: a file may name a thousand routes for each. */
const MOST_ROUTES = 5_000

/** Other labels are few by nature; partitions are not, and each costs a line at every scrape. */
const MOST_PARTITIONS = 5_000

/**
 * All that a bridge tells of itself (kafka.md, 5.12). Each part takes its handles from here when it begins:
 * `metrics.stored.with({ connector })`, or lets itself be read: `metrics.spoolBytes.with({}).read = () => spool.stats().bytes`.
 * Names follow Prometheus: seconds, bytes, `_total`.
 */
export class BridgeMetrics {
  readonly received = counters({
    name: "heddle_bridge_received_records_total",
    help: "Records taken in: messages of the fabric by a sink, records of Kafka by a source.",
    labels: ["connector"],
  })
  readonly receivedBytes = counters({
    name: "heddle_bridge_received_bytes_total",
    help: "Bytes of the values of records taken in.",
    labels: ["connector"],
  })
  readonly sent = counters({
    name: "heddle_bridge_sent_records_total",
    help: "Records that arrived: acknowledged or committed by Kafka, or handed to the fabric.",
    labels: ["connector"],
  })
  readonly sentBytes = counters({
    name: "heddle_bridge_sent_bytes_total",
    help: "Bytes of the values of records that arrived.",
    labels: ["connector"],
  })
  readonly routed = counters({
    name: "heddle_bridge_routed_records_total",
    help: "Records by route: made by a route of a sink (pattern, template of the topic; those sent again count again), read from a topic of a source.",
    labels: ["connector", "route", "topic"],
    maxSeries: MOST_ROUTES,
  })
  readonly dropped = counters({
    name: "heddle_bridge_dropped_records_total",
    help: "Records that were dropped, by reason.",
    labels: ["connector", "reason"],
  })
  readonly gaps = counters({
    name: "heddle_bridge_gaps_total",
    help: "Messages of other nodes that never came, because their link was away for too long.",
  })
  readonly duplicates = counters({
    name: "heddle_bridge_duplicate_records_total",
    help: "Records that were known already and not stored again.",
    labels: ["connector"],
  })
  readonly loops = counters({
    name: "heddle_bridge_loops_dropped_total",
    help: "Records that came back to a bridge that they had passed, or passed too many.",
    labels: ["connector"],
  })
  readonly deadLetters = counters({
    name: "heddle_bridge_dead_letters_total",
    help: "Records set aside, by the stage that refused them.",
    labels: ["connector", "stage"],
  })
  readonly retries = counters({
    name: "heddle_bridge_retries_total",
    help: "Attempts after an error that time can mend, by its name.",
    labels: ["connector", "error"],
    maxSeries: 200,
  })
  readonly produceSeconds = histograms({
    name: "heddle_bridge_produce_seconds",
    help: "From the sending of a batch to its acknowledgement.",
    labels: ["connector"],
    bounds: LATENCY,
  })
  readonly batchRecords = histograms({
    name: "heddle_bridge_batch_records",
    help: "Records of a batch.",
    labels: ["connector"],
    bounds: RECORDS,
  })
  readonly batchBytes = histograms({
    name: "heddle_bridge_batch_bytes",
    help: "Bytes of a batch before compression.",
    labels: ["connector"],
    bounds: BYTES,
  })
  readonly delaySeconds = histograms({
    name: "heddle_bridge_delay_seconds",
    help: "From the publisher's time of a record to its arrival; as good as the clocks agree.",
    labels: ["connector"],
    bounds: DELAY,
  })
  readonly outstanding = gauges({
    name: "heddle_bridge_outstanding_records",
    help: "Records sent and not yet acknowledged.",
    labels: ["connector"],
  })
  readonly bufferBytes = gauges({
    name: "heddle_bridge_buffer_bytes",
    help: "Bytes of records in memory, out of buffer.memory.bytes.",
    labels: ["connector"],
  })
  readonly transactions = counters({
    name: "heddle_bridge_transactions_total",
    help: "Transactions by outcome: committed, aborted, fenced.",
    labels: ["connector", "outcome"],
  })
  readonly transactionSeconds = histograms({
    name: "heddle_bridge_transaction_seconds",
    help: "From the beginning of a transaction to its end.",
    labels: ["connector"],
    bounds: LATENCY,
  })
  readonly shards = gauges({
    name: "heddle_bridge_shards_owned",
    help: "Shards that this instance owns.",
    labels: ["connector"],
  })
  readonly orphaned = gauges({
    name: "heddle_bridge_shards_orphaned",
    help: "Shards of which this instance takes messages into its spool although the group cannot be asked whose they are.",
    labels: ["connector"],
  })
  readonly rebalances = counters({
    name: "heddle_bridge_rebalances_total",
    help: "Changes of what this instance owns in a consumer group.",
    labels: ["connector"],
  })
  readonly lag = gauges({
    name: "heddle_bridge_consumer_lag_records",
    help: "Records of a partition behind the committed offset.",
    labels: ["connector", "topic", "partition"],
    maxSeries: MOST_PARTITIONS,
  })
  readonly state = gauges({
    name: "heddle_bridge_connector_state",
    help: "1 for the state that the connector is in: starting, running, degraded, paused, failed, stopped.",
    labels: ["connector", "state"],
  })
  readonly restarts = counters({
    name: "heddle_bridge_consumer_restarts_total",
    help: "Consumers that were made anew after an error.",
    labels: ["connector"],
  })
  readonly stalls = counters({
    name: "heddle_bridge_consumer_stalls_total",
    help: "Consumers that were made anew because they stood still although there were records.",
    labels: ["connector"],
  })
  readonly redelivered = counters({
    name: "heddle_bridge_redelivered_records_total",
    help: "Records that were given to a worker again.",
    labels: ["connector"],
  })
  readonly spoolBytes = gauges({
    name: "heddle_bridge_spool_bytes",
    help: "Bytes of all segments of the spool.",
    labels: ["connector"],
  })
  readonly spoolSegments = gauges({
    name: "heddle_bridge_spool_segments",
    help: "Files of the spool.",
    labels: ["connector"],
  })
  readonly spoolRecords = gauges({
    name: "heddle_bridge_spool_waiting_records",
    help: "Records in the spool that Kafka has not yet.",
    labels: ["connector"],
  })
  readonly spoolAge = gauges({
    name: "heddle_bridge_spool_oldest_seconds",
    help: "Age of the oldest record in the spool that Kafka has not yet.",
    labels: ["connector"],
  })
  readonly fsyncs = counters({
    name: "heddle_bridge_spool_fsyncs_total",
    help: "Groups of records that were forced onto the disk.",
    labels: ["connector"],
  })
  readonly fsyncSeconds = counters({
    name: "heddle_bridge_spool_fsync_seconds_total",
    help: "Time that this took in all.",
    labels: ["connector"],
  })
  readonly fsyncLongest = gauges({
    name: "heddle_bridge_spool_fsync_longest_seconds",
    help: "The longest of them since the start.",
    labels: ["connector"],
  })
  readonly replays = gauges({ name: "heddle_bridge_replay_sessions", help: "Replays that run." })
  readonly replayed = counters({ name: "heddle_bridge_replayed_records_total", help: "Records sent by replays." })

  /** All of them, in the order above. */
  get families(): readonly Family[] {
    return Object.values(this) as unknown as Family[]
  }

  /** The page for Prometheus. */
  text(): string {
    return prometheusText(this.families)
  }

  /** The same as plain data, for `$BRIDGE.<name>.stats`. */
  samples(): Sample[] {
    return samples(this.families)
  }

  /** A connector was removed. */
  forget(connector: string): void {
    for (const family of this.families) if (family.labelNames.includes("connector")) family.remove({ connector })
  }
}
