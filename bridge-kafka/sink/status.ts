import type { SpoolRecord } from "../spool/record-format.ts"
import type { SinkCounters } from "./counters.ts"
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
  /** Taken into the journal because the group cannot be asked whose they are (SINK-8); nothing of them is sent. */
  readonly orphaned: readonly number[]
  /** Since when there are such, in milliseconds since 1970; null = there are none. */
  readonly orphanedSince: number | null
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
