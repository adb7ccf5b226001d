import type { Fabric } from "../../patterns/fabric/fabric.ts"
import type { KafkaDriver } from "../driver.ts"
import type { SinkCounters } from "./counters.ts"
import type { Journal } from "./journal.ts"
import { Neighbours } from "./neighbours.ts"
import { Orphans } from "./orphans.ts"
import { Ownership } from "./ownership.ts"
import { type SinkSettings, shardsGroup, shardsTopic, takenSubject } from "./settings.ts"
import type { Shard } from "./shard.ts"
import type { ShardKeeper } from "./shard-keeper.ts"
import { Standby } from "./standby.ts"
import { TakenNotes } from "./taken-notes.ts"

export interface CoordinationHost {
  readonly fabric: Fabric
  readonly driver: KafkaDriver
  readonly settings: SinkSettings
  readonly counters: SinkCounters
  readonly journal: Journal
  readonly shards: readonly Shard[]
  /** 1 = this instance takes messages of the shard. */
  readonly taken: Uint8Array
  /** Sequence of the journal below which all is stored. */
  stored(): number
  keeper(): ShardKeeper
  /** What keeps us from the group; null = nothing any more. */
  trouble(error: unknown): void
  failed(error: unknown): void
}

/** What an instance needs to share the shards with others: the group, and what instances tell each other. */
export interface Coordination {
  readonly ownership: Ownership
  readonly standby: Standby
  readonly orphans: Orphans
  readonly neighbours: Neighbours
}

export function coordinate(host: CoordinationHost): Coordination {
  const { fabric, settings, counters, journal, shards, taken } = host
  const { bridge, connector, guarantee, standbyBytes, standbyMs } = settings
  const exactlyOnce = guarantee === "exactly-once"
  const check = (done: Promise<void>): void => void done.catch(error => host.failed(error))
  const ownership: Ownership = new Ownership(
    host.driver,
    {
      gain: number => check(host.keeper().gain(shards[number])),
      give: numbers => host.keeper().give(numbers.map(number => shards[number])),
      lose: (number, silent) => {
        // Perhaps another has it by now: exactly-once would rather miss a plain message than store it twice.
        const goesOn = silent || !exactlyOnce
        check(goesOn ? host.keeper().orphan(shards[number]) : host.keeper().lose(shards[number]))
      },
      settled: () => host.keeper().settle(number => ownership.owns(number)),
      trouble: error => host.trouble(error),
      failed: error => host.failed(error),
    },
    {
      topic: shardsTopic(bridge, connector),
      group: shardsGroup(bridge, connector),
      shards: shards.length,
      retryMin: settings.retryMinMs,
      retryMax: settings.retryMaxMs,
      session: settings.sessionMs,
    },
  )
  const standby = new Standby(
    { exactlyOnce, journal, counters, taken, stored: () => host.stored() },
    { bytes: standbyBytes, age: standbyMs },
  )
  const notes = new TakenNotes(fabric, takenSubject(bridge, connector), shards.length)
  const orphans = new Orphans({
    by: notes.by,
    shards: shards.length,
    silence: () => ownership.silence(performance.now()),
    phase: number => shards[number].phase,
    knows: number => shards[number].length > 0 || shards[number].past !== null,
    claim: number => check(host.keeper().claim(shards[number])),
    yield: number => {
      check(host.keeper().lose(shards[number]))
      neighbours.left([number], journal.persistent ? 0 : null)
    },
    tell: () => neighbours.hurry(),
  })
  const isOrphaned = (number: number): boolean => shards[number].phase === "orphaned"
  const neighbours = new Neighbours({ notes, standby, orphans, taken, isOrphaned })
  return { ownership, standby, orphans, neighbours }
}
