import { setTimeout as delay } from "node:timers/promises"
import type { Codec } from "../core/codec.ts"
import { HeddleError } from "../core/errors.ts"
import { Observer } from "../core/observer.ts"
import type { Fabric } from "../patterns/fabric/fabric.ts"
import { Backoff } from "./backoff.ts"
import type { BridgeConfig, ConnectorConfig } from "./config/bridge-config.ts"
import { type ConfigDiff, diffConfigs } from "./config/diff.ts"
import type { Connector, ConnectorHost, ConnectorState, ConnectorStatus } from "./connectors/connector.ts"
import { sinkFlow, sourceFlow } from "./connectors/flows.ts"
import { RecordConnector } from "./connectors/recorder.ts"
import { MirrorConnector } from "./connectors/sink.ts"
import { FeedConnector } from "./connectors/source.ts"
import { HttpControl } from "./control/http.ts"
import { ControlSubjects } from "./control/subjects.ts"
import type { ClusterView, KafkaDriver } from "./driver.ts"
import { messageOf } from "./failure.ts"
import { fabricIdOf } from "./mapping/fabric-id.ts"
import { checkLoops } from "./mapping/loops.ts"
import { BridgeMetrics } from "./metrics/bridge-metrics.ts"
import { Replays } from "./replay/replays.ts"
import { TransformChain } from "./transforms/chain.ts"

export interface BridgeOptions {
  /** The node to work with; it stays open when the bridge ends. Default: one of the bridge's own, as `fabric` of the configuration says. */
  readonly fabric?: Fabric
  /** Default: the Kafka of the configuration, by `@platformatic/kafka`. */
  readonly driver?: KafkaDriver
  /** Codecs of your own, as given to `join`. */
  readonly codecs?: readonly Codec[]
  /** Paths of transform modules count from it. Default: the working directory. */
  readonly folder?: string
}

/** Who joins and who talks to Kafka where the user brings neither. */
export interface BridgeDoors {
  join(config: BridgeConfig, codecs: readonly Codec[]): Promise<Fabric>
  driver(config: BridgeConfig): KafkaDriver
}

export interface BridgeStatus {
  readonly bridge: string
  /** The instance: name and id of its node. */
  readonly instance: string
  readonly node: string
  /** Milliseconds since it was started. */
  readonly uptime: number
  /** Null: there is no Kafka, the spool is the store. */
  readonly kafka: {
    readonly state: "connecting" | "connected"
    readonly cluster: string | null
    readonly trouble: string | null
  } | null
  readonly http: string | null
  readonly connectors: readonly ConnectorStatus[]
}

export type BridgeEvent =
  | {
      readonly type: "state"
      readonly connector: string
      readonly state: ConnectorState
      readonly trouble: string | null
    }
  | { readonly type: "kafka"; readonly state: "connecting" | "connected"; readonly trouble: string | null }
  | { readonly type: "log"; readonly level: "info" | "warn"; readonly text: string }

/** Milliseconds that messages on their way to Kafka, and those of subscribers, get at the end. */
const DRAIN = 10_000

/** A running bridge: introduces the parts to each other, and knows what each does. */
export class Bridge {
  readonly fabric: Fabric
  readonly metrics = new BridgeMetrics()
  readonly events = new Observer<BridgeEvent>()
  config: BridgeConfig
  private readonly driver: KafkaDriver | null
  private readonly options: BridgeOptions
  private readonly connectors = new Map<string, Connector>()
  private readonly host: ConnectorHost
  private readonly subjects: ControlSubjects
  private readonly replays: Replays
  private http: HttpControl | null = null
  private cluster: ClusterView | null = null
  private kafkaTrouble: string | null = null
  private readonly ending = new AbortController()
  private readonly started = performance.now()
  private connecting: Promise<void> = Promise.resolve()
  /** Changes of connectors: one after the other. */
  private changes: Promise<void> = Promise.resolve()
  private closing: Promise<void> | null = null
  private readonly ownFabric: boolean
  private readonly gap: (event: { missing: number | null }) => void

  /** @internal Use `Bridge.start`. */
  private constructor(config: BridgeConfig, fabric: Fabric, driver: KafkaDriver | null, options: BridgeOptions) {
    this.config = config
    this.fabric = fabric
    this.driver = driver
    this.options = options
    this.ownFabric = options.fabric === undefined
    const fabricId = fabricIdOf(config.fabric, fabric.fabric)
    this.host = {
      fabric,
      fabricId,
      config,
      driver,
      codecs: options.codecs ?? [],
      folder: options.folder ?? process.cwd(),
      metrics: this.metrics,
      changed: (name, state, trouble) => this.changed(name, state, trouble),
      log: (level, text) => this.events.emit({ type: "log", level, text }),
    }
    this.subjects = new ControlSubjects(this)
    const { name: bridge, hopsMax: maxHops } = config
    this.replays = new Replays({ fabric, fabricId, bridge, maxHops, metrics: this.metrics })
    const gaps = this.metrics.gaps.with({})
    this.gap = ({ missing }) => gaps.add(missing ?? 1)
    // Whoever listens to a fabric of the user's takes its events from him, perhaps.
    if (this.ownFabric) fabric.events.on("gap", this.gap)
  }

