import { matches } from "../../core/subject.ts"
import type { FabricMessage } from "../../patterns/fabric/message.ts"
import type { FabricToKafka } from "../config/bridge-config.ts"
import { messageOf } from "../failure.ts"
import { HOPS } from "../mapping/headers.ts"
import { Hops } from "../mapping/hops.ts"
import type { BridgeMetrics } from "../metrics/bridge-metrics.ts"
import { readSpool } from "../metrics/sink-metrics.ts"
import type { RecordStore } from "../replay/record-store.ts"
import { RecordedHeaders } from "../replay/recorded-headers.ts"
import { SpoolStore } from "../replay/spool-store.ts"
import { type SinkCounters, sinkCounters } from "../sink/counters.ts"
import type { SinkInfo } from "../sink/info.ts"
import { Intake } from "../sink/intake.ts"
import { Ledger, sourceKey } from "../sink/ledger.ts"
import { PlainForms } from "../sink/plain-forms.ts"
import { storeSubject } from "../sink/settings.ts"
import { Shard } from "../sink/shard.ts"
import { ShardFinder } from "../sink/shard-finder.ts"
import { StoreService } from "../sink/store-service.ts"
import type { SpoolReader } from "../spool/reader.ts"
import type { SpoolRecord } from "../spool/record-format.ts"
import type { Spool } from "../spool/spool.ts"
import type { Connector, ConnectorHost, ConnectorState, ConnectorStatus } from "./connector.ts"
import { OnceJournal } from "./once-journal.ts"
import { openSpool } from "./spools.ts"

/**
 * Newest records that are read again at the start, so that a retry of what was stored before a crash is known. A second of work; publishers
 * have retried long before so many others have come.
 */
const REREAD = 500_000

/** FabricToKafka where there is no Kafka: subjects are recorded into the spool, which is the store, and replayed from it. */
export class RecordConnector implements Connector {
  readonly config: FabricToKafka
  private readonly host: ConnectorHost
  private readonly finder: ShardFinder
  private parts: Parts | null = null
  private state: ConnectorState = "stopped"
  private failure: string | null = null
  private counters: SinkCounters = sinkCounters()
  /** Messages that had been here before: a replay that was published anew, for one (MAP-4). */
  private loops = 0

  constructor(host: ConnectorHost, config: FabricToKafka) {
    this.host = host
    this.config = config
    this.finder = new ShardFinder(config.shards)
  }

  get info(): SinkInfo {
    const { name, shards, subjects } = this.config
    return { name, shards, subjects, spooled: true, stored: false, guarantee: "at-least-once" }
  }

  get store(): RecordStore | null {
    return this.parts?.store ?? null
  }

  async start(): Promise<void> {
    if (this.parts !== null) return
    const { host, config } = this
    this.become("starting", null)
    try {
      const spool = await openSpool(host.config, config.name, true)
      if (spool === null) throw new Error("no spool is configured")
      try {
        await this.open(spool)
      } catch (error) {
        await spool.close()
        throw error
      }
    } catch (error) {
      this.become("failed", messageOf(error))
      throw error
    }
  }

  /** Nothing is recorded until `resume`; durable publishers are told to come again. */
  pause(): void {
    const { parts } = this
    if (parts === null || this.state !== "running") return
    this.unserve(parts)
    this.become("paused", null)
  }

  resume(): void {
    const { parts } = this
    if (parts === null || this.state !== "paused") return
    this.serve(parts)
    this.become("running", null)
  }

  async stop(): Promise<void> {
    await this.end("stopped", null)
  }

  status(): ConnectorStatus {
    const { config, parts, state, failure, counters } = this
    return {
      name: config.name,
      class: config.class,
      state,
      trouble: failure,
      tasks: [],
      waiting: parts === null ? 0 : parts.spool.next - parts.spool.durable,
      counters: {
        ...counters,
        stored: parts === null ? 0 : parts.spool.durable - parts.before,
        missed: parts?.intake?.dropped ?? 0,
        loops: this.loops,
      },
    }
  }

  private async open(spool: Spool): Promise<void> {
    const { host, config } = this
    this.counters = sinkCounters()
    readRecorder(host.metrics, config.name, this.counters, spool)
    host.metrics.loops.with({ connector: config.name }).read = () => this.loops
    const headers = new RecordedHeaders(this.hop, spool.id, host.config.hopsMax)
    const shards = Array.from({ length: config.shards }, (_, number) => {
      const shard = new Shard(number)
      shard.ledger = new Ledger(config.dedupPublishers, config.dedupIds)
      shard.phase = "owned"
      return shard
    })
    const before = spool.next
    const reader = spool.reader({ from: Math.max(spool.first, before - REREAD) })
    const parts: Parts = {
      spool,
      before,
      store: new SpoolStore(spool, record => headers.of(record)),
      shards,
      journal: new OnceJournal(spool, config.dedupIds),
      reader,
      services: [],
      intake: null,
      following: Promise.resolve(),
    }
    while (reader.position < before) {
      const batch = await reader.next()
      if (batch === null) break
      this.remember(parts, batch.records)
    }
    this.parts = parts
    parts.following = this.follow(parts)
    await this.serve(parts)
    this.become("running", null)
  }

