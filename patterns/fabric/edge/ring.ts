/** Some messages of a channel, encoded as one DATA record. */
export interface Batch {
  /** Sequence of its first message. */
  readonly first: number
  readonly count: number
  readonly bytes: Uint8Array
  /** When it was sent, by performance.now(). */
  readonly time: number
}

/** Bytes that all rings of an edge hold together. */
export class RingBudget {
  readonly limit: number
  used = 0

  constructor(limit: number) {
    this.limit = limit
  }
}

/** In the place of one that was let go: its bytes must not be held until the array is made anew. */
const GONE: Batch = { first: 0, count: 0, bytes: new Uint8Array(0), time: 0 }

/** What a channel has sent, for clients that come back or read slowly: bounded by time and bytes, the oldest goes first. */
export class Ring {
  private readonly time: number
  private readonly most: number
  private readonly budget: RingBudget
  private batches: Batch[] = []
  /** Of `batches`, those before it are gone. */
  private head = 0
  private held = 0

  /** `time` in milliseconds; `most` bytes of this ring. */
  constructor(time: number, most: number, budget: RingBudget) {
    this.time = time
    this.most = most
    this.budget = budget
  }

  get bytes(): number {
    return this.held
  }

  push(batch: Batch): void {
    this.batches.push(batch)
    this.held += batch.bytes.length
    this.budget.used += batch.bytes.length
    while (this.head < this.batches.length && (this.held > this.most || this.budget.used > this.budget.limit))
      this.drop()
    this.compact()
  }

  /** Lets go of what is too old. */
  expire(now: number): void {
    while (this.head < this.batches.length && this.batches[this.head].time < now - this.time) this.drop()
    this.compact()
  }

  clear(): void {
    while (this.head < this.batches.length) this.drop()
    this.batches = []
    this.head = 0
  }

  /** Sequence of the oldest message that is there; `next` when there is none. */
  oldest(next: number): number {
    return this.head < this.batches.length ? this.batches[this.head].first : next
  }

  /** The first batch with a message above `position`. */
  after(position: number): Batch | undefined {
    const { batches } = this
    let low = this.head
    let high = batches.length
    while (low < high) {
      const middle = (low + high) >> 1
      const { first, count } = batches[middle]
      if (first + count - 1 > position) high = middle
      else low = middle + 1
    }
    return batches[low]
  }

  private drop(): void {
    const { length } = this.batches[this.head].bytes
    this.held -= length
    this.budget.used -= length
    this.batches[this.head++] = GONE
  }

  /** Most of the array is gone: what is left moves to a new one. */
  private compact(): void {
    if (this.head < 64 || this.head * 2 < this.batches.length) return
    this.batches = this.batches.slice(this.head)
    this.head = 0
  }
}
