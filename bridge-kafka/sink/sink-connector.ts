import type { Codecs } from "../../core/codec.ts"
import { HeddleError } from "../../core/errors.ts"
import type { Fabric } from "../../patterns/fabric/fabric.ts"
import type { KafkaDriver } from "../driver.ts"
import { messageOf } from "../failure.ts"
import { Routes } from "../mapping/routes.ts"
import type { SpoolRecord } from "../spool/record-format.ts"
import type { Spool } from "../spool/spool.ts"
import { type SinkCounters, sinkCounters } from "./counters.ts"
import { Dispatcher } from "./dispatcher.ts"
import type { SinkInfo } from "./info.ts"
import { Intake } from "./intake.ts"
import type { Journal } from "./journal.ts"
import type { LaneHost } from "./lane.ts"
import { Ledger } from "./ledger.ts"
import { type RecordStage, RouteMapper } from "./mapper.ts"
import { openJournal } from "./open-journal.ts"
import { openTopics } from "./open-topics.ts"
import { Ownership } from "./ownership.ts"
import { SinkPoison } from "./poison.ts"
import { restoreLedgers } from "./restore.ts"
import { type SinkSettings, shardsGroup, shardsTopic } from "./settings.ts"
import { Shard } from "./shard.ts"
import { checkShardCount } from "./shard-count.ts"
import { ShardFinder } from "./shard-finder.ts"
import { ShardKeeper } from "./shard-keeper.ts"
import { Standby } from "./standby.ts"
import type { StoreServiceHost } from "./store-service.ts"
import type { PartitionsChanged } from "./topics.ts"

/**
 * - `degraded`: Kafka cannot be reached or refuses, and is tried again; records wait in the spool
 * - `failed`: a person has to change something; nothing is taken or sent
 */
export type SinkState = "stopped" | "starting" | "running" | "degraded" | "paused" | "failed"

export interface SinkStatus {
  readonly name: string
  readonly state: SinkState
  /** Why it is degraded or failed. */
  readonly trouble: string | null
  readonly owned: readonly number[]
  readonly taking: readonly number[]
  /** Records in the journal that are not stored. */
  readonly waiting: number
  /** Memory of records on their way to Kafka. */
  readonly bufferBytes: number
  readonly counters: Readonly<SinkCounters>
  /** Messages lost before the bridge took them: it was too slow. */
  readonly missed: number
  readonly unrouted: number
  readonly loops: number
}

export type SinkEvent =
  | { readonly type: "state"; readonly state: SinkState; readonly trouble: string | null }
  | { readonly type: "set-aside"; readonly record: SpoolRecord; readonly error: unknown; readonly kept: boolean }
  | ({ readonly type: "partitions-changed" } & PartitionsChanged)

export interface SinkOptions {
  readonly fabric: Fabric
  readonly driver: KafkaDriver
  readonly settings: SinkSettings
  /** Of this connector alone; whoever opened it closes it, after `stop`. Null: `spool.mode` is off. */
  readonly spool: Spool | null
  /** Transforms, then converters. */
  readonly stages?: readonly RecordStage[]
  /** With the user's own; default: those of Heddle. */
  readonly codecs?: Codecs
  readonly onEvent?: (event: SinkEvent) => void
}

/** Milliseconds after which a shard that was fenced and is still assigned to us is taken over again. */
const REGAIN = 3_000

/** One connector from the fabric to Kafka (SPEC: Sink). */
export class SinkConnector {
  readonly counters = sinkCounters()
  private readonly options: SinkOptions
  private readonly settings: SinkSettings
  private readonly routes: Routes
  private readonly finder: ShardFinder
  private state: SinkState = "stopped"
  private trouble: string | null = null
  private parts: Parts | null = null
  private ending: Promise<void> | null = null

  /** Throws ERR_CONFIG for settings that do not fit together. */
  constructor(options: SinkOptions) {
    const { settings, spool } = options
    this.options = options
    this.settings = settings
    if (settings.spoolMode !== "off" && spool === null)
      throw new HeddleError(
        "ERR_CONFIG",
        `Connector ${settings.connector}: spool.mode ${settings.spoolMode} needs a spool`,
      )
    if (settings.guarantee === "exactly-once" && settings.spoolMode !== "always") {
      throw new HeddleError(
        "ERR_CONFIG",
        `Connector ${settings.connector}: exactly-once needs spool.mode always: what a checkpoint speaks of must survive a crash`,
      )
    }
    this.routes = new Routes(settings.routes, { maxTopics: settings.topicMax })
    this.finder = new ShardFinder(settings.shards)
  }

  get info(): SinkInfo {
    const { connector, shards, subjects, spoolMode, guarantee } = this.settings
    return { name: connector, shards, subjects, spooled: spoolMode === "always", stored: true, guarantee }
  }

