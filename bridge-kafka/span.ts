import { Buffer } from "node:buffer"

/** Bytes with a view for words: a loop over single bytes costs three times as much, and a call into the runtime as much as 30 bytes. */
export interface Span {
  readonly bytes: Buffer
  /** The same memory, from the same place on. */
  readonly view: DataView
}

export function spanOf(bytes: Buffer): Span {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length) }
}

/** From here on, making a view to copy from costs less than the words. */
const LONG = 256

/** Copies `source` from `from` up to `to` into `into` at `at`; they are different memory. */
export function copySpan(source: Span, from: number, to: number, into: Span, at: number): void {
  if (to - from > LONG) {
    into.bytes.set(source.bytes.subarray(from, to), at)
    return
  }
  const { view: read } = source
  const { view: write } = into
  const words = to - 3
  let place = from
  for (; place < words; place += 4, at += 4) write.setInt32(at, read.getInt32(place, true), true)
  for (; place < to; place++, at++) write.setUint8(at, read.getUint8(place))
}

const NOTHING = Buffer.alloc(0)

/** Makes spans of bytes that mostly are the same again: messages that came with one read. */
export class SpanCache {
  private last: Span = spanOf(NOTHING)

  of(bytes: Buffer): Span {
    if (bytes !== this.last.bytes) this.last = spanOf(bytes)
    return this.last
  }

  /** Memory that is not needed any more can go. */
  clear(): void {
    this.last = spanOf(NOTHING)
  }
}
