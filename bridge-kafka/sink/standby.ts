import type { FabricMessage } from "../../patterns/fabric/message.ts"
import type { SinkCounters } from "./counters.ts"
import type { Journal } from "./journal.ts"
import { recordOf } from "./spooled-message.ts"
import { StandbyRing } from "./standby-ring.ts"
import type { TakenNote } from "./taken-notes.ts"

export interface StandbyHost {
  readonly exactlyOnce: boolean
  readonly journal: Journal
  readonly counters: SinkCounters
  /** 1 = this instance takes messages of the shard. */
  readonly taken: Uint8Array
  /** Sequence of the journal below which all is stored. */
  stored(): number
}

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
  /** What a journal that dies with the process must have stored before a note is true. */
  private mark: { readonly time: number; readonly next: number } | null = null

  constructor(host: StandbyHost, { bytes, age }: { readonly bytes: number; readonly age: number }) {
    this.host = host
    // In exactly-once they are counted only.
    this.ring = new StandbyRing({ shards: host.taken.length, bytes: host.exactlyOnce ? 0 : bytes, age })
    this.ring.tick(performance.now())
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

  /** To be called several times a second. Returns how old (milliseconds) that is until which all that was taken is safe; null = it is not known yet. */
  tick(now: number): number | null {
    const { journal } = this.host
    this.ring.tick(now)
    if (journal.persistent) return 0
    const { mark } = this
    if (mark !== null && this.host.stored() < mark.next) return null
    this.mark = { time: now, next: journal.next }
    return mark === null ? null : now - mark.time
  }

  heard({ shards, age }: TakenNote, now: number): void {
    for (const shard of shards) if (this.host.taken[shard] === 0) this.ring.cover(shard, now - age - MARGIN)
  }
}
