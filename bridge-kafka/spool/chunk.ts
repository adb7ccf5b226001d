import { Buffer } from "node:buffer"
import type { Segment } from "./segment.ts"

/**
 * 256 KiB: some thousand small records, so that what is done once a chunk is free; small enough that memory goes back soon.
 */
export const CHUNK_SIZE = 256 * 1024

/**
 * A piece of a segment while it is in memory: records are encoded into it, written from it, and read from it by those that keep up. It is
 * never used again for others, because views of it were given away.
 */
export class Chunk {
  readonly bytes: Buffer
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

  constructor(segment: Segment, size: number, start: number) {
    this.bytes = Buffer.allocUnsafeSlow(size)
    this.segment = segment
    this.offset = segment.bytes
    this.first = segment.end
    this.end = segment.end
    this.start = start
    this.used = start
  }
}
