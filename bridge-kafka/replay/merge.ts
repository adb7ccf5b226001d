import type { RecordStore, StoreRange, StoreRead, StoreRecord } from "./record-store.ts"

/** A partition on its way: its batches, one at a time. */
class Lane {
  readonly index: number
  batch: readonly StoreRecord[] = NOTHING
  at = 0
  ended = false
  private readonly batches: AsyncIterator<readonly StoreRecord[]>

  constructor(index: number, batches: AsyncIterator<readonly StoreRecord[]>) {
    this.index = index
    this.batches = batches
  }

  /** The next batch; empty ones are passed over. */
  async load(): Promise<void> {
    this.at = 0
    this.batch = NOTHING
    while (!this.ended && this.batch.length === 0) {
      const step = await this.batches.next()
      if (step.done === true) this.ended = true
      else this.batch = step.value
    }
  }

  async close(): Promise<void> {
    this.ended = true
    await this.batches.return?.()
  }
}

const NOTHING: readonly StoreRecord[] = []

export interface MergeOptions {
  readonly signal: AbortSignal
  /** Partitions that are read at once; with more, they are read in groups of so many, one group after the other. */
  readonly width: number
  /** Bytes that all of them may hold. */
  readonly bytes: number
  /** See `StoreRead`. */
  readonly refused?: StoreRead["refused"]
}

/**
 * Partitions as one sequence. The order within a partition is kept. Of the records at the heads of the partitions that with the least
 * time goes first: where the times of each partition never fall, the sequence is in the order of time, in each group of partitions by itself.
 */
export class Merge {
  /** Of the record that `next` gave last: the place of its range in the list. */
  index = 0
  /** For each range where it would go on. */
  readonly positions: number[]
  private readonly store: RecordStore
  private readonly ranges: readonly StoreRange[]
  private readonly options: MergeOptions
  private begun = 0
  private lanes: Lane[] = []
  private current: Lane | null = null
  /** The current lane goes on while its times are not above this: the least of the others. */
  private bound = Number.POSITIVE_INFINITY

  /** `ranges`: `first` and `end` say what is read of each. */
  constructor(store: RecordStore, ranges: readonly StoreRange[], options: MergeOptions) {
    this.store = store
    this.ranges = ranges
    this.positions = ranges.map(range => range.first)
    this.options = options
  }

  /** Null: `load` first. */
  next(): StoreRecord | null {
    let lane = this.current
    if (lane === null) return null
    if (lane.at === lane.batch.length) {
      this.current = null
      return null
    }
    let record = lane.batch[lane.at]
    if (record.timestamp > this.bound) {
      lane = this.choose()
      record = lane.batch[lane.at]
    }
    lane.at++
    this.index = lane.index
    this.positions[lane.index] = record.offset + 1
    return record
  }

  /** Waits until every partition has its next record. False at the end of all. */
  async load(): Promise<boolean> {
    for (;;) {
      if (this.lanes.length === 0 && !this.open()) return false
      await Promise.all(this.lanes.map(lane => (lane.at === lane.batch.length ? lane.load() : undefined)))
      // A store that was told to stop may just end: that is not the end of the partition.
      this.options.signal.throwIfAborted()
      for (const lane of this.lanes) if (lane.ended) this.positions[lane.index] = this.ranges[lane.index].end
      this.lanes = this.lanes.filter(lane => !lane.ended)
      if (this.lanes.length === 0) continue
      this.choose()
      return true
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.lanes.map(lane => lane.close()))
    this.lanes = []
    this.current = null
  }

  private open(): boolean {
    const { signal, width, bytes, refused } = this.options
    while (this.lanes.length < width && this.begun < this.ranges.length) {
      const index = this.begun++
      const { topic, partition, first, end } = this.ranges[index]
      if (first >= end) continue
      const maxBytes = Math.max(LEAST_FETCH, Math.floor(bytes / Math.min(width, this.ranges.length)))
      const batches = this.store.read({ topic, partition, from: first, until: end, maxBytes, signal, refused })
      this.lanes.push(new Lane(index, batches[Symbol.asyncIterator]()))
    }
    return this.lanes.length > 0
  }

  /** The lane with the least time at its head, and how long it may go on. All have a head. */
  private choose(): Lane {
    let least: Lane = this.lanes[0]
    let time = Number.POSITIVE_INFINITY
    this.bound = Number.POSITIVE_INFINITY
    for (const lane of this.lanes) {
      const { timestamp } = lane.batch[lane.at]
      if (timestamp < time) {
        this.bound = time
        time = timestamp
        least = lane
      } else if (timestamp < this.bound) this.bound = timestamp
    }
    this.current = least
    return least
  }
}

/** A fetch of less takes more round trips than it saves memory. */
const LEAST_FETCH = 64 * 1024
