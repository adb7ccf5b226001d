/** What one run does, from the command line. */
export interface Settings {
  readonly quick: boolean
  readonly rounds: number
  /** Payload sizes in bytes for every scenario that has them; null = each scenario's own choice. */
  readonly sizes: readonly number[] | null
  /** Families or labels; null = all. */
  readonly peers: readonly string[] | null
  /** Subscriptions for `subjects`; null = its own choice. */
  readonly subscriptions: readonly number[] | null
  /** Connections for `memory`; null = its own choice. */
  readonly connections: number | null
  /** Requests a second for `api-open`; null = its own choice. */
  readonly rates: readonly number[] | null
  /** Minutes that the broker is away in `kafka-outage`; null = its own choice. */
  readonly minutes: number | null
  /** What one round of a counted scenario should take, in seconds. */
  readonly seconds: number
}

/**
 * Messages that a queue may hold, for every peer that has such queues and on both sides: libzmq's default, which its
 * own perf tools leave as it is.
 */
export const HIGH_WATER_MARK = 1000

/** Milliseconds until a process that owes an answer is killed. Far above any round. */
export const WATCHDOG = 60_000

/** Part of a round's messages that go first and are not counted: connections open, code gets compiled. */
export const WARM = 0.2
