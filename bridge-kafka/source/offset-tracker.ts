import { Queue } from "../../core/queue.ts"

/** A record that is being delivered. */
export interface Tracked {
  readonly offset: number
  /** Of the last record that it stands for. */
  readonly last: number
  done: boolean
}

/**
 * How far a partition is delivered without a gap, whatever the order in which its records are: only that may be committed. Bounded by whoever
 * adds: it holds what is not delivered, and what is behind such.
 */
export class OffsetTracker<T extends Tracked = Tracked> {
  private readonly open = new Queue<T>()
  /** Behind the last record added. */
  private end = -1

  /** The next offset to be read after a restart; -1 = nothing has come yet. */
  get position(): number {
    const first = this.open.peek()
    return first === undefined ? this.end : first.offset
  }

  get length(): number {
    return this.open.length
  }

  /** Offsets rise; what lies between two (control records, compacted ones) is passed with the first. */
  add(record: T): void {
    this.open.push(record)
    this.end = record.last + 1
  }

  /** Delivered, or set aside. */
  complete(record: T): void {
    record.done = true
    for (let first = this.open.peek(); first?.done === true; first = this.open.peek()) this.open.shift()
  }

  /** For who delivers in order and adds nothing: all up to here. */
  passed(offset: number): void {
    this.end = offset + 1
  }
}
