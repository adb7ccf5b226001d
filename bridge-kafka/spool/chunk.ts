import { Buffer } from "node:buffer"
import type { Span } from "../span.ts"
import type { PlainForm } from "./plain-form.ts"
import type { Segment } from "./segment.ts"

/**
 * 256 KiB: some thousand small records, so that what is done once a chunk is free; small enough that memory goes back soon.
 */
export const CHUNK_SIZE = 256 * 1024

/** Records of some 100 bytes fill a chunk. */
const FIRST_PLACES = 2_560

/**
 * A piece of a segment while it is in memory: records are encoded into it, written from it, and read from it by those that keep up. It is
 * never used again for others, because views of it were given away.
 */
export class Chunk implements Span {
  readonly bytes: Buffer
  readonly view: DataView
  readonly segment: Segment
  /** Where its first byte lies in the segment's file. */
  readonly offset: number
  /** Sequence of its first record. */
  readonly first: number
  /** Sequence behind its last record. */
  end: number
  /** Where its first record begins: behind the segment's header, if that is in it. */
  readonly start: number
  /** Bytes that are filled. */
  used: number
  /** Bytes that the writer has taken. */
  taken = 0
  /** Left the memory: a reader must not follow it. */
  evicted = false
  next: Chunk | null = null
  /** Where its records begin; behind them where the last one ends. A longer one takes its place when it is full. */
  starts = new Int32Array(FIRST_PLACES)
  /** Of each record; null for those that are not plain. */
  readonly forms: (PlainForm | null)[] = []

  constructor(segment: Segment, size: number, start: number) {
    this.bytes = Buffer.allocUnsafeSlow(size)
    this.view = new DataView(this.bytes.buffer)
    this.segment = segment
    this.offset = segment.bytes
    this.first = segment.end
    this.end = segment.end
    this.start = start
    this.used = start
    this.starts[0] = start
  }

  /** A record was written behind the last one, up to `end`. */
  add(end: number, form: PlainForm | null): void {
    const count = this.forms.push(form)
    if (count === this.starts.length) {
      const { starts } = this
      this.starts = new Int32Array(2 * count)
      this.starts.set(starts)
    }
    this.starts[count] = end
    this.used = end
    this.end++
  }
}
