import type { Codecs } from "../../core/codec.ts"
import { HeddleError } from "../../core/errors.ts"
import type { Fabric } from "../../patterns/fabric/fabric.ts"
import type { KafkaDriver } from "../driver.ts"
import { messageOf } from "../failure.ts"
import { Routes } from "../mapping/routes.ts"
import type { Spool } from "../spool/spool.ts"
import { type Coordination, coordinate } from "./coordination.ts"
import { sinkCounters } from "./counters.ts"
import { Dispatcher } from "./dispatcher.ts"
import type { SinkInfo } from "./info.ts"
import { Intake } from "./intake.ts"
import type { Journal } from "./journal.ts"
import type { LaneHost } from "./lane.ts"
import { Ledger } from "./ledger.ts"
import { type RecordStage, RouteMapper } from "./mapper.ts"
import { openJournal } from "./open-journal.ts"
import { openTopics } from "./open-topics.ts"
import { PlainForms } from "./plain-forms.ts"
import { SinkPoison } from "./poison.ts"
import { restoreLedgers } from "./restore.ts"
import { type SinkSettings, shardsGroup } from "./settings.ts"
import { Shard } from "./shard.ts"
import { checkShardCount } from "./shard-count.ts"
import { ShardFinder } from "./shard-finder.ts"
import { ShardKeeper } from "./shard-keeper.ts"
import type { SinkEvent, SinkState, SinkStatus } from "./status.ts"
import type { StoreServiceHost } from "./store-service.ts"

export type { SinkEvent, SinkState, SinkStatus } from "./status.ts"

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
  /** See `FromFabricOptions`. */
  readonly cluster?: () => string | null
  readonly onEvent?: (event: SinkEvent) => void
}

/** Milliseconds after which a shard that was fenced and is still assigned to us is taken over again. */
const REGAIN = 3_000

/** Milliseconds without an answer of Kafka after which that is trouble: an attempt takes longer to fail (delivery.timeout.ms). */
const OWED = 3_000

/** One connector from the fabric to Kafka (SPEC: Sink). */
export class SinkConnector {
  readonly counters = sinkCounters()
  private readonly options: SinkOptions
  private readonly settings: SinkSettings
  readonly routes: Routes
  private readonly finder: ShardFinder
  private state: SinkState = "stopped"
  private trouble: string | null = null
  /** What keeps us from the group. */
  private groupTrouble: string | null = null
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
    this.groupTrouble = null
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
    if (parts.others === null) await Promise.all(parts.shards.map(shard => parts.keeper.gain(shard)))
    else parts.others.ownership.start()
    await parts.others?.neighbours.start()
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
    const orphaned = numbers("orphaned")
    const since = Math.min(...orphaned.map(number => parts?.shards[number].orphanedAt ?? 0))
    const orphanedSince = orphaned.length === 0 ? null : Math.round(performance.timeOrigin + since)
    const trouble = this.currentTrouble(orphaned.length, orphanedSince)
    return {
      name: this.settings.connector,
      state: trouble !== null && this.state === "running" ? "degraded" : this.state,
      trouble,
      owned: numbers("owned"),
      taking: numbers("taking"),
      orphaned,
      orphanedSince,
      waiting: parts === null ? 0 : parts.journal.next - parts.dispatcher.stored,
      bufferBytes: parts?.dispatcher.bytes ?? 0,
      counters: { ...this.counters },
      missed: parts?.intake.dropped ?? 0,
      unrouted: parts?.mapper.routing.unrouted ?? 0,
      loops: parts?.mapper.routing.loops ?? 0,
    }
  }

  /** Also what no attempt has failed for yet. */
  private currentTrouble(orphaned: number, since: number | null): string | null {
    const { state, trouble, groupTrouble } = this
    if (state !== "running" && state !== "degraded") return trouble
    if (since !== null) {
      const group = shardsGroup(this.settings.bridge, this.settings.connector)
      const why = groupTrouble ?? trouble
      return `${orphaned} shards are orphaned since ${new Date(since).toISOString()}: their messages wait in the spool until the group ${group} can be asked whose they are${why === null ? "" : ` (${why})`}`
    }
    if (trouble !== null) return trouble
    const owedSince = this.parts?.keeper.owedSince ?? Number.POSITIVE_INFINITY
    if (performance.now() - owedSince < OWED) return groupTrouble
    return `Kafka has not answered since ${new Date(performance.timeOrigin + owedSince).toISOString()}`
  }

  private build(): Parts {
    const { settings, counters, finder } = this
    const { fabric, driver, stages, codecs } = this.options
    const shards = Array.from({ length: settings.shards }, (_, number) => new Shard(number))
    const taken = new Uint8Array(settings.shards)
    const { journal, first } = openJournal(settings, this.options.spool)
    const mapper = new RouteMapper(
      { ...settings, routes: this.routes, cluster: this.options.cluster },
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
    const others =
      settings.coordination === "none"
        ? null
        : coordinate({
            fabric,
            driver,
            settings,
            counters,
            journal,
            shards,
            taken,
            stored: () => dispatcher.stored,
            keeper: () => keeper,
            trouble: error => {
              this.groupTrouble = error === null ? null : messageOf(error)
            },
            failed: error => this.fail(error),
          })
    const keeper: ShardKeeper = new ShardKeeper(shards, {
      fabric,
      settings,
      journal,
      dispatcher,
      counters,
      lanes,
      taken,
      others,
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
      },
    })
    const forms = new PlainForms(settings.shards)
    const intake = new Intake({ journal, counters, forms, taken, standby: others?.standby ?? null })
    return { shards, journal, mapper, dispatcher, keeper, intake, others }
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

  /** Somebody else has taken it over; the group says who has it in the end. */
  private fenced(shard: Shard): void {
    const { parts } = this
    if (parts === null) return
    if (parts.others === null) {
      const text = `Shard ${shard.number} was taken over by another process of the same bridge and connector; with coordination "none" there must be one only`
      this.fail(new HeddleError("ERR_KAFKA", text))
      return
    }
    void parts.keeper.lose(shard).catch(error => this.fail(error))
    setTimeout(() => {
      if (this.parts === parts && parts.others?.ownership.owns(shard.number) === true)
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
    { intake, others, keeper, dispatcher, journal, shards }: Parts,
    inOrder: boolean,
  ): Promise<void> {
    intake.stop()
    if (inOrder) {
      if (others === null) await keeper.give(shards)
      else await others.ownership.close()
    }
    // What is left is sent by the next start, or by the owner.
    await keeper.stop()
    if (!inOrder) await others?.ownership.close()
    others?.neighbours.stop()
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
  /** Null: there are no other instances. */
  readonly others: Coordination | null
}
