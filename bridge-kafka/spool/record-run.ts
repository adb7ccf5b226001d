import type { Span } from "../span.ts"
import type { Chunk } from "./chunk.ts"
import type { PlainForm } from "./plain-form.ts"
import { originIn, type RecordDecoder, type SpoolRecord, shardIn, timestampAt, valueIn } from "./record-format.ts"

/** Beside its bytes: places in lists. */
const OVERHEAD = 32

/**
 * Records that lie behind one another in a block of memory. Each becomes an object when it is asked for: those that wait are bytes, which
 * the collector of garbage does not look at.
 */
export class RecordRun implements Iterable<SpoolRecord> {
  /** Sequence of the first one; the others follow without holes. */
  readonly first: number
  readonly length: number
  /** Where its bytes are. */
  readonly span: Span
  /** Where each of the chunk's begins, and the last one ends. */
  private readonly starts: Int32Array
  private readonly forms: readonly (PlainForm | null)[]
  /** Place of the first one in these. */
  private readonly from: number
  private readonly decoder: RecordDecoder

  /** `length` records of the chunk from number `first` on: they are there. */
  constructor(chunk: Chunk, first: number, length: number, decoder: RecordDecoder) {
    this.first = first
    this.length = length
    this.span = chunk
    this.starts = chunk.starts
    this.forms = chunk.forms
    this.from = first - chunk.first
    this.decoder = decoder
  }

  /** A new object each time. */
  at(index: number): SpoolRecord {
    return this.decoder.decode(this.span.bytes, this.starts[this.from + index])
  }

  shardAt(index: number): number {
    return this.formAt(index)?.shard ?? shardIn(this.span.bytes, this.starts[this.from + index])
  }

  /** Whether a publisher numbered it, and waits. */
  hasOrigin(index: number): boolean {
    return this.formAt(index) === null && originIn(this.span.bytes, this.starts[this.from + index])
  }

  /** What it takes while it waits. */
  memoryAt(index: number): number {
    const at = this.from + index
    return OVERHEAD + this.starts[at + 1] - this.starts[at]
  }

  /** Of a plain message, otherwise null. */
  formAt(index: number): PlainForm | null {
    return this.forms[this.from + index]
  }

  timestampAt(index: number): number {
    return timestampAt(this.span.bytes, this.starts[this.from + index])
  }

  /** Where the value of a plain message begins in `span`. */
  valueAt(index: number): number {
    const at = this.from + index
    return valueIn(this.starts[at], this.forms[at] as PlainForm)
  }

  /** Where the record ends in `span`, and with it the value. */
  endAt(index: number): number {
    return this.starts[this.from + index + 1]
  }

  *[Symbol.iterator](): Generator<SpoolRecord> {
    for (let index = 0; index < this.length; index++) yield this.at(index)
  }
}
