import type { Compression, KafkaRecord, StoredAt } from "../driver.ts"
import type { RecordShape } from "../record-shape.ts"
import type { Span } from "../span.ts"
import type { BatchMemory } from "./batch-memory.ts"
import { BatchEncoder, compress, type EncodedRecords, halved } from "./encode-batch.ts"
import type { Library } from "./load.ts"

/** What one call stores in one partition: batches, one behind the other. */
export class PartitionLane {
  readonly topic: string
  readonly partition: number
  /** Where each of its records was in the call, in order. */
  readonly places: number[] = []
  /** So many of them are stored. */
  done = 0
  /** The batch that is under way: sent again it is the same, byte by byte, so that the broker knows it. */
  batch: EncodedRecords | null = null
  /** It has been sent before, and what became of it is not known. */
  ambiguous = false
  /** The same as `batch`, not compressed. */
  private plain: EncodedRecords | null = null
  /** Batches that wait for the one under way. */
  private readonly full: EncodedRecords[] = []
  private open: BatchEncoder
  private readonly memory: BatchMemory
  /** What its batches fill. */
  private readonly used: Buffer[] = []
  private sent = 0
  /** Where each stored batch begins: index of its first record, its offset. */
  private readonly stored: { readonly from: number; readonly offset: number }[] = []
  private readonly limit: number

  /** `limit`: bytes of a batch. */
  constructor(topic: string, partition: number, limit: number, memory: BatchMemory) {
    this.topic = topic
    this.partition = partition
    this.limit = limit
    this.memory = memory
    this.open = new BatchEncoder(limit, memory.take())
  }

  /** There is a batch: one more record may need another. */
  get isFull(): boolean {
    return this.full.length > 0 || this.open.isNearlyFull
  }

  get finished(): boolean {
    return this.done === this.places.length
  }

  /** `place`: which record of the call it is. Not once it is being sent. */
  add(record: KafkaRecord, place: number): void {
    if (!this.open.add(record)) {
      this.next()
      this.open.add(record)
    }
    this.places.push(place)
  }

  /** See `Packing.addValue`; `place` as in `add`. */
  addValue(
    shape: RecordShape,
    source: Span,
    from: number,
    to: number,
    timestamp: number,
    number: number,
    place: number,
  ): void {
    if (!this.open.addValue(shape, source, from, to, timestamp, number)) {
      this.next()
      this.open.addValue(shape, source, from, to, timestamp, number)
    }
    this.places.push(place)
  }

  async prepare(library: Library, codec: Compression): Promise<EncodedRecords> {
    this.sent++
    this.plain ??= this.full.shift() ?? this.open.take()
    this.batch ??= await compress(library, this.plain, codec)
    return this.batch
  }

  /** The batch is stored, from this offset on; -1: not known. */
  advance(offset: number): void {
    this.stored.push({ from: this.done, offset })
    this.done += this.batch?.count ?? 0
    this.batch = null
    this.plain = null
    this.ambiguous = false
  }

  /** The batch was too large for the broker: halves, down to one record. False: it was one. */
  halve(): boolean {
    if (this.plain === null || this.plain.count === 1) return false
    const [first, second] = halved(this.plain)
    this.full.unshift(second)
    this.plain = first
    this.batch = null
    return true
  }

  /** The open batch is full. */
  private next(): void {
    this.full.push(this.open.take())
    this.used.push(this.open.memory)
    this.open = new BatchEncoder(this.limit, this.memory.take())
  }

  /** All of it is stored: what it was written into can be used again, unless an attempt that was given up may still be on its way. */
  release(): void {
    if (this.sent > this.stored.length) return
    this.used.push(this.open.memory)
    for (const memory of this.used.splice(0)) this.memory.give(memory)
  }

  /** Where record number `place` of the call lies, which is one of this lane; null = it is not stored. */
  placeOf(place: number): StoredAt | null {
    const index = indexOf(this.places, place)
    if (index >= this.done) return null
    let at = this.stored.length - 1
    while (this.stored[at].from > index) at--
    const { from, offset } = this.stored[at]
    return { topic: this.topic, partition: this.partition, offset: offset < 0 ? -1 : offset + index - from }
  }
}

/** In a list that rises. */
function indexOf(list: readonly number[], wanted: number): number {
  let low = 0
  for (let high = list.length - 1; low < high; ) {
    const middle = (low + high) >> 1
    if (list[middle] < wanted) low = middle + 1
    else high = middle
  }
  return low
}
