import { randomBytes } from "node:crypto"
import { viewOf } from "../../core/view.ts"
import type { KafkaHeader } from "../driver.ts"
import type { BridgeRecord } from "../record.ts"
import { copySpan, type Span, spanOf } from "../span.ts"
import type { PlainForm } from "../spool/plain-form.ts"
import type { Origin, SpoolRecord } from "../spool/record-format.ts"
import { type Journal, memoryOf } from "./journal.ts"
import { SPOOL } from "./ledger.ts"
import { PlainRecord, plainMemory } from "./plain-record.ts"

export type FullPolicy = "block" | "drop-oldest" | "drop-new"

/** Payloads are views of what the network brought: copied here, a few bytes do not keep 64 KiB alive. */
const SLAB = 256 * 1024
/** Records given out at a time. */
const GULP = 4_096

/** `spool.mode: off`: records wait in memory, and are lost with the process. */
export class MemoryJournal implements Journal {
  readonly id: string
  readonly persistent = false
  next = 0
  /** Bytes of what is not released. */
  bytes = 0
  /** Records dropped or refused because it was full. */
  dropped = 0
  refused = 0
  private readonly limit: number
  private readonly full: FullPolicy
  /** Not given out yet, the oldest at `head`. */
  private waiting: SpoolRecord[] = []
  private head = 0
  /** Given out and not released, the oldest at `givenHead`. */
  private given: SpoolRecord[] = []
  private givenHead = 0
  private slab = spanOf(Buffer.allocUnsafeSlow(SLAB))
  /** Where `place` has found room. */
  private span = this.slab
  private used = 0
  private wake: (() => void) | null = null
  private closed = false

  /** `limit`: bytes, roughly. `id`: for another one than the default. */
  constructor(limit: number, full: FullPolicy, id = `${SPOOL}${randomBytes(9).toString("base64url")}`) {
    this.id = id
    this.limit = limit
    this.full = full
  }

  /** Records that were not given out yet. */
  get unread(): number {
    return this.waiting.length - this.head
  }

  append(record: BridgeRecord, shard: number, id: string, origin: Origin | null): number {
    const size = memoryOf(record)
    if (this.bytes + size > this.limit && !this.makeRoom(size)) {
      this.refused++
      return -1
    }
    const { subject, topic, partition, key, value, headers, timestamp } = record
    const sequence = this.next++
    this.waiting.push({
      subject,
      topic,
      partition,
      key: key === null ? null : this.copy(key),
      value: value === null ? null : this.copy(value),
      headers: headers.length === 0 ? headers : headers.map(([name, bytes]): KafkaHeader => [name, this.copy(bytes)]),
      timestamp,
      sequence,
      shard,
      id,
      origin,
    })
    this.bytes += size
    this.wake?.()
    return sequence
  }

  appendPlain(form: PlainForm, source: Span, from: number, to: number, timestamp: number): number {
    const length = to - from
    const size = plainMemory(length)
    if (this.bytes + size > this.limit && !this.makeRoom(size)) {
      this.refused++
      return -1
    }
    const sequence = this.next++
    const start = this.place(length)
    const span = this.span
    copySpan(source, from, to, span, start)
    this.waiting.push(new PlainRecord(form, span, start, start + length, timestamp, sequence))
    this.bytes += size
    this.wake?.()
    return sequence
  }

  whenDurable(): Promise<void> {
    return Promise.resolve()
  }

  hurry(): void {}

  async read(): Promise<readonly SpoolRecord[] | null> {
    while (this.head === this.waiting.length && !this.closed) {
      await new Promise<void>(resolve => {
        this.wake = resolve
      })
      this.wake = null
    }
    if (this.closed) return null
    const batch = this.waiting.slice(this.head, this.head + GULP)
    this.head += batch.length
    this.compact()
    for (const record of batch) this.given.push(record)
    return batch
  }

  release(below: number): void {
    const { given } = this
    while (this.givenHead < given.length && given[this.givenHead].sequence < below)
      this.bytes -= memoryOf(given[this.givenHead++])
    if (this.givenHead === given.length || this.givenHead >= GULP) {
      this.given = given.slice(this.givenHead)
      this.givenHead = 0
    }
  }

  async close(): Promise<void> {
    this.closed = true
    this.wake?.()
  }

  private compact(): void {
    if (this.head < this.waiting.length && (this.head < GULP || this.head * 2 < this.waiting.length)) return
    this.waiting = this.waiting.slice(this.head)
    this.head = 0
  }

  /** What is on its way already cannot be taken back. */
  private makeRoom(size: number): boolean {
    if (this.full !== "drop-oldest") return false
    while (this.bytes + size > this.limit && this.head < this.waiting.length) {
      this.bytes -= memoryOf(this.waiting[this.head++])
      this.dropped++
    }
    this.compact()
    return this.bytes + size <= this.limit
  }

  private copy(bytes: Buffer): Buffer {
    const { length } = bytes
    const start = this.place(length)
    this.span.bytes.set(bytes, start)
    return viewOf(this.span.bytes, start, start + length)
  }

  /** Where in `span` so many bytes go. */
  private place(length: number): number {
    if (length > SLAB / 4) {
      this.span = spanOf(Buffer.allocUnsafeSlow(length))
      return 0
    }
    if (this.used + length > SLAB) {
      this.slab = spanOf(Buffer.allocUnsafeSlow(SLAB))
      this.used = 0
    }
    this.span = this.slab
    const start = this.used
    this.used += length
    return start
  }
}
