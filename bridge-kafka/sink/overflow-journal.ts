import type { BridgeRecord } from "../record.ts"
import type { Span } from "../span.ts"
import type { PlainForm } from "../spool/plain-form.ts"
import type { Origin, SpoolRecord } from "../spool/record-format.ts"
import type { Journal } from "./journal.ts"
import type { MemoryJournal } from "./memory-journal.ts"

/**
 * `spool.mode: overflow`: memory first; when that is full everything goes to the disk, until the disk is empty again. So what came first
 * is sent first. Sequences are this journal's own: for what lies on disk they are those of the disk from `base` on.
 */
export class OverflowJournal implements Journal {
  readonly id: string
  readonly persistent = false
  /** Records that went to the disk. */
  spilled = 0
  private readonly memory: MemoryJournal
  private readonly disk: Journal
  private base: number
  /** Where the disk is read next. */
  private readTo: number
  private onDisk: boolean
  private wake: (() => void) | null = null
  private closed = false

  /** `left`: records that the disk has from an earlier process; they go first. */
  constructor(memory: MemoryJournal, disk: Journal, left: number) {
    this.id = memory.id
    this.memory = memory
    this.disk = disk
    this.readTo = disk.next - left
    this.onDisk = left > 0
    this.base = left - disk.next
    memory.next = left
  }

  get next(): number {
    return this.onDisk ? this.base + this.disk.next : this.memory.next
  }

  append(record: BridgeRecord, shard: number, id: string, origin: Origin | null): number {
    if (!this.onDisk) {
      const sequence = this.memory.append(record, shard, id, origin)
      if (sequence >= 0) return this.arrived(sequence)
      this.turnToDisk()
    }
    return this.spill(this.disk.append(record, shard, id, origin))
  }

  appendPlain(form: PlainForm, source: Span, from: number, to: number, timestamp: number): number {
    if (!this.onDisk) {
      const sequence = this.memory.appendPlain(form, source, from, to, timestamp)
      if (sequence >= 0) return this.arrived(sequence)
      this.turnToDisk()
    }
    return this.spill(this.disk.appendPlain(form, source, from, to, timestamp))
  }

  whenDurable(): Promise<void> {
    return Promise.resolve()
  }

  hurry(): void {
    if (this.onDisk) this.disk.hurry()
  }

  async read(): Promise<readonly SpoolRecord[] | null> {
    while (!this.closed) {
      // What is in memory came before what is on the disk: nothing goes there until the disk is empty.
      if (this.memory.unread > 0) return this.memory.read()
      if (this.onDisk && this.readTo < this.disk.next) {
        const read = await this.disk.read()
        if (read === null) return null
        const records = [...read]
        this.readTo = records[records.length - 1].sequence + 1
        const { base } = this
        return base === 0 ? records : records.map(one => ({ ...one, sequence: one.sequence + base }))
      }
      await new Promise<void>(resolve => {
        this.wake = resolve
      })
      this.wake = null
    }
    return null
  }

  release(below: number): void {
    this.memory.release(below)
    if (!this.onDisk) return
    const end = this.base + this.disk.next
    const released = Math.min(below, end)
    if (released - this.base > 0) this.disk.release(released - this.base)
    if (released < end) return
    this.onDisk = false
    this.memory.next = end
  }

  async close(): Promise<void> {
    this.closed = true
    this.wake?.()
    await Promise.all([this.memory.close(), this.disk.close()])
  }

  /** Memory is full. */
  private turnToDisk(): void {
    this.onDisk = true
    this.base = this.memory.next - this.disk.next
    this.readTo = this.disk.next
  }

  /** The disk has taken it under that sequence of its own; -1 = it has not. */
  private spill(sequence: number): number {
    if (sequence < 0) return -1
    this.spilled++
    return this.arrived(this.base + sequence)
  }

  private arrived(sequence: number): number {
    this.wake?.()
    return sequence
  }
}
