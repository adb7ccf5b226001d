import { Queue } from "../../../core/queue.ts"

/** A batch as it went to the group, or waits to. */
export interface CarriedBatch {
  /** Number of its first message. */
  readonly first: number
  readonly count: number
  readonly bytes: Buffer
  /** A large payload of the last record, by reference. */
  readonly payload: Buffer | null
  readonly size: number
  /** When it was made (`clock.now`). */
  readonly at: number
}

/** What was carried last, for those who lack some of it: bounded by bytes, and by age when `expire` is called. */
export class CarryWindow {
  /** Bytes that are kept. */
  bytes = 0
  /** Batches that have not been given to the group yet, and their bytes. */
  unsent = 0
  unsentBytes = 0
  /** Batches that have been given to it since the beginning. */
  taken = 0
  private readonly batches = new Queue<CarriedBatch>()
  private readonly limit: number

  constructor(limit: number) {
    this.limit = limit
  }

  get length(): number {
    return this.batches.length
  }

  /** The number of the oldest message that is kept; 0 = none is. */
  get oldest(): number {
    return this.batches.peek()?.first ?? 0
  }

  /** Keeps a batch that waits to be sent; older ones that were sent go. */
  push(batch: CarriedBatch): void {
    this.batches.push(batch)
    this.bytes += batch.size
    this.unsent++
    this.unsentBytes += batch.size
    while (this.bytes > this.limit && this.batches.length > this.unsent) this.drop()
  }

  /** The next that waits. */
  next(): CarriedBatch {
    const batch = this.batches.at(this.batches.length - this.unsent)
    this.unsent--
    this.unsentBytes -= batch.size
    this.taken++
    return batch
  }

  /** Forgets what was sent before `time`. */
  expire(time: number): void {
    while (this.batches.length > this.unsent && (this.batches.peek() as CarriedBatch).at < time) this.drop()
  }

  clear(): void {
    this.batches.clear()
    this.bytes = 0
    this.unsent = 0
    this.unsentBytes = 0
  }

  /** Every kept batch with a message from `from` to `to`, in order. */
  *range(from: number, to: number): Generator<CarriedBatch> {
    for (let at = this.indexOf(from); at < this.batches.length; at++) {
      const batch = this.batches.at(at)
      if (batch.first > to) return
      yield batch
    }
  }

  /** The first batch that ends with `number` or later. */
  private indexOf(number: number): number {
    let low = 0
    let high = this.batches.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const { first, count } = this.batches.at(middle)
      if (first + count <= number) low = middle + 1
      else high = middle
    }
    return low
  }

  private drop(): void {
    this.bytes -= (this.batches.shift() as CarriedBatch).size
  }
}
