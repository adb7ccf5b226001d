import { HeddleError } from "../../core/errors.ts"
import type { Fabric } from "../../patterns/fabric/fabric.ts"
import type { FabricMessage } from "../../patterns/fabric/message.ts"
import type { Subscription } from "../../patterns/fabric/subscription.ts"
import type { SinkCounters } from "./counters.ts"
import type { Journal } from "./journal.ts"
import { takenSubject } from "./settings.ts"
import { recordOf } from "./spooled-message.ts"
import { StandbyRing } from "./standby-ring.ts"

export interface StandbyHost {
  readonly fabric: Fabric
  readonly bridge: string
  readonly connector: string
  readonly exactlyOnce: boolean
  readonly journal: Journal
  readonly counters: SinkCounters
  /** 1 = this instance takes messages of the shard. */
  readonly taken: Uint8Array
  /** Sequence of the journal below which all is stored. */
  stored(): number
}

/** Milliseconds between two notes of an owner. */
const EVERY = 250

/**
 * Milliseconds that a message may come earlier to the owner than to us, or later: links differ. What is that close to a note is
 * taken twice rather than not at all.
 */
const MARGIN = 500

/**
 * What plain messages need when their shard moves (SINK-2). There is no number that all who get a message agree on, so owners say several times a
 * second that they have what came until then; who takes a shard over stores what came since, some of it perhaps for the second
 * time. In exactly-once that must not be: it is counted.
 */
export class Standby {
  private readonly host: StandbyHost
  private readonly ring: StandbyRing
  private readonly subject: string
  private notes: Subscription<unknown> | null = null
  private timer: NodeJS.Timeout | null = null
  /** What a journal that dies with the process must have stored before a note is true. */
  private mark: { readonly time: number; readonly next: number } | null = null

  constructor(host: StandbyHost, { bytes, age }: { readonly bytes: number; readonly age: number }) {
    this.host = host
    this.subject = takenSubject(host.bridge, host.connector)
    // In exactly-once they are counted only.
    this.ring = new StandbyRing({ shards: host.taken.length, bytes: host.exactlyOnce ? 0 : bytes, age })
  }

  /** Resolves when owners know that somebody listens. */
  async start(): Promise<void> {
    this.timer = setInterval(() => this.tick(), EVERY).unref()
    this.ring.tick(performance.now())
    this.notes = this.host.fabric.subscribe(this.subject, message => this.noted(message))
    await this.notes.ready
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer)
    this.notes?.unsubscribe()
  }

  /** A message of a shard that is not taken here. Throws for one that could not be stored either. */
  add(message: FabricMessage, shard: number): void {
    this.ring.add(recordOf(message, Date.now()), shard)
  }

  /** The shard is taken from now on: what came of it while nobody did goes first. */
  adopt(shard: number): void {
    const { counters, journal, exactlyOnce } = this.host
    const missed = this.ring.take(shard, performance.now(), record => {
      if (journal.append(record, shard, "", null) < 0) counters.full++
      else {
        counters.adopted++
        counters.bytes += record.value?.length ?? 0
      }
    })
    if (exactlyOnce) counters.takeOverUncertain += missed
    else counters.takeOverMissed += missed
  }

  /** The shard is not taken any more. */
  left(shard: number): void {
    this.ring.coverAll(shard)
  }

  /** Others are told: this instance has what came of these shards until so many milliseconds ago. */
  tell(shards: readonly number[], age: number): void {
    const { fabric } = this.host
    if (shards.length === 0 || fabric.closed) return
    try {
      fabric.publish(this.subject, { shards, age })
    } catch (error) {
      if (!(error instanceof HeddleError)) throw error
    }
  }

  private tick(): void {
    const { journal, taken } = this.host
    const now = performance.now()
    this.ring.tick(now)
    let age = 0
    if (!journal.persistent) {
      const { mark } = this
      if (mark !== null && this.host.stored() < mark.next) return
      this.mark = { time: now, next: journal.next }
      if (mark === null) return
      age = now - mark.time
    }
    const own: number[] = []
    for (let shard = 0; shard < taken.length; shard++) if (taken[shard] === 1) own.push(shard)
    this.tell(own, age)
  }

  private noted(message: FabricMessage): void {
    let shards: unknown
    let age: unknown
    try {
      ;({ shards, age } = (message.data ?? {}) as { shards?: unknown; age?: unknown })
    } catch {
      return
    }
    const { taken } = this.host
    if (!Array.isArray(shards) || shards.length > taken.length || typeof age !== "number" || !(age >= 0)) return
    const until = performance.now() - age - MARGIN
    for (const shard of shards as unknown[])
      if (typeof shard === "number" && taken[shard] === 0) this.ring.cover(shard, until)
  }
}