  /** Resolves when messages are taken, of those shards that are owned already; Kafka may be away. Idempotent. */
  async start(): Promise<void> {
    await this.ending
    if (this.parts !== null) return
    this.counters.foreign = 0
    this.become("starting", null)
    const parts = this.build()
    this.parts = parts
    try {
      await this.restore(parts)
    } catch (error) {
      await this.end("failed", messageOf(error))
      throw error
    }
    // Stopped meanwhile.
    if (this.parts !== parts) return
    parts.keeper.start()
    parts.dispatcher.start()
    if (parts.ownership === null) await Promise.all(parts.shards.map(shard => parts.keeper.gain(shard)))
    else parts.ownership.start()
    await parts.standby?.start()
    await parts.intake.start(this.options.fabric, this.settings.subjects)
    if (this.state === "starting") this.become("running", null)
  }

  /** Messages are taken and wait in the journal; what is in memory still goes out. */
  pause(): void {
    if (this.parts === null || this.state === "failed") return
    this.parts.dispatcher.pause()
    this.become("paused", null)
  }

  resume(): void {
    if (this.parts === null || this.state !== "paused") return
    this.parts.dispatcher.resume()
    this.become("running", null)
  }

  /** Gives up its shards in order; what cannot be sent in time stays in the spool. Idempotent. */
  async stop(): Promise<void> {
    await this.end("stopped", null)
  }

  status(): SinkStatus {
    const { parts } = this
    const numbers = (phase: string): number[] =>
      parts?.shards.filter(shard => shard.phase === phase).map(shard => shard.number) ?? []
    return {
      name: this.settings.connector,
      state: this.state,
      trouble: this.trouble,
      owned: numbers("owned"),
      taking: numbers("taking"),
      waiting: parts === null ? 0 : parts.journal.next - parts.dispatcher.stored,
      bufferBytes: parts?.dispatcher.bytes ?? 0,
      counters: { ...this.counters },
      missed: parts?.intake.dropped ?? 0,
      unrouted: parts?.mapper.routing.unrouted ?? 0,
      loops: parts?.mapper.routing.loops ?? 0,
    }
  }

  private build(): Parts {
    const { settings, counters, finder } = this
    const { fabric, driver, stages, codecs } = this.options
    const shards = Array.from({ length: settings.shards }, (_, number) => new Shard(number))
    const taken = new Uint8Array(settings.shards)
    const { journal, first } = openJournal(settings, this.options.spool)
    const mapper = new RouteMapper(
      { bridge: settings.bridge, connector: settings.connector, routes: this.routes, maxHops: settings.maxHops },
      journal.id,
      stages,
      codecs,
    )
    const topics = openTopics(driver, settings, change =>
      this.options.onEvent?.({ type: "partitions-changed", ...change }),
    )
    const trouble = (error: unknown): void => this.troubled(error)
    const dispatcher = new Dispatcher(journal, first, shards, subject => finder.of(subject), readAhead(settings), {
      arrived: shard => keeper.arrived(shard),
      failed: error => this.fail(error),
    })
    const done = (sequence: number): void => dispatcher.done(sequence)
    const settled = (freed: number): void => dispatcher.settled(freed)
    const store: StoreServiceHost = {
      journal,
      counters,
      shardOf: subject => finder.of(subject),
      wants: subject => this.routes.of(subject).matches.length > 0,
      canSpool: settings.spoolMode === "always",
      canStore: true,
      maxWaiting: settings.maxWaiting,
      waiting: 0,
    }
    const lanes: LaneHost = {
      driver,
      mapper,
      topics,
      counters,
      spool: journal.id,
      poison: new SinkPoison(
        {
          connector: settings.connector,
          tolerance: settings.tolerance,
          topic: settings.deadLetterTopic,
          headers: settings.deadLetterHeaders,
        },
        counters,
        (record, error, kept) => this.options.onEvent?.({ type: "set-aside", record, error, kept }),
      ),
      settings: {
        linger: settings.lingerMs,
        batchBytes: settings.batchSize,
        producer: settings.producer,
        retryMin: settings.retryMinMs,
        retryMax: settings.retryMaxMs,
      },
      done,
      settled,
      trouble,
      taken: shard => keeper.serve(shard),
      fenced: shard => this.fenced(shard),
      failed: error => this.fail(error),
    }
    const standby = settings.coordination === "none" ? null : this.standby(journal, taken, () => dispatcher.stored)
    const keeper: ShardKeeper = new ShardKeeper(shards, {
      fabric,
      settings,
      journal,
      dispatcher,
      lanes,
      taken,
      standby,
      store,
      forwarding: {
        fabric,
        counters,
        spool: journal.id,
        retryMin: settings.retryMinMs,
        retryMax: settings.retryMaxMs,
        done,
        settled,
        trouble,
        elsewhere: shard => {
          if (shard.phase === "foreign") keeper.untake(shard)
        },
      },
    })
    const intake = new Intake({ journal, counters, finder, taken, standby })
    const ownership = settings.coordination === "none" ? null : this.ownership(shards, keeper)
    return { shards, journal, mapper, dispatcher, keeper, intake, standby, ownership }
  }

