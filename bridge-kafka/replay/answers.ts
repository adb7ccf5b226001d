/** What the answers of a replay that are JSON say. */

/** The first answer: what will be read, and what it costs at most. */
export interface ReplayStart {
  readonly connector: string
  /** Of the store; a cursor is good for this one only. */
  readonly store: string
  /** First part of `hd.kafka`. */
  readonly cluster: string
  /** Offsets in the ranges: there are as many records at most. "last-per-subject" reads them twice and more. */
  readonly records: number
  /** Records that were asked for and that the store has no longer. */
  readonly skipped: number
  /** Topic, partition, first offset, end. */
  readonly ranges: readonly (readonly [topic: string, partition: number, from: number, until: number])[]
}

/** Where the replay would go on, for each of the ranges of the start. */
export interface ReplayProgress {
  /** Records given so far to this request. */
  readonly count: number
  readonly positions: readonly number[]
}

export interface ReplayEnd {
  /** Records given, those before the cursor of the request included. */
  readonly count: number
  /** Where another replay would go on: after the last record. */
  readonly cursor: string
  /** The limit was reached before the end. */
  readonly limited: boolean
  /** Offsets that were passed over, at most: batches that unpacked take more memory than one may. Older bridges do not say it. */
  readonly unreadable?: number
  /** Why, of the first of them. */
  readonly because?: string
  /** For "last-per-subject": how often the largest partition was read to find the last records. */
  readonly passes: number
}

/** `RemoteError.remoteCode`: the same request, at this or another instance, may be answered a little later. */
export const AGAIN = "UNAVAILABLE"

/** Where a bridge is asked for replays. A store of one instance alone has a subject of its own, for who has a cursor of it. */
export function subjectOf(bridge: string, store = "kafka:"): string {
  const subject = `$BRIDGE.${bridge}.replay`
  return store.startsWith("kafka:") ? subject : `${subject}.${store.replace(/[^\w-]/g, "_")}`
}
