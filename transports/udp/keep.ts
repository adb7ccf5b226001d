import { Buffer } from "node:buffer"
import { copyInto } from "../../core/bytes.ts"
import { viewOf } from "../../core/view.ts"

/** Datagrams up to so many bytes are copied into a common chunk. */
const PACKED = 16 * 1024
const CHUNK = 64 * 1024

let chunk: Buffer = Buffer.alloc(0)
let chunkEnd = 0

/** Memory of its own for a datagram. */
export function keep(bytes: Buffer): Buffer {
  const { length } = bytes
  if (length > PACKED) {
    const own = Buffer.allocUnsafeSlow(length)
    copyInto(own, bytes, 0)
    return own
  }
  if (chunkEnd + length > chunk.length) {
    chunk = Buffer.allocUnsafeSlow(CHUNK)
    chunkEnd = 0
  }
  const start = chunkEnd
  copyInto(chunk, bytes, start)
  // By words: a transport may reckon with them.
  chunkEnd += (length + 3) & ~3
  return viewOf(chunk, start, start + length)
}
