import type { Consumer, TopicPartition } from "../driver.ts"
import type { SourceCounters } from "./counters.ts"
import type { SourcePartition } from "./partition.ts"

export interface FlowLimits {
  /** Records and bytes that may have come and not be delivered, in all partitions together; and in one. Beyond, partitions are paused. */
  readonly records: number
  readonly bytes: number
  readonly partitionRecords: number
  readonly partitionBytes: number
}

/** A paused partition goes on when no more than this part of a limit is left: every change is a round trip for nothing. */
const LOW = 0.5

/** Decides which partitions are paused: back-pressure without leaving the group (SRC-2). */
export class Flow {
  records = 0
  bytes = 0
  private readonly limits: FlowLimits
  private readonly counters: SourceCounters

  constructor(limits: FlowLimits, counters: SourceCounters) {
    this.limits = limits
    this.counters = counters
  }

  loaded(partition: SourcePartition, records: number, bytes: number): void {
    partition.records += records
    partition.bytes += bytes
    this.records += records
    this.bytes += bytes
  }

  unloaded(partition: SourcePartition, records: number, bytes: number): void {
    if (partition.forgotten) return
    partition.records -= records
    partition.bytes -= bytes
    this.records -= records
    this.bytes -= bytes
  }

  /** A partition is gone, or stands, and all that waited is dropped. */
  forget(partition: SourcePartition): void {
    this.unloaded(partition, partition.records, partition.bytes)
    partition.forgotten = true
  }

  /** `running`: false = the user has paused the connector. */
  apply(consumer: Consumer, partitions: Iterable<SourcePartition>, running: boolean): void {
    const pause: TopicPartition[] = []
    const resume: TopicPartition[] = []
    for (const partition of partitions) {
      const wanted = !running || !partition.open || this.isFull(partition)
      if (wanted === partition.paused) continue
      partition.paused = wanted
      const { topic, partition: number } = partition
      ;(wanted ? pause : resume).push({ topic, partition: number })
      if (wanted && running && partition.open) this.counters.pauses++
    }
    if (pause.length > 0) consumer.pause(pause)
    if (resume.length > 0) consumer.resume(resume)
  }

  private isFull(partition: SourcePartition): boolean {
    const part = partition.paused ? LOW : 1
    const { records, bytes, partitionRecords, partitionBytes } = this.limits
    if (partition.records > partitionRecords * part || partition.bytes > partitionBytes * part) return true
    // Whoever has nothing to deliver is not to blame, and must not wait for others that stand still.
    return partition.records > 0 && (this.records > records * part || this.bytes > bytes * part)
  }
}
