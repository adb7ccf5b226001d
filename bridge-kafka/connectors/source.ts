import type { KafkaToFabric } from "../config/bridge-config.ts"
import type { KafkaDriver } from "../driver.ts"
import { messageOf } from "../failure.ts"
import { ToFabric } from "../mapping/to-fabric.ts"
import { readLag, readSource } from "../metrics/source-metrics.ts"
import { KafkaStore, type KafkaStoreOptions } from "../replay/kafka-store.ts"
import type { RecordStore } from "../replay/record-store.ts"
import { SourceConnector } from "../source/connector.ts"
import type { SourceStatus } from "../source/status.ts"
import {
  type Connector,
  type ConnectorHost,
  type ConnectorState,
  type ConnectorStatus,
  StateWatch,
  type TaskStatus,
} from "./connector.ts"
import { type Conversion, openConversion } from "./stages.ts"

/** KafkaToFabric: a source with its transforms and converters. It begins when the cluster is known. */
export class FeedConnector implements Connector {
  readonly config: KafkaToFabric
  readonly info = null
  private readonly host: ConnectorHost
  private readonly driver: KafkaDriver
  private cluster: string | null = null
  private parts: { source: SourceConnector; conversion: Conversion } | null = null
  private wanted = false
  private paused = false
  private failure: string | null = null
  private kafkaStore: KafkaStore | null = null
  private readonly watch: StateWatch

  constructor(host: ConnectorHost, driver: KafkaDriver, config: KafkaToFabric) {
    this.host = host
    this.driver = driver
    this.config = config
    this.watch = new StateWatch(host, this)
  }

  get store(): RecordStore | null {
    return this.kafkaStore
  }

  async connected(clusterId: string): Promise<void> {
    this.cluster = clusterId
    const { host, config, driver } = this
    const { topics, subject, subjectPrefix, name, isolationLevel: isolation } = config
    const { fabricId } = host
    const mapping = new ToFabric({ fabricId, bridge: host.config.name, connector: name, cluster: clusterId, subject })
    const subjectOf: KafkaStoreOptions["subjectOf"] = record => {
      try {
        const found = mapping.subjectOf({ ...record, subject: "" })
        return subjectPrefix === "" ? found : `${subjectPrefix}.${found}`
      } catch {
        // It has no subject: a source sets such a record aside.
        return null
      }
    }
    this.kafkaStore = new KafkaStore({ driver, clusterId, topics, subjectOf, isolation })
    if (this.wanted && this.parts === null) await this.open()
  }

  async start(): Promise<void> {
    if (this.wanted && this.failure === null) return
    this.wanted = true
    this.failure = null
    this.watch.start()
    await this.open()
    this.watch.tell()
  }

  pause(): void {
    this.paused = true
    this.parts?.source.pause()
    this.watch.tell()
  }

  resume(): void {
    this.paused = false
    this.parts?.source.resume()
    this.watch.tell()
  }

  async stop(): Promise<void> {
    this.wanted = false
    this.paused = false
    this.failure = null
    const { parts } = this
    this.parts = null
    await parts?.source.stop()
    parts?.conversion.close()
    this.watch.stop()
  }

  status(): ConnectorStatus {
    const { config, parts, failure, wanted } = this
    const common = { name: config.name, class: config.class }
    if (parts === null) {
      const state = failure !== null ? "failed" : !wanted ? "stopped" : this.paused ? "paused" : "starting"
      return { ...common, state, trouble: failure, tasks: [], waiting: 0, counters: {} }
    }
    const found = parts.source.status()
    const { partitions, counters, loops, headersDropped } = found
    return {
      ...common,
      state: stateOf(found),
      trouble: found.error ?? partitions.find(one => one.stopped !== null)?.stopped?.message ?? null,
      tasks: partitions.map(
        ({ topic, partition, position, committed, stopped, paused }): TaskStatus => ({
          id: `${topic}/${partition}`,
          state: stopped !== null ? "failed" : found.state === "paused" || paused ? "paused" : "running",
          trouble: stopped === null ? null : `at offset ${stopped.offset} (${stopped.stage}): ${stopped.message}`,
          position,
          committed,
        }),
      ),
      waiting: partitions.reduce((sum, one) => sum + one.records, 0),
      counters: { ...counters, loops, headersDropped },
    }
  }

  async refresh(): Promise<void> {
    const { parts } = this
    if (parts !== null) await readLag(this.host.metrics, this.config.name, parts.source)
  }

  private async open(): Promise<void> {
    const { host, config, driver, cluster } = this
    if (cluster === null || this.parts !== null) return
    try {
      const conversion = await openConversion(host, config)
      const source = new SourceConnector(config, {
        fabric: host.fabric,
        fabricId: host.fabricId,
        driver,
        bridge: host.config.name,
        clusterId: cluster,
        maxHops: host.config.hopsMax,
        transforms: conversion.transforms,
        keyConverter: conversion.key,
        valueConverter: conversion.value,
        setAside: (record, failure, kept) => {
          host.metrics.deadLetters.with({ connector: config.name, stage: failure.stage }).add()
          if (!config.errorsLogEnable) return
          const { topic, partition, offset } = record
          const what = kept ? "among the dead letters" : "dropped"
          const why = `(${failure.stage}): ${messageOf(failure.error)}`
          host.log("warn", `${config.name}: ${topic}/${partition}/${offset} ${what} ${why}`)
        },
      })
      readSource(host.metrics, config.name, source)
      this.parts = { source, conversion }
      source.start()
      if (this.paused) source.pause()
    } catch (error) {
      this.failure = messageOf(error)
      this.watch.tell()
      throw error
    }
  }
}

/** A partition that stands is for a person, as a sink that failed is; what is tried again is not. */
function stateOf({ state, error, partitions }: SourceStatus): ConnectorState {
  if (state === "running" && partitions.length > 0 && partitions.every(one => one.stopped !== null)) return "failed"
  const wrong = error !== null || partitions.some(one => one.stopped !== null)
  return wrong && (state === "running" || state === "starting") ? "degraded" : state
}