  /**
   * Joins, checks, and starts all connectors. Kafka may be away: connectors begin when it answers. Rejects with ERR_CONFIG (also for connectors
   * that feed each other), ERR_SPOOL, ERR_MISSING_PACKAGE, and as `join` does.
   */
  static async start(config: BridgeConfig, options: BridgeOptions, doors: BridgeDoors): Promise<Bridge> {
    await checkConfig(config, options)
    const driver = config.kafka === null ? null : (options.driver ?? doors.driver(config))
    let fabric: Fabric | null = null
    try {
      fabric = options.fabric ?? (await doors.join(config, options.codecs ?? []))
      const bridge = new Bridge(config, fabric, driver, options)
      try {
        await bridge.begin()
        return bridge
      } catch (error) {
        await bridge.close()
        throw error
      }
    } catch (error) {
      if (fabric === null && options.driver === undefined) await driver?.close()
      throw error
    }
  }

  get name(): string {
    return this.config.name
  }

  /** The port of control.http; null when there is none. */
  get httpAddress(): string | null {
    return this.http?.address ?? null
  }

  /** What parts of the bridge are given besides their settings. @internal */
  get surroundings(): ConnectorHost {
    return this.host
  }

  get kafka(): KafkaDriver | null {
    return this.driver
  }

  status(): BridgeStatus {
    const { cluster, kafkaTrouble: trouble, driver } = this
    return {
      bridge: this.name,
      instance: this.fabric.name,
      node: this.fabric.id,
      uptime: Math.round(performance.now() - this.started),
      kafka:
        driver === null
          ? null
          : { state: cluster === null ? "connecting" : "connected", cluster: cluster?.clusterId ?? null, trouble },
      http: this.httpAddress,
      connectors: [...this.connectors.values()].map(one => one.status()),
    }
  }

  /** Throws ENOENT for a name that no connector has. */
  connector(name: string): Connector {
    const found = this.connectors.get(name)
    if (found !== undefined) return found
    const names = [...this.connectors.keys()].join(", ")
    throw new HeddleError("ENOENT", `The bridge ${this.name} has no connector ${JSON.stringify(name)}; it has ${names}`)
  }

  get all(): readonly Connector[] {
    return [...this.connectors.values()]
  }

  pause(name: string): void {
    this.connector(name).pause()
  }

  /** Also starts one that was stopped, or has failed. */
  async resume(name: string): Promise<void> {
    const connector = this.connector(name)
    const { state } = connector.status()
    if (state === "stopped" || state === "failed") await this.restart(name)
    else connector.resume()
  }

  /** Leaves it stopped until `resume` or `restart`. */
  stop(name: string): Promise<void> {
    const connector = this.connector(name)
    return this.change(() => connector.stop())
  }

  /** Stops it in order and starts it anew, from its file and its spool. */
  restart(name: string): Promise<void> {
    const connector = this.connector(name)
    return this.change(async () => {
      await connector.stop()
      await connector.start()
      await this.refreshReplays()
    })
  }

  /** Runs something while the connector is stopped, and starts it again if it was not stopped before. */
  whileStopped<T>(name: string, work: () => Promise<T>): Promise<T> {
    const connector = this.connector(name)
    return this.change(async () => {
      const { state } = connector.status()
      await connector.stop()
      try {
        return await work()
      } finally {
        if (state !== "stopped") await connector.start()
        if (state === "paused") connector.pause()
      }
    })
  }

  /**
   * Takes over the connectors of another configuration: new ones are started, others stopped, changed ones started anew. Rejects with ERR_CONFIG, and
   * changes nothing, when something differs that only a new process can take over.
   */
  reload(next: BridgeConfig): Promise<ConfigDiff> {
    return this.change(async () => {
      const diff = diffConfigs(this.config, next)
      if (diff.process.length > 0) {
        throw new HeddleError(
          "ERR_CONFIG",
          `Only a new process can take over what changed in ${diff.process.join(", ")}; nothing was changed`,
        )
      }
      await checkConfig(next, this.options)
      this.config = next
      Object.assign(this.host, { config: next })
      for (const name of [...diff.removed, ...diff.changed.map(one => one.name)]) {
        await this.connectors.get(name)?.stop()
        this.connectors.delete(name)
        this.metrics.forget(name)
      }
      // The first that matches answers publishers: the order is that of the file.
      const others = new Map(this.connectors)
      this.connectors.clear()
      const fresh: Connector[] = []
      for (const config of next.connectors) {
        const known = others.get(config.name)
        if (known === undefined) fresh.push(this.add(config))
        else this.connectors.set(config.name, known)
      }
      await Promise.all(fresh.map(one => one.start()))
      await this.refreshReplays()
      return diff
    })
  }

