import type { Fabric } from "../../patterns/fabric/fabric.ts"
import { checkpointTopic } from "./checkpoint.ts"
import type { Coordination } from "./coordination.ts"
import type { SinkCounters } from "./counters.ts"
import type { Dispatcher } from "./dispatcher.ts"
import { Forwarder, type ForwarderHost } from "./forwarder.ts"
import type { Journal } from "./journal.ts"
import { Lane, type LaneHost } from "./lane.ts"
import { Ledger } from "./ledger.ts"
import { type SinkSettings, storeSubject } from "./settings.ts"
import type { Shard } from "./shard.ts"
import { StoreService, type StoreServiceHost } from "./store-service.ts"

export interface ShardKeeperHost {
  readonly fabric: Fabric
  readonly settings: SinkSettings
  readonly journal: Journal
  readonly dispatcher: Dispatcher
  readonly counters: SinkCounters
  readonly lanes: LaneHost
  readonly store: StoreServiceHost
  readonly forwarding: ForwarderHost
  /** 1 = messages of the shard are taken from subscriptions. */
  readonly taken: Uint8Array
  /** Null: there are no other instances. */
  readonly others: Coordination | null
}

/** Gives each shard what its phase needs: a lane and a service when it is ours, a service when it is orphaned, a forwarder when it is another's. */
export class ShardKeeper {
  readonly shards: readonly Shard[]
  private readonly host: ShardKeeperHost
  private readonly exactlyOnce: boolean
  /** At-least-once: one for all. */
  private readonly common: Lane | null
  private readonly lanes = new Map<Shard, Lane>()
  private readonly services = new Map<Shard, StoreService>()
  private readonly forwarders = new Map<Shard, Forwarder>()
  /** One change of a shard after the other. */
  private readonly changes = new Map<Shard, Promise<void>>()
  private stopped = false

  constructor(shards: readonly Shard[], host: ShardKeeperHost) {
    this.shards = shards
    this.host = host
    this.exactlyOnce = host.settings.guarantee === "exactly-once"
    this.common = this.exactlyOnce ? null : new Lane(host.lanes, null)
  }

  start(): void {
    this.common?.start()
  }

  arrived(shard: Shard): void {
    if (shard.phase === "foreign") this.forward(shard)
    else if (shard.phase !== "orphaned") (this.common ?? this.lanes.get(shard))?.wake()
  }

  /** Takes it over: what comes is taken from now on, and sent when the former owner is out of the way. */
  gain(shard: Shard): Promise<void> {
    return this.change(shard, async () => {
      if (this.stopped || (shard.phase !== "foreign" && shard.phase !== "orphaned")) return
      const { host } = this
      const { bridge, connector, shards } = host.settings
      // Two at a time would store plain messages twice; at-least-once may, and misses none.
      if (this.exactlyOnce && shard.phase === "foreign") await host.others?.orphans.release(shard.number)
      shard.phase = "taking"
      await this.take(shard)
      if (this.common !== null) {
        this.common.add(shard)
        this.serve(shard)
        return
      }
      const transactionalId = `hd.${bridge}.${connector}.${shard.number}`
      const topic = checkpointTopic(bridge, connector)
      const lane = new Lane(host.lanes, { shard, transactionalId, checkpointTopic: topic, shards })
      this.lanes.set(shard, lane)
      lane.start()
    })
  }

  /** Its checkpoint has been read: publishers may come. Again after each error, with nothing to do. */
  serve(shard: Shard): void {
    if (shard.phase !== "taking") return
    shard.phase = "owned"
    this.open(shard)
  }

  /**
   * Nobody can be asked whose it is, and it was ours: its messages are taken as before, and nothing is sent until the group names an owner (SINK-8). What
   * Kafka has not answered yet is sent again by that one, or by us.
   */
  orphan(shard: Shard): Promise<void> {
    // At once, to be seen.
    if (shard.phase === "owned") this.markOrphaned(shard)
    return this.change(shard, async () => {
      if (this.stopped || (shard.phase !== "orphaned" && shard.phase !== "taking")) return
      if (shard.phase === "taking") this.markOrphaned(shard)
      this.open(shard)
      this.common?.hold(shard)
      await this.lanes.get(shard)?.close()
      this.lanes.delete(shard)
    })
  }

  /** Nobody can be asked whose it is, and nobody else has it. */
  claim(shard: Shard): Promise<void> {
    return this.change(shard, async () => {
      if (this.stopped || shard.phase !== "foreign") return
      this.markOrphaned(shard)
      await this.take(shard)
      this.open(shard)
    })
  }

