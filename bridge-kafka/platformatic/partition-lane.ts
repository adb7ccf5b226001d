import type { Compression, KafkaRecord } from "../driver.ts"
import { compress, type EncodedRecords, encodeRecords } from "./encode-batch.ts"
import type { Library } from "./load.ts"

/** What one call stores in one partition: batches, one behind the other. */
export class PartitionLane {
  readonly topic: string
  readonly partition: number
  /** Of this partition, in order, and where each was in the call. */
  readonly records: KafkaRecord[] = []
  readonly places: number[] = []
  /** So many of them are stored. */
  done = 0
  /** The batch that is under way: sent again it is the same, byte by byte, so that the broker knows it. */
  batch: EncodedRecords | null = null
  /** It has been sent before, and what became of it is not known. */
  ambiguous = false
  private limit: number

  constructor(topic: string, partition: number, limit: number) {
    this.topic = topic
    this.partition = partition
    this.limit = limit
  }

  get finished(): boolean {
    return this.done === this.records.length
  }

  async prepare(library: Library, codec: Compression): Promise<EncodedRecords> {
    this.batch ??= await compress(library, encodeRecords(this.records, this.done, this.limit), codec)
    return this.batch
  }

  /** The batch is stored. */
  advance(): void {
    this.done += this.batch?.count ?? 0
    this.batch = null
    this.ambiguous = false
  }

  /** The batch was too large for the broker: halves, down to one record. False: it was one. */
  halve(): boolean {
    if (this.batch === null || this.batch.count === 1) return false
    this.limit = Math.max(1, Math.floor(this.batch.bytes.length / 2))
    this.batch = null
    return true
  }
}

/** Records of a call by partition; those of one partition keep their order. */
export function lanesOf(records: readonly KafkaRecord[], limit: number): PartitionLane[] {
  const topics = new Map<string, PartitionLane[]>()
  const lanes: PartitionLane[] = []
  let last: PartitionLane | undefined
  for (let place = 0; place < records.length; place++) {
    const record = records[place]
    const { topic, partition } = record
    if (last === undefined || last.partition !== partition || last.topic !== topic) {
      let ofTopic = topics.get(topic)
      if (ofTopic === undefined) {
        ofTopic = []
        topics.set(topic, ofTopic)
      }
      last = ofTopic[partition]
      if (last === undefined) {
        last = new PartitionLane(topic, partition, limit)
        ofTopic[partition] = last
        lanes.push(last)
      }
    }
    last.records.push(record)
    last.places.push(place)
  }
  return lanes
}