  /** What the spool can tell of the time before. */
  private async restore({ shards }: Parts): Promise<void> {
    const { spool } = this.options
    const { connector, guarantee, spoolMode, dedupPublishers, dedupIds } = this.settings
    if (spool === null || spoolMode === "off") return
    await checkShardCount(spool, connector, shards.length)
    if (guarantee === "exactly-once" || spoolMode !== "always") return
    await restoreLedgers(spool, ({ shard: number, subject }) => {
      const shard = shards[number < shards.length ? number : this.finder.of(subject)]
      shard.past ??= new Ledger(dedupPublishers, dedupIds)
      return shard.past
    })
  }

  private standby(journal: Journal, taken: Uint8Array, stored: () => number): Standby {
    const { settings, counters } = this
    const { bridge, connector, guarantee, standbyBytes: bytes, standbyMs: age } = settings
    const { fabric } = this.options
    const exactlyOnce = guarantee === "exactly-once"
    return new Standby({ fabric, bridge, connector, exactlyOnce, journal, counters, taken, stored }, { bytes, age })
  }

  private ownership(shards: readonly Shard[], keeper: ShardKeeper): Ownership {
    const { bridge, connector, shards: count, retryMinMs, retryMaxMs } = this.settings
    const ownership: Ownership = new Ownership(
      this.options.driver,
      {
        gain: number => void keeper.gain(shards[number]).catch(error => this.fail(error)),
        give: numbers => keeper.give(numbers.map(number => shards[number])),
        lose: number => void keeper.lose(shards[number], true).catch(error => this.fail(error)),
        settled: () => keeper.settle(number => ownership.owns(number)),
        trouble: error => this.troubled(error),
        failed: error => this.fail(error),
      },
      {
        topic: shardsTopic(bridge, connector),
        group: shardsGroup(bridge, connector),
        shards: count,
        retryMin: retryMinMs,
        retryMax: retryMaxMs,
      },
    )
    return ownership
  }

  /** Somebody else has taken it over; the group says who has it in the end. */
  private fenced(shard: Shard): void {
    const { parts } = this
    if (parts === null) return
    if (parts.ownership === null) {
      const text = `Shard ${shard.number} was taken over by another process of the same bridge and connector; with coordination "none" there must be one only`
      this.fail(new HeddleError("ERR_KAFKA", text))
      return
    }
    void parts.keeper.lose(shard).catch(error => this.fail(error))
    setTimeout(() => {
      if (this.parts === parts && parts.ownership?.owns(shard.number) === true)
        void parts.keeper.gain(shard).catch(error => this.fail(error))
    }, REGAIN).unref()
  }

  private troubled(error: unknown): void {
    if (error === null) {
      if (this.state === "degraded") this.become("running", null)
    } else if (this.state === "running" || this.state === "degraded" || this.state === "starting")
      this.become("degraded", messageOf(error))
  }

  private fail(error: unknown): void {
    if (this.state === "failed" || this.parts === null) return
    void this.end("failed", messageOf(error))
  }

  private end(state: "stopped" | "failed", trouble: string | null): Promise<void> {
    const { parts } = this
    if (parts === null) {
      if (state === "stopped" && this.ending === null) this.become(state, trouble)
      return this.ending ?? Promise.resolve()
    }
    this.parts = null
    this.ending = this.finish(parts, state === "stopped").finally(() => {
      this.ending = null
      this.become(state, trouble)
    })
    if (state === "failed") this.become(state, trouble)
    return this.ending
  }

  private async finish(
    { intake, standby, ownership, keeper, dispatcher, journal, shards }: Parts,
    inOrder: boolean,
  ): Promise<void> {
    intake.stop()
    if (inOrder) {
      if (ownership === null) await keeper.give(shards)
      else await ownership.close()
    }
    // What is left is sent by the next start, or by the owner.
    await keeper.stop()
    if (!inOrder) await ownership?.close()
    standby?.stop()
    await journal.close()
    await dispatcher.stop()
  }

  private become(state: SinkState, trouble: string | null): void {
    if (state === this.state && trouble === this.trouble) return
    this.state = state
    this.trouble = trouble
    this.options.onEvent?.({ type: "state", state, trouble })
  }
}

/** Batches that wait for the one that is on its way: enough that none is short, and few enough that their records die young. */
const BATCHES_AHEAD = 16

/** Bytes of records that are read from the journal before they can be sent. */
function readAhead({ guarantee, shards, batchSize, bufferMemoryBytes }: SinkSettings): number {
  const lanes = guarantee === "exactly-once" ? shards : 1
  return Math.min(bufferMemoryBytes, BATCHES_AHEAD * batchSize * lanes)
}

interface Parts {
  readonly shards: readonly Shard[]
  readonly journal: Journal
  readonly mapper: RouteMapper
  readonly dispatcher: Dispatcher
  readonly keeper: ShardKeeper
  readonly intake: Intake
  readonly standby: Standby | null
  readonly ownership: Ownership | null
}
