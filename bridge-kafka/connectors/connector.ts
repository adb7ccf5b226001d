import type { Codec } from "../../core/codec.ts"
import type { Fabric } from "../../patterns/fabric/fabric.ts"
import type { BridgeConfig, ConnectorConfig } from "../config/bridge-config.ts"
import type { KafkaDriver } from "../driver.ts"
import type { BridgeMetrics } from "../metrics/bridge-metrics.ts"
import type { RecordStore } from "../replay/record-store.ts"
import type { SinkInfo } from "../sink/info.ts"

/**
 * - `starting`: not at work yet; of a sink that shares shards also: it owns none, and takes nothing
 * - `degraded`: something that time mends is tried again; records wait. Of a sink also: shards are orphaned
 * - `failed`: a person has to change something, or to restart it
 */
export type ConnectorState = "stopped" | "starting" | "running" | "degraded" | "paused" | "failed"

/** What is the same for all kinds. */
export interface ConnectorStatus {
  readonly name: string
  readonly class: ConnectorConfig["class"]
  readonly state: ConnectorState
  /** Why it is degraded or failed, or what went wrong last. */
  readonly trouble: string | null
  /** Of this instance: shards of a sink, partitions of a source. */
  readonly tasks: readonly TaskStatus[]
  /** Records that have not arrived yet: in the journal of a sink, in memory of a source. */
  readonly waiting: number
  /** Numbers that only go up, by name; see sink/counters.ts and source/counters.ts. */
  readonly counters: Readonly<Record<string, number>>
}

/** Connect's word for a part of a connector's work. */
export interface TaskStatus {
  /** Shard, or topic/partition. */
  readonly id: string
  readonly state: "running" | "taking" | "orphaned" | "paused" | "failed"
  readonly trouble: string | null
  /** Of a source: the next offset to be committed, and the one committed last; -1 = not known. */
  readonly position?: number
  readonly committed?: number
}

/** One connector of the file in this instance, with all that it needs. Calls of `start`, `stop` and `restart` come one after the other. */
export interface Connector {
  readonly config: ConnectorConfig
  /** What durable publishers are told; null = they have no business with it. */
  readonly info: SinkInfo | null
  /** What it has stored, for replays; null = nothing yet. */
  readonly store: RecordStore | null
  start(): Promise<void>
  /** Nothing new is sent or delivered; the group is not left. */
  pause(): void
  resume(): void
  /** Finishes what is under way for a bounded time. Idempotent. */
  stop(): Promise<void>
  status(): ConnectorStatus
  /** Brings numbers up to date that somebody else has to be asked for. */
  refresh?(): Promise<void>
}

/** What connectors get of the bridge. */
export interface ConnectorHost {
  readonly fabric: Fabric
  /** Of the fabric in hd.hops (MAP-4). */
  readonly fabricId: string
  readonly config: BridgeConfig
  /** Null: there is no Kafka. */
  readonly driver: KafkaDriver | null
  /** Codecs of the user's own. */
  readonly codecs: readonly Codec[]
  /** Paths of modules count from it. */
  readonly folder: string
  readonly metrics: BridgeMetrics
  /** Its status has changed. */
  changed(name: string, state: ConnectorState, trouble: string | null): void
  /** A line for the log. */
  log(level: "info" | "warn", text: string): void
}

/** Milliseconds between two looks at connectors that tell nobody of some changes. */
const LOOK = 200

/** Tells the bridge when the state or the trouble of a connector is another than before. */
export class StateWatch {
  private readonly look: () => void
  private timer: NodeJS.Timeout | undefined
  private told = ""

  constructor(host: ConnectorHost, connector: Pick<Connector, "config" | "status">) {
    this.look = () => {
      const { state, trouble } = connector.status()
      const now = `${state} ${trouble ?? ""}`
      if (now === this.told) return
      this.told = now
      host.changed(connector.config.name, state, trouble)
    }
  }

  start(): void {
    this.timer ??= setInterval(this.look, LOOK).unref()
  }

  /** Looks at once. */
  tell(): void {
    this.look()
  }

  stop(): void {
    clearInterval(this.timer)
    this.timer = undefined
    this.look()
  }
}
