import type { SpoolRecord } from "../spool/record-format.ts"
import type { RecordRun } from "../spool/record-run.ts"
import { memoryOf } from "./journal.ts"
import type { Ledger } from "./ledger.ts"

/**
 * - `foreign`: another instance has it; what waits here is sent to that one
 * - `taking`: it was given to this instance, which fences the former owner and reads what that has stored
 * - `owned`: it is served
 * - `orphaned`: the group cannot be asked whose it is; its messages are taken into the journal, and nothing is sent (SINK-8)
 * - `leaving`: it is to be given up; what waits here is still sent
 */
export type ShardPhase = "foreign" | "taking" | "owned" | "orphaned" | "leaving"

/** Places of the ring: it doubles from here, and is made anew when it is empty and has more than `MOST_KEPT`. */
const FIRST = 256
const MOST_KEPT = 16_384

/** One part of the subjects, which one instance at a time sends (SINK-1): what of it has been read from the journal and is not stored. */
export class Shard {
  readonly number: number
  phase: ShardPhase = "foreign"
  /** By `performance.now`, of the last time. */
  orphanedAt = 0
  /** Only while it is taken, owned or orphaned. */
  ledger: Ledger | null = null
  /** At-least-once, while another instance has it: what was known of it before. What waits here of it is noted when that one has stored it. */
  past: Ledger | null = null
  /** Memory that its records take. */
  bytes = 0
  /** Of these, records whose publishers wait for an answer. */
  awaited = 0
  /** Records that wait or are on their way. */
  length = 0
  /** A ring: each is the record, or a run and its place in it; -1 = the record. */
  private entries = emptyRing(FIRST)
  private places = new Int32Array(FIRST)
  private head = 0

  constructor(number: number) {
    this.number = number
  }

  push(record: SpoolRecord): void {
    if (record.origin !== null) this.awaited++
    this.put(record, ITSELF)
  }

  /** One of those that are decoded when they are needed. */
  pushFrom(run: RecordRun, place: number): void {
    if (run.hasOrigin(place)) this.awaited++
    this.put(run, place)
  }

  /** The oldest is 0. Perhaps a new object each time. */
  at(index: number): SpoolRecord {
    const at = (this.head + index) & (this.entries.length - 1)
    const place = this.places[at]
    return place === ITSELF ? (this.entries[at] as SpoolRecord) : (this.entries[at] as RecordRun).at(place)
  }

  sequenceAt(index: number): number {
    const at = (this.head + index) & (this.entries.length - 1)
    const place = this.places[at]
    return place === ITSELF ? (this.entries[at] as SpoolRecord).sequence : (this.entries[at] as RecordRun).first + place
  }

  /** The run that it is decoded from when it is needed, at `placeAt`; null = it is there already. */
  runAt(index: number): RecordRun | null {
    const at = (this.head + index) & (this.entries.length - 1)
    return this.places[at] === ITSELF ? null : (this.entries[at] as RecordRun)
  }

  placeAt(index: number): number {
    return this.places[(this.head + index) & (this.entries.length - 1)]
  }

  /** The oldest ones are done. Returns the memory that they took. */
  shift(count: number): number {
    const { entries, places } = this
    const mask = entries.length - 1
    let freed = 0
    for (let i = 0; i < count; i++) {
      const at = (this.head + i) & mask
      const entry = entries[at] as Entry
      // A run keeps its block of memory.
      entries[at] = null
      const place = places[at]
      if (place === ITSELF) {
        freed += memoryOf(entry as SpoolRecord)
        if ((entry as SpoolRecord).origin !== null) this.awaited--
      } else {
        freed += (entry as RecordRun).memoryAt(place)
        if ((entry as RecordRun).hasOrigin(place)) this.awaited--
      }
    }
    this.head = (this.head + count) & mask
    this.length -= count
    if (this.length === 0 && entries.length > MOST_KEPT) this.resize(FIRST)
    return freed
  }

  private put(entry: Entry, place: number): void {
    if (this.length === this.entries.length) this.resize(2 * this.length)
    const at = (this.head + this.length++) & (this.entries.length - 1)
    this.entries[at] = entry
    this.places[at] = place
  }

  private resize(size: number): void {
    const { entries, places, head, length } = this
    this.entries = emptyRing(size)
    this.places = new Int32Array(size)
    for (let i = 0; i < length; i++) {
      const at = (head + i) & (entries.length - 1)
      this.entries[i] = entries[at]
      this.places[i] = places[at]
    }
    this.head = 0
  }
}

type Entry = SpoolRecord | RecordRun

const ITSELF = -1

/** `size`: a power of two. */
function emptyRing(size: number): (Entry | null)[] {
  return new Array<Entry | null>(size).fill(null)
}
