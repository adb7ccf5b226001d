import type { Machine } from "../machine.ts"

/** One figure. `null` where the measurement failed: the header says why. */
export interface Row {
  readonly scenario: string
  /**
   * Bytes of payload; in `subjects` subscriptions, in `memory` connections, in `startup` 1, in `api-closed`
   * requests outstanding, in `api-open` requests a second, in `kafka-durable` publishes outstanding, in `kafka-outage` seconds, in
   * `multicast-loss` percent of the datagrams.
   */
  readonly size: number
  readonly peer: string
  readonly metric: string
  readonly median: number | null
  readonly min: number | null
  readonly max: number | null
  readonly unit: string
  /** This peer's median divided by that of Heddle's first way in the same run; null when Heddle was not measured. */
  readonly ratioToHeddle: number | null
}

export interface Failure {
  readonly scenario: string
  readonly size: number
  readonly peer: string
  /** Rounds that failed in this way. */
  readonly rounds: number
  readonly message: string
}

export interface Absence {
  readonly peer: string
  /** Null: in none. */
  readonly scenario: string | null
  readonly reason: string
}

export interface Header {
  readonly machine: Machine
  readonly node: string
  readonly commit: string | null
  /** When the run began, ISO 8601. */
  readonly date: string
  readonly rounds: number
  /** Seconds that a counted round aims at. */
  readonly roundSeconds: number
  readonly highWaterMark: number
  /** Family to version, of those that were measured. */
  readonly versions: Readonly<Record<string, string>>
  readonly absent: readonly Absence[]
  readonly failures: readonly Failure[]
}

export interface Report {
  readonly header: Header
  readonly rows: readonly Row[]
}
