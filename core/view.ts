import { Buffer } from "node:buffer"

interface BufferViewConstructor {
  new (buffer: ArrayBufferLike, offset: number, length: number): Buffer
  readonly prototype: Buffer
}

/** Node's own view class: its constructor is what `subarray` spends most of its time around. */
export const View = (Buffer as unknown as { [Symbol.species]: BufferViewConstructor })[Symbol.species]

/** Memory of more bytes than this is not remembered, so that it can go. */
const REMEMBERED = 1024 * 1024

const NOTHING = Buffer.alloc(0)

/** What views were last made of. To ask a Buffer for its memory costs nearly as much as to make the view. */
let last: Buffer = NOTHING
let memory: ArrayBufferLike = last.buffer
let offset = 0

/** `bytes.subarray(start, end)` for a range that is known to lie within `bytes`. */
export function viewOf(bytes: Buffer, start: number, end: number): Buffer {
  if (bytes !== last) {
    const { buffer, byteOffset } = bytes
    if (buffer.byteLength > REMEMBERED) return new View(buffer, byteOffset + start, end - start)
    last = bytes
    memory = buffer
    offset = byteOffset
  }
  return new View(memory, offset + start, end - start)
}
