import type { Buffer } from "node:buffer"
import { originIn, type RecordDecoder, type SpoolRecord, shardIn } from "./record-format.ts"

/** Beside its bytes: places in lists. */
const OVERHEAD = 32

/**
 * Records that lie behind one another in a block of memory. Each becomes an object when it is asked for: those that wait are bytes, which
 * the collector of garbage does not look at.
 */
export class RecordRun implements Iterable<SpoolRecord> {
  /** Sequence of the first one; the others follow without holes. */
  readonly first: number
  private readonly bytes: Buffer
  /** Where each begins; at the end where the last one ends. */
  private readonly starts: Int32Array
  private readonly decoder: RecordDecoder

  /** `bytes` are whole records of this format, whose checksums hold. */
  constructor(bytes: Buffer, starts: Int32Array, first: number, decoder: RecordDecoder) {
    this.bytes = bytes
    this.starts = starts
    this.first = first
    this.decoder = decoder
  }

  get length(): number {
    return this.starts.length - 1
  }

  /** A new object each time. */
  at(index: number): SpoolRecord {
    return this.decoder.decode(this.bytes, this.starts[index])
  }

  shardAt(index: number): number {
    return shardIn(this.bytes, this.starts[index])
  }

  /** Whether a publisher numbered it, and waits. */
  hasOrigin(index: number): boolean {
    return originIn(this.bytes, this.starts[index])
  }

  /** What it takes while it waits. */
  memoryAt(index: number): number {
    return OVERHEAD + this.starts[index + 1] - this.starts[index]
  }

  *[Symbol.iterator](): Generator<SpoolRecord> {
    for (let index = 0; index < this.length; index++) yield this.at(index)
  }
}
