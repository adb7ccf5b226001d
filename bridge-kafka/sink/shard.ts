import type { SpoolRecord } from "../spool/record-format.ts"
import { memoryOf } from "./journal.ts"
import type { Ledger } from "./ledger.ts"

/**
 * - `foreign`: another instance has it; what waits here is sent to that one
 * - `taking`: it was given to this instance, which fences the former owner and reads what that has stored
 * - `owned`: it is served
 * - `leaving`: it is to be given up; what waits here is still sent
 */
export type ShardPhase = "foreign" | "taking" | "owned" | "leaving"

/** A list is cut when so much of its beginning is done, so that each record is moved once or twice in all. */
const CUT_AT = 4_096

/** One part of the subjects, which one instance at a time sends (SINK-1): what of it has been read from the journal and is not stored. */
export class Shard {
  readonly number: number
  phase: ShardPhase = "foreign"
  /** Only while it is taken or owned. */
  ledger: Ledger | null = null
  /** At-least-once, while another instance has it: what was known of it before. What waits here of it is noted when that one has stored it. */
  past: Ledger | null = null
  /** Memory that its records take. */
  bytes = 0
  /** Of these, records whose publishers wait for an answer. */
  awaited = 0
  private records: SpoolRecord[] = []
  private head = 0

  constructor(number: number) {
    this.number = number
  }

  /** Records that wait or are on their way. */
  get length(): number {
    return this.records.length - this.head
  }

  push(record: SpoolRecord): void {
    if (record.origin !== null) this.awaited++
    this.records.push(record)
  }

  /** The oldest is 0. */
  at(index: number): SpoolRecord {
    return this.records[this.head + index]
  }

  /** The oldest ones are done. Returns the memory that they took. */
  shift(count: number): number {
    let freed = 0
    for (let i = 0; i < count; i++) {
      const record = this.records[this.head + i]
      freed += memoryOf(record)
      if (record.origin !== null) this.awaited--
    }
    this.head += count
    if (this.head === this.records.length) {
      this.records = []
      this.head = 0
    } else if (this.head >= CUT_AT && this.head * 2 >= this.records.length) {
      this.records = this.records.slice(this.head)
      this.head = 0
    }
    return freed
  }
}
