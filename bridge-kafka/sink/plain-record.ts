import { viewOf } from "../../core/view.ts"
import type { KafkaHeader } from "../driver.ts"
import type { Span } from "../span.ts"
import type { PlainForm } from "../spool/plain-form.ts"
import type { SpoolRecord } from "../spool/record-format.ts"

/** The object, and its places in lists. */
const OVERHEAD = 112

/** A plain message that waits in memory. What its form says of it is looked up when somebody asks: mostly nobody does. */
export class PlainRecord implements SpoolRecord {
  readonly form: PlainForm
  /** The value lies in it from `from` up to `to`. */
  readonly span: Span
  readonly from: number
  readonly to: number
  readonly timestamp: number
  readonly sequence: number

  constructor(form: PlainForm, span: Span, from: number, to: number, timestamp: number, sequence: number) {
    this.form = form
    this.span = span
    this.from = from
    this.to = to
    this.timestamp = timestamp
    this.sequence = sequence
  }

  get subject(): string {
    return this.form.subject
  }

  get shard(): number {
    return this.form.shard
  }

  get headers(): readonly KafkaHeader[] {
    return this.form.headers
  }

  get value(): Buffer {
    return viewOf(this.span.bytes, this.from, this.to)
  }

  get topic(): string {
    return ""
  }

  get partition(): number {
    return -1
  }

  get key(): null {
    return null
  }

  get id(): string {
    return ""
  }

  get origin(): null {
    return null
  }

  /** What it takes, roughly. */
  get memory(): number {
    return plainMemory(this.to - this.from)
  }
}

/** The same, of one with a value of so many bytes. */
export function plainMemory(length: number): number {
  return OVERHEAD + length
}