  private async serve(parts: Parts): Promise<void> {
    const { host, config, counters, finder } = this
    const { journal, shards } = parts
    const forms = new PlainForms(config.shards)
    const taken = new Uint8Array(config.shards).fill(1)
    const hops = new Hops(this.hop, host.config.hopsMax)
    const refuses = ({ headers }: FabricMessage): boolean => {
      const refused = headers.size > 0 && hops.add(headers.get(HOPS)) === null
      if (refused) this.loops++
      return refused
    }
    const intake = new Intake({ journal, counters, forms, taken, standby: null, refuses })
    parts.intake = intake
    const service = {
      journal,
      counters,
      shardOf: (subject: string) => finder.of(subject),
      wants: (subject: string) => config.subjects.some(pattern => matches(pattern, subject)),
      canSpool: true,
      canStore: false,
      maxWaiting: config.maxWaiting,
      waiting: 0,
    }
    for (const shard of shards) {
      const subject = storeSubject(host.config.name, config.name, shard.number)
      parts.services.push(new StoreService(host.fabric, subject, shard, service))
    }
    await intake.start(host.fabric, config.subjects)
  }

  private unserve(parts: Parts): void {
    parts.intake?.stop()
    parts.intake = null
    for (const service of parts.services.splice(0)) service.close()
  }

  /** What is durable may be freed, as retention decides, and is known to retries. */
  private async follow(parts: Parts): Promise<void> {
    const { reader, spool } = parts
    try {
      for (let batch = await reader.next(); batch !== null; batch = await reader.next()) {
        this.remember(parts, batch.records)
        spool.release(reader.position)
      }
    } catch (error) {
      if (this.parts === parts) void this.end("failed", messageOf(error))
    }
  }

  private get hop(): { fabric: string; bridge: string; connector: string } {
    const { fabricId: fabric, config } = this.host
    return { fabric, bridge: config.name, connector: this.config.name }
  }

  private remember({ shards, journal }: Parts, records: readonly SpoolRecord[]): void {
    const now = Date.now()
    for (let i = 0; i < records.length; i++) {
      const { origin, id, subject } = records[i]
      if (origin === null && id === "") continue
      const { ledger, number } = shards[this.finder.of(subject)]
      if (ledger === null) continue
      if (origin !== null) {
        const source = ledger.use(sourceKey(origin.publisher, origin.epoch), now)
        source.floor = Math.max(source.floor, origin.floor)
        source.accept(origin.number)
        source.store(origin.number, null, false)
      }
      if (id !== "") {
        ledger.rememberIds([[id, null]])
        ledger.takeEmptyIdGroups()
        journal.known(number, id)
      }
    }
  }

  private async end(state: "stopped" | "failed", trouble: string | null): Promise<void> {
    const { parts } = this
    this.parts = null
    if (parts === null) {
      this.become(state, trouble)
      return
    }
    this.unserve(parts)
    await parts.spool.flush().catch(() => {})
    await parts.reader.close()
    if (state === "stopped") await parts.following
    await parts.journal.close()
    await parts.spool.close()
    this.become(state, trouble)
  }

  private become(state: ConnectorState, trouble: string | null): void {
    if (state === this.state && trouble === this.failure) return
    this.state = state
    this.failure = trouble
    this.host.changed(this.config.name, state, trouble)
  }
}

interface Parts {
  readonly spool: Spool
  /** Records that were there at the start. */
  readonly before: number
  readonly store: SpoolStore
  readonly shards: readonly Shard[]
  readonly journal: OnceJournal
  readonly reader: SpoolReader
  readonly services: StoreService[]
  intake: Intake | null
  following: Promise<void>
}

function readRecorder(metrics: BridgeMetrics, connector: string, counters: SinkCounters, spool: Spool): void {
  const of = { connector }
  metrics.received.with(of).read = () => counters.received + counters.requested
  metrics.receivedBytes.with(of).read = () => counters.bytes
  metrics.sent.with(of).read = () => spool.durable
  metrics.duplicates.with(of).read = () => counters.duplicates
  metrics.dropped.with({ connector, reason: "full" }).read = () => counters.full
  metrics.dropped.with({ connector, reason: "unreadable" }).read = () => counters.unreadable
  readSpool(metrics, connector, spool)
}
