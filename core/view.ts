import { Buffer } from "node:buffer"

type BufferViewConstructor = new (buffer: ArrayBufferLike, offset: number, length: number) => Buffer

/** Node's own view class: its constructor is what `subarray` spends most of its time around. */
const View = (Buffer as unknown as { [Symbol.species]: BufferViewConstructor })[Symbol.species]

/** `bytes.subarray(start, end)` for a range that is known to lie within `bytes`. */
export function viewOf(bytes: Buffer, start: number, end: number): Buffer {
  return new View(bytes.buffer, bytes.byteOffset + start, end - start)
}
