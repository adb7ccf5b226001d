import type { KafkaRecord, StoredAt } from "../driver.ts"
import type { KafkaError } from "../errors.ts"
import type { RecordShape } from "../record-shape.ts"
import type { Span } from "../span.ts"
import type { BatchMemory } from "./batch-memory.ts"
import type { Refusal } from "./batch-sender.ts"
import { PartitionLane } from "./partition-lane.ts"

/** What one call of a producer stores. Records are written down when they are added: none of them is kept. */
export class Call {
  readonly lanes: PartitionLane[] = []
  /** Number of the lane of each record. */
  private readonly laneOf: number[] = []
  private readonly byTopic = new Map<string, (number | undefined)[]>()
  private readonly limit: number
  private readonly memory: BatchMemory
  private readonly refused = new Set<PartitionLane>()
  private last = -1
  /** Why some of it is not stored, once the rest is. */
  refusal: KafkaError | null = null

  /** `limit`: bytes of a batch. */
  constructor(limit: number, memory: BatchMemory) {
    this.limit = limit
    this.memory = memory
  }

  /** Records in it. */
  get length(): number {
    return this.laneOf.length
  }

  /** The last record went into a partition that has a batch. */
  get full(): boolean {
    return this.last >= 0 && this.lanes[this.last].isFull
  }

  add(record: KafkaRecord): void {
    this.laneFor(record.topic, record.partition).add(record, this.laneOf.length)
    this.laneOf.push(this.last)
  }

  /** See `Packing.addValue`. */
  addValue(shape: RecordShape, source: Span, from: number, to: number, timestamp: number, number: number): boolean {
    const lane = this.laneFor(shape.topic, shape.partition)
    lane.addValue(shape, source, from, to, timestamp, number, this.laneOf.length)
    this.laneOf.push(this.last)
    return lane.isFull
  }

  /** Lanes that have more to send. */
  unfinished(): PartitionLane[] {
    return this.lanes.filter(lane => !lane.finished && !this.refused.has(lane))
  }

  refuse(refusals: readonly Refusal[]): void {
    for (const { error, lane } of refusals) {
      this.refused.add(lane)
      this.refusal ??= error
    }
  }

  /** All of it is stored. */
  release(): void {
    for (const lane of this.lanes) lane.release()
  }

  /** Where a record lies; null = it is not stored. */
  at(index: number): StoredAt | null {
    return index < this.length ? this.lanes[this.laneOf[index]].placeOf(index) : null
  }

  places(): (StoredAt | null)[] {
    return Array.from({ length: this.length }, (_, index) => this.at(index))
  }

  /** It is number `last` then. */
  private laneFor(topic: string, partition: number): PartitionLane {
    let lane = this.last < 0 ? undefined : this.lanes[this.last]
    if (lane === undefined || lane.partition !== partition || lane.topic !== topic) {
      this.last = this.find(topic, partition)
      lane = this.lanes[this.last]
    }
    return lane
  }

  private find(topic: string, partition: number): number {
    let ofTopic = this.byTopic.get(topic)
    if (ofTopic === undefined) {
      ofTopic = []
      this.byTopic.set(topic, ofTopic)
    }
    let number = ofTopic[partition]
    if (number === undefined) {
      number = this.lanes.push(new PartitionLane(topic, partition, this.limit, this.memory)) - 1
      ofTopic[partition] = number
    }
    return number
  }
}
