/**
 * Memory that records are written to. A chunk holds several batches; it is used again when the peer has acknowledged
 * them all, so that a steady flow allocates nothing.
 */

/** Batches end here: 32 KiB is what the decoder of the stream still takes without memory of its own. */
export const CHUNK = 32 * 1024
/** Of links with little to send: an idle node with many links holds little memory. */
export const SMALL_CHUNK = 2 * 1024
/** Free chunks kept by the thread: 4 MiB. */
const KEPT = 128

export class Chunk {
  readonly bytes: Buffer
  /** Batches that lie here and are not acknowledged, and one for the writer that fills it. */
  uses = 1

  constructor(size: number) {
    this.bytes = Buffer.allocUnsafeSlow(size)
  }
}

const free: Chunk[] = []
const freeSmall: Chunk[] = []

export function takeChunk(size: number): Chunk {
  if (size > CHUNK) return new Chunk(size)
  const small = size <= SMALL_CHUNK
  const chunk = (small ? freeSmall : free).pop()
  if (chunk === undefined) return new Chunk(small ? SMALL_CHUNK : CHUNK)
  chunk.uses = 1
  return chunk
}

/** One use less. `reusable` = nobody else can see the memory: it was copied to a stream, and the peer has it. */
export function releaseChunk(chunk: Chunk, reusable: boolean): void {
  if (--chunk.uses !== 0 || !reusable) return
  if (chunk.bytes.length === CHUNK) {
    if (free.length < KEPT) free.push(chunk)
  } else if (chunk.bytes.length === SMALL_CHUNK && freeSmall.length < KEPT) freeSmall.push(chunk)
}
