/** What a sink has done so far. Plain fields: a record costs an increment. */
export interface SinkCounters {
  /** Messages of owned shards that came by subscription, and that were asked to be stored. */
  received: number
  requested: number
  bytes: number
  /** Records that Kafka has acknowledged (exactly-once: committed), and their bytes. */
  stored: number
  storedBytes: number
  batches: number
  /** Messages of shards that others own. */
  foreign: number
  /** Not taken because the journal was full; because they could not be read. */
  full: number
  unreadable: number
  /** Known already, by publisher and number or by id. */
  duplicates: number
  /** Set aside: to the dead-letter topic, and dropped without one. */
  deadLetters: number
  poisonDropped: number
  retries: number
  fenced: number
  aborted: number
  /** Sent to the owner of their shard. */
  forwarded: number
  takeOvers: number
  /** Shards that were orphaned, as often as it happened (SINK-8). */
  orphanings: number
  /** Messages that came while their shard had no owner, and were taken from the standby at take-over. */
  adopted: number
  /** At take-over: messages of which nobody knows whether the former owner took them, and that are not stored twice (exactly-once). */
  takeOverUncertain: number
  /** At take-over: messages that are lost, because the standby had no room for them or they were too old. At most so many. */
  takeOverMissed: number
}

export function sinkCounters(): SinkCounters {
  return {
    received: 0,
    requested: 0,
    bytes: 0,
    stored: 0,
    storedBytes: 0,
    batches: 0,
    foreign: 0,
    full: 0,
    unreadable: 0,
    duplicates: 0,
    deadLetters: 0,
    poisonDropped: 0,
    retries: 0,
    fenced: 0,
    aborted: 0,
    forwarded: 0,
    takeOvers: 0,
    orphanings: 0,
    adopted: 0,
    takeOverUncertain: 0,
    takeOverMissed: 0,
  }
}
