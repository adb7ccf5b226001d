import { classOf, messageOf } from "../failure.ts"
import type { SourceCounters } from "./counters.ts"
import type { SourcePartition } from "./partition.ts"

export type SourceState = "stopped" | "starting" | "running" | "paused" | "failed"

export interface SourceStatus {
  readonly name: string
  readonly state: SourceState
  /** What went wrong last, also when it is tried again; null = nothing since all was well. */
  readonly error: string | null
  readonly partitions: readonly PartitionStatus[]
  readonly counters: Readonly<SourceCounters>
  /** Messages of this bridge that came back, and headers that no message can carry. */
  readonly loops: number
  readonly headersDropped: number
}

export interface PartitionStatus {
  readonly topic: string
  readonly partition: number
  /** Offsets: the next to be committed, committed last, behind the last that came; -1 = not known. */
  readonly position: number
  readonly committed: number
  readonly read: number
  /** Records and bytes that have come and are not delivered. */
  readonly records: number
  readonly bytes: number
  readonly paused: boolean
  /** Why it stands (`errors.tolerance: none`): which record, at which stage, and what was said. `resume` tries again. */
  readonly stopped: {
    readonly offset: number
    readonly stage: string
    readonly error: string
    readonly message: string
  } | null
}

export function statusOf(one: SourcePartition): PartitionStatus {
  const { topic, partition, tracker, committed, read, records, bytes, paused, stop } = one
  const stopped =
    stop === null
      ? null
      : {
          offset: stop.offset,
          stage: stop.failure.stage,
          error: classOf(stop.failure.error),
          message: messageOf(stop.failure.error),
        }
  return { topic, partition, position: tracker.position, committed, read, records, bytes, paused, stopped }
}
