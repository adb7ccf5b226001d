import type { KafkaHeader } from "../driver.ts"

/** A record that lies in a store, with its place. */
export interface StoreRecord {
  readonly subject: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly key: Buffer | null
  /** null = tombstone. */
  readonly value: Buffer | null
  readonly headers: readonly KafkaHeader[]
  /** Milliseconds since 1970. */
  readonly timestamp: number
}

/** What a partition holds now: offsets from `first` up to, not including, `end`. There may be holes. */
export interface StoreRange {
  readonly topic: string
  readonly partition: number
  readonly first: number
  readonly end: number
}

export interface StoreRead {
  readonly topic: string
  readonly partition: number
  readonly from: number
  /** Exclusive. */
  readonly until: number
  /** Bytes that one step may bring, as a wish. */
  readonly maxBytes: number
  /** Ends the iteration, with an error or without. */
  readonly signal: AbortSignal
  /** Told of what is passed over, because it is more than fits into memory: so many offsets at most, and why. */
  readonly refused?: (offsets: number, error: Error) => void
}

/** Where replays read: the topics of a connector, or a spool. tests/conformance/record-store.ts is the suite of both. */
export interface RecordStore {
  /**
   * "kafka:cluster", "spool:id": offsets mean something in one store only, and cursors name theirs. What begins with "kafka:" is read by all instances
   * of the bridge.
   */
  readonly id: string
  /** First part of `hd.kafka`. */
  readonly cluster: string
  /** All partitions, or those of one topic; empty when the store has no such topic. */
  ranges(topic?: string): Promise<StoreRange[]>
  /**
   * The offset of the first record at or after a time (ms since 1970), for each of the partitions given, in their order;
   * its end when there is none.
   */
  offsetsAt(ranges: readonly StoreRange[], time: number): Promise<number[]>
  /**
   * The records of a range in the order of their offsets, a batch at a time. It begins at the first record that is there at or
   * after `from`, and ends at `until`, which is not beyond the end of the range.
   */
  read(range: StoreRead): AsyncIterable<readonly StoreRecord[]>
}
