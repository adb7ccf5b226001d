import { Queue } from "../../core/queue.ts"
import type { StoredRecord } from "../driver.ts"
import { SUBJECT } from "../mapping/headers.ts"
import { lastOf } from "./delivery.ts"
import type { Tracked } from "./offset-tracker.ts"
import type { SourcePartition } from "./partition.ts"

/** A record on its way to a worker. */
export class Entry implements Tracked {
  readonly record: StoredRecord
  readonly partition: SourcePartition
  readonly size: number
  done = false

  constructor(record: StoredRecord, partition: SourcePartition, size: number) {
    this.record = record
    this.partition = partition
    this.size = size
  }

  get offset(): number {
    return this.record.offset
  }

  get last(): number {
    return lastOf(this.record)
  }
}

/** Records that must not overtake one another. */
class Lane {
  readonly name: string
  readonly partition: SourcePartition
  readonly waiting = new Queue<Entry>()
  active = 0
  /** Stands among those whose turn comes. */
  listed = false

  constructor(name: string, partition: SourcePartition) {
    this.name = name
    this.partition = partition
  }
}

/** Behind whom a record waits. */
export type Order = "key" | "partition"

/**
 * Records by what they must be in order with: by key, or by partition. A record without a key is ordered by `hd.subject`; with neither it waits
 * for nobody. Lanes exist as long as they have records: there are no more than those.
 */
export class Lanes {
  private readonly order: Order
  private readonly width: number
  private readonly byPartition = new Map<SourcePartition, Map<string, Lane>>()
  private readonly ready = new Queue<Lane>()
  private nameless = 0

  /** `width`: records of one lane at a time (max.in.flight.per.key). */
  constructor(order: Order, width: number) {
    this.order = order
    this.width = width
  }

  push(entry: Entry): void {
    const { partition } = entry
    let lanes = this.byPartition.get(partition)
    if (lanes === undefined) {
      lanes = new Map()
      this.byPartition.set(partition, lanes)
    }
    const name = this.nameOf(entry.record)
    let lane = lanes.get(name)
    if (lane === undefined) {
      lane = new Lane(name, partition)
      lanes.set(name, lane)
    }
    lane.waiting.push(entry)
    this.list(lane)
  }

  /** The next that may begin, in the order in which lanes came free; undefined = none. `finished` when it is through. */
  next(): { entry: Entry; lane: Lane } | undefined {
    for (let lane = this.ready.shift(); lane !== undefined; lane = this.ready.shift()) {
      lane.listed = false
      if (!lane.partition.open) continue
      const entry = lane.waiting.shift()
      if (entry === undefined) continue
      lane.active++
      this.list(lane)
      return { entry, lane }
    }
    return undefined
  }

  finished(lane: Lane): void {
    lane.active--
    if (lane.waiting.length > 0) this.list(lane)
    else if (lane.active === 0) {
      const lanes = this.byPartition.get(lane.partition)
      lanes?.delete(lane.name)
      if (lanes?.size === 0) this.byPartition.delete(lane.partition)
    }
  }

  /** What waits of a partition that is not ours any more, or stands. */
  drop(partition: SourcePartition): void {
    this.byPartition.delete(partition)
  }

  private list(lane: Lane): void {
    if (lane.listed || lane.active >= this.width || lane.waiting.length === 0) return
    lane.listed = true
    this.ready.push(lane)
  }

  private nameOf({ key, headers }: StoredRecord): string {
    if (this.order === "partition") return ""
    // Names of the three kinds never meet.
    if (key !== null) return `k${key.toString("latin1")}`
    for (let i = headers.length - 1; i >= 0; i--)
      if (headers[i][0] === SUBJECT) return `s${headers[i][1].toString("latin1")}`
    return `n${this.nameless++}`
  }
}