  /** Asks Kafka for what only Kafka knows: the lag of sources. Never rejects. */
  async refresh(): Promise<void> {
    await Promise.all(this.all.map(one => one.refresh?.().catch(() => {})))
  }

  /**
   * Ends in order: nothing new is taken, what was taken is sent for a bounded time, the rest stays in the spools; groups are left, and
   * a fabric of its own is drained. Idempotent.
   */
  close(): Promise<void> {
    this.closing ??= this.end()
    return this.closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  private async begin(): Promise<void> {
    const { http } = this.config.control
    if (http !== null) this.http = await HttpControl.open(this, http)
    const all = this.config.connectors.map(config => this.add(config))
    await Promise.all(all.map(one => one.start()))
    await this.subjects.start()
    await this.refreshReplays()
    if (this.driver !== null) this.connecting = this.connect(this.driver)
  }

  private add(config: ConnectorConfig): Connector {
    const { host, driver, cluster } = this
    let made: Connector
    if (config.class === "KafkaToFabric") {
      const feed = new FeedConnector(host, required(driver), config)
      if (cluster !== null) void feed.connected(cluster.clusterId)
      made = feed
    } else if (driver === null) made = new RecordConnector(host, config)
    else {
      const mirror = new MirrorConnector(host, driver, config)
      if (cluster !== null) mirror.connected(cluster.clusterId)
      made = mirror
    }
    this.connectors.set(config.name, made)
    return made
  }

  /** Until Kafka answers; connectors are told then. */
  private async connect(driver: KafkaDriver): Promise<void> {
    const backoff = new Backoff({ min: 100, max: 5_000 })
    const { signal } = this.ending
    while (!signal.aborted) {
      try {
        this.cluster = await driver.connect()
        break
      } catch (error) {
        const trouble = messageOf(error)
        if (trouble !== this.kafkaTrouble) this.events.emit({ type: "kafka", state: "connecting", trouble })
        this.kafkaTrouble = trouble
        if (!(await backoff.wait(signal))) return
      }
    }
    const { cluster } = this
    if (cluster === null || signal.aborted) return
    this.kafkaTrouble = null
    this.events.emit({ type: "kafka", state: "connected", trouble: null })
    await this.change(async () => {
      for (const one of this.connectors.values()) {
        if (one instanceof MirrorConnector) one.connected(cluster.clusterId)
        // Why it fails is in its status.
        else if (one instanceof FeedConnector) await one.connected(cluster.clusterId).catch(() => {})
      }
      await this.refreshReplays()
    })
  }

  private async refreshReplays(): Promise<void> {
    await this.replays.offer(
      this.all.flatMap(one => (one.store === null ? [] : [[one.config.name, one.store] as const])),
    )
  }

  private changed(name: string, state: ConnectorState, trouble: string | null): void {
    for (const one of STATES) this.metrics.state.with({ connector: name, state: one }).set(one === state ? 1 : 0)
    this.events.emit({ type: "state", connector: name, state, trouble })
    this.subjects.announce(name, state, trouble)
  }

  private change<T>(work: () => Promise<T>): Promise<T> {
    if (this.closing !== null) return Promise.reject(new HeddleError("EBADF", `The bridge ${this.name} is closed`))
    const done = this.changes.then(work)
    this.changes = done.then(
      () => {},
      () => {},
    )
    return done
  }

  private async end(): Promise<void> {
    this.ending.abort()
    // Whoever asks from now on asks another instance.
    this.subjects.close()
    await this.http?.close()
    await this.changes
    this.replays.close()
    await Promise.all(this.all.map(one => one.stop().catch(() => {})))
    // A driver that is told to close while it connects gives up.
    if (this.options.driver === undefined) await this.driver?.close()
    await Promise.race([this.connecting, delay(DRAIN, undefined, { ref: false })])
    if (this.ownFabric) await this.fabric.drain({ timeout: DRAIN })
  }
}

const STATES: readonly ConnectorState[] = ["starting", "running", "degraded", "paused", "failed", "stopped"]

/** Transforms can be made, and nothing feeds itself (MAP-4). Rejects with ERR_CONFIG. */
export async function checkConfig(config: BridgeConfig, { folder = process.cwd() }: BridgeOptions): Promise<void> {
  const sinks = []
  const sources = []
  for (const connector of config.connectors) {
    const transforms = await TransformChain.create(connector.transforms, { folder })
    if (connector.class === "FabricToKafka") sinks.push(sinkFlow(connector, transforms))
    else sources.push(sourceFlow(connector, transforms))
  }
  if (!config.allowCycle) checkLoops(sinks, sources)
}

function required(driver: KafkaDriver | null): KafkaDriver {
  if (driver === null) throw new HeddleError("ERR_CONFIG", 'KafkaToFabric needs "kafka"')
  return driver
}