  /** Gives it up in order: what is there of it is sent first, for as long as `handOverMs` allows (SINK-1). */
  async give(shards: readonly Shard[]): Promise<void> {
    const { dispatcher, journal, settings, others } = this.host
    const began = performance.now()
    const numbers: number[] = []
    for (const shard of shards) {
      if (shard.phase === "foreign") continue
      numbers.push(shard.number)
      this.untake(shard)
      shard.phase = shard.phase === "owned" ? "leaving" : shard.phase
      this.unserve(shard)
    }
    const mark = journal.next
    const empty = (): boolean => dispatcher.readTo >= mark && shards.every(shard => shard.length === 0)
    others?.neighbours.left(numbers, journal.persistent ? 0 : null)
    const owned = shards.some(shard => shard.phase === "leaving")
    if (owned) await dispatcher.when(empty, settings.handOverMs)
    if (!journal.persistent && empty()) others?.neighbours.left(numbers, performance.now() - began)
    await Promise.all(shards.map(shard => this.lose(shard)))
  }

  /** It is another's: nothing more of it is sent from here, but to that one. */
  lose(shard: Shard): Promise<void> {
    this.untake(shard)
    this.unserve(shard)
    return this.change(shard, async () => {
      if (shard.phase === "foreign") return
      // A gain that was under way may have begun again.
      this.untake(shard)
      this.unserve(shard)
      shard.ledger?.failAll("MOVED", `Shard ${shard.number} has another owner now`)
      if (this.common !== null) await this.common.remove(shard)
      await this.lanes.get(shard)?.close()
      this.lanes.delete(shard)
      shard.ledger?.failAll("MOVED", `Shard ${shard.number} has another owner now`)
      if (this.common !== null) shard.past = shard.ledger
      shard.ledger = null
      shard.phase = "foreign"
      this.forward(shard)
    })
  }

  /** The group has spoken: what it did not give us is another's. */
  settle(owns: (shard: number) => boolean): void {
    for (const shard of this.shards) if (shard.phase === "orphaned" && !owns(shard.number)) void this.lose(shard)
  }

  /** Since when Kafka owes an answer, by `performance.now`; infinite when it owes none. */
  get owedSince(): number {
    let since = this.common?.owedSince ?? Number.POSITIVE_INFINITY
    for (const lane of this.lanes.values()) since = Math.min(since, lane.owedSince)
    return since
  }

  /** Ends all of it; what is not sent stays in the journal. */
  async stop(): Promise<void> {
    this.stopped = true
    await Promise.all([this.common?.close(), ...this.shards.map(shard => this.lose(shard))])
    await Promise.all([...this.forwarders.values()].map(one => one.close()))
  }

  /** Its messages are left to others. */
  private untake(shard: Shard): void {
    const { taken, others } = this.host
    if (taken[shard.number] === 0) return
    taken[shard.number] = 0
    others?.standby.left(shard.number)
  }

  private async take(shard: Shard): Promise<void> {
    const { taken, others, settings } = this.host
    // In one turn, so that nothing comes in between.
    if (taken[shard.number] === 0) others?.standby.adopt(shard.number)
    taken[shard.number] = 1
    await this.forwarders.get(shard)?.close()
    this.forwarders.delete(shard)
    shard.ledger ??= shard.past ?? new Ledger(settings.dedupPublishers, settings.dedupIds)
    shard.past = null
  }

  private markOrphaned(shard: Shard): void {
    shard.phase = "orphaned"
    shard.orphanedAt = performance.now()
    this.host.counters.orphanings++
  }

  /** Publishers may come. */
  private open(shard: Shard): void {
    if (this.services.has(shard)) return
    const { fabric, settings, store } = this.host
    const subject = storeSubject(settings.bridge, settings.connector, shard.number)
    this.services.set(shard, new StoreService(fabric, subject, shard, store))
  }

  private unserve(shard: Shard): void {
    this.services.get(shard)?.close()
    this.services.delete(shard)
  }

  private forward(shard: Shard): void {
    if (this.stopped || shard.length === 0) return
    let forwarder = this.forwarders.get(shard)
    if (forwarder === undefined) {
      const { bridge, connector } = this.host.settings
      forwarder = new Forwarder(this.host.forwarding, shard, storeSubject(bridge, connector, shard.number))
      this.forwarders.set(shard, forwarder)
    }
    forwarder.wake()
  }

  private change(shard: Shard, step: () => Promise<void>): Promise<void> {
    const next = (this.changes.get(shard) ?? Promise.resolve()).then(step)
    this.changes.set(
      shard,
      next.catch(() => {}),
    )
    return next
  }
}
