import type { Backoff } from "../backoff.ts"
import type { StoredRecord } from "../driver.ts"
import { decide, type Failure, failureOf, type Tolerance } from "../failure.ts"
import type { SourceCounters } from "./counters.ts"
import type { DeadLetters } from "./dead-letters.ts"
import type { SourcePartition } from "./partition.ts"

/** Hands the records of partitions to the fabric, in their order. */
export interface Delivery {
  /** Takes records; `partition.records` and `bytes` fall as they are delivered. */
  accept(partition: SourcePartition, records: readonly StoredRecord[]): void
  /** What waits of a partition that stands, or is not ours any more, is dropped. */
  forget(partition: SourcePartition): void
  /** Begins again what waited while the connector was paused. */
  wake(): void
}

export interface DeliveryHost {
  readonly counters: SourceCounters
  /** False while the connector is paused: what is under way ends, nothing is begun. */
  readonly running: boolean
  /** Records have left: partitions may be resumed. */
  unloaded(partition: SourcePartition, records: number, bytes: number): void
  stopped(partition: SourcePartition): void
  /** A record that cannot pass was dropped, or `kept` among the dead letters. */
  setAside(record: StoredRecord, failure: Failure, kept: boolean): void
}

/** Bytes that a record is counted as. */
export function sizeOf({ key, value, headers }: StoredRecord): number {
  // Objects and headers take more than their bytes; 200 is what V8 takes for a small record.
  return 200 + (key === null ? 0 : key.length) + (value === null ? 0 : value.length) + headers.length * 64
}

/** The offset of a record, or of the last that it stands for. */
export function lastOf({ offset, unreadable }: StoredRecord): number {
  return unreadable === undefined ? offset : unreadable.last
}

/** What becomes of records that cannot be delivered (SPEC SINK-7, which sources share). */
export class Failures {
  private readonly host: DeliveryHost
  private readonly tolerance: Tolerance
  private readonly letters: DeadLetters

  constructor(host: DeliveryHost, tolerance: Tolerance, letters: DeadLetters) {
    this.host = host
    this.tolerance = tolerance
    this.letters = letters
  }

  /**
   * "again" = after the back-off, the same record; "passed" = it was set aside, the next may come; "stopped" = the partition stands, or is not
   * ours any more.
   */
  async handle(
    partition: SourcePartition,
    record: StoredRecord,
    error: unknown,
    backoff: Backoff,
  ): Promise<"again" | "passed" | "stopped"> {
    const { counters } = this.host
    // Whoever reads it next decides.
    if (partition.closing.aborted) return "stopped"
    const failure = failureOf(error, "TASK_PUT")
    switch (decide(failure, this.tolerance)) {
      case "retry":
        counters.retries++
        return (await backoff.wait(partition.closing)) ? "again" : "stopped"
      case "drop":
        counters.dropped++
        this.host.setAside(record, failure, false)
        return "passed"
      case "dead-letter":
        return this.setAside(partition, record, failure)
      default:
        this.stop(partition, record, failure)
        return "stopped"
    }
  }

  private async setAside(
    partition: SourcePartition,
    record: StoredRecord,
    failure: Failure,
  ): Promise<"passed" | "stopped"> {
    try {
      await this.letters.send(record, failure, partition.signal)
    } catch (error) {
      if (!partition.signal.aborted) this.stop(partition, record, failureOf(error, "KAFKA_PRODUCE"))
      return "stopped"
    }
    this.host.counters.deadLetters++
    this.host.setAside(record, failure, true)
    return "passed"
  }

  private stop(partition: SourcePartition, { offset }: StoredRecord, failure: Failure): void {
    if (partition.stop !== null && partition.stop.offset <= offset) return
    partition.stop = { offset, failure }
    this.host.stopped(partition)
  }
}
