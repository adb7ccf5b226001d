import { Codecs } from "../../core/codec.ts"
import type { FabricToKafka } from "../config/bridge-config.ts"
import { sinkSettings } from "../config/sink-settings.ts"
import { deadLetterHeaders } from "../dead-letter.ts"
import { publishNotice } from "../dead-letter-notice.ts"
import type { KafkaDriver } from "../driver.ts"
import { failureOf, messageOf } from "../failure.ts"
import { measuredDriver } from "../metrics/measured-driver.ts"
import { readSink } from "../metrics/sink-metrics.ts"
import { KafkaStore } from "../replay/kafka-store.ts"
import { subjectIn } from "../replay/record-headers.ts"
import type { RecordStore } from "../replay/record-store.ts"
import type { SinkInfo } from "../sink/info.ts"
import { SinkConnector, type SinkEvent } from "../sink/sink-connector.ts"
import type { Spool } from "../spool/spool.ts"
import { type Connector, type ConnectorHost, type ConnectorStatus, StateWatch, type TaskStatus } from "./connector.ts"
import { SinkTopics } from "./sink-topics.ts"
import { openSpool } from "./spools.ts"
import { type Conversion, openConversion, sinkStages } from "./stages.ts"

/** FabricToKafka: a sink with its spool, transforms and converters. */
export class MirrorConnector implements Connector {
  readonly config: FabricToKafka
  private readonly host: ConnectorHost
  private readonly driver: KafkaDriver
  private readonly topics: SinkTopics
  private parts: { sink: SinkConnector; spool: Spool | null; conversion: Conversion } | null = null
  /** Why it could not begin. */
  private failure: string | null = null
  private kafkaStore: KafkaStore | null = null
  private readonly watch: StateWatch

  constructor(host: ConnectorHost, driver: KafkaDriver, config: FabricToKafka) {
    this.host = host
    this.driver = driver
    this.config = config
    this.topics = new SinkTopics(config)
    this.watch = new StateWatch(host, this)
  }

  /** Also while it is stopped: publishers wait for its return then. */
  get info(): SinkInfo {
    const { name, shards, subjects, guarantee } = this.config
    const spooled = this.host.config.spool?.mode === "always"
    return { name, shards, subjects, spooled, stored: true, guarantee }
  }

  get store(): RecordStore | null {
    return this.kafkaStore
  }

  /** The cluster is known now. */
  connected(clusterId: string): void {
    this.kafkaStore = new KafkaStore({
      driver: this.driver,
      clusterId,
      topics: () => this.topics.find(this.driver),
      subjectOf: record => subjectIn(record.headers) ?? null,
    })
  }

  async start(): Promise<void> {
    if (this.parts !== null) return
    const { host, config } = this
    this.failure = null
    this.watch.start()
    let spool: Spool | null = null
    let conversion: Conversion | null = null
    try {
      conversion = await openConversion(host, config)
      spool = await openSpool(host.config, config.name, false)
      if (spool?.tornTail != null)
        host.log("warn", `${config.name}: ${spool.tornTail.bytes} bytes of an unfinished write were cut off the spool`)
      const driver = measuredDriver(this.driver, config.name, host.metrics, this.topics)
      const settings = sinkSettings(host.config, config, host.fabricId)
      const stages = await sinkStages(conversion, host.codecs)
      const codecs = new Codecs(host.codecs)
      const onEvent = (event: SinkEvent): void => this.happened(event)
      // Transforms may lead elsewhere: then nobody knows before where a message goes.
      const cluster = stages.length > 0 ? undefined : (): string | null => this.kafkaStore?.cluster ?? null
      const sink = new SinkConnector({ fabric: host.fabric, driver, settings, spool, stages, codecs, onEvent, cluster })
      readSink(host.metrics, config.name, sink, spool)
      this.parts = { sink, spool, conversion }
      await sink.start()
    } catch (error) {
      this.failure = messageOf(error)
      if (this.parts === null) {
        conversion?.close()
        await spool?.close()
      } else await this.close()
      this.watch.tell()
      throw error
    }
  }

  pause(): void {
    this.parts?.sink.pause()
  }

  resume(): void {
    this.parts?.sink.resume()
  }

  async stop(): Promise<void> {
    this.failure = null
    await this.close()
    this.watch.stop()
  }

  status(): ConnectorStatus {
    const { config, parts, failure } = this
    const common = { name: config.name, class: config.class }
    if (parts === null) {
      const state = failure === null ? "stopped" : "failed"
      return { ...common, state, trouble: failure, tasks: [], waiting: 0, counters: {} }
    }
    const { state, trouble, owned, taking, orphaned, waiting, bufferBytes, counters, missed, unrouted, loops } =
      parts.sink.status()
    const idle = state === "running" && owned.length + taking.length === 0
    const task = (shard: number, how: TaskStatus["state"]): TaskStatus => ({
      id: String(shard),
      state: state === "paused" ? "paused" : how,
      trouble: null,
    })
    return {
      ...common,
      state: idle ? "starting" : state,
      trouble: trouble ?? (idle ? "it owns no shard (yet): messages are not taken here" : null),
      tasks: [
        ...owned.map(shard => task(shard, "running")),
        ...taking.map(shard => task(shard, "taking")),
        ...orphaned.map(shard => task(shard, "orphaned")),
      ],
      waiting,
      counters: { ...counters, missed, unrouted, loops, bufferBytes },
    }
  }

  private async close(): Promise<void> {
    const { parts } = this
    if (parts === null) return
    this.parts = null
    await parts.sink.stop()
    await parts.spool?.close()
    parts.conversion.close()
  }

  private happened(event: SinkEvent): void {
    const { host, config } = this
    const { name } = config
    if (event.type === "state") this.watch.tell()
    else if (event.type === "partitions-changed") {
      const { topic, before, now } = event
      host.log(
        "warn",
        `${name}: ${topic} has ${now} partitions now, and had ${before}: keys go elsewhere than before (partitions.changed)`,
      )
    } else {
      const { record, error, kept } = event
      const { stage } = failureOf(error, "KAFKA_PRODUCE")
      host.metrics.deadLetters.with({ connector: name, stage }).add()
      if (config.errorsLogEnable) {
        const what = kept ? "among the dead letters" : "dropped"
        host.log(
          "warn",
          `${name}: record ${record.sequence} of ${record.subject} ${what} (${stage}): ${messageOf(error)}`,
        )
      }
      const to = config.errorsDeadletterqueueSubject
      if (to === null) return
      const context = { connector: name, task: record.shard }
      publishNotice(host.fabric, to, record, deadLetterHeaders(record, failureOf(error, "KAFKA_PRODUCE"), context))
    }
  }
}
