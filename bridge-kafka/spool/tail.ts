import type { Chunk } from "./chunk.ts"

/** The newest chunks, for readers that keep up with the writer. Bounded, but for what is not on the disk yet. */
export class Tail {
  /** Of the chunks held. */
  bytes = 0
  private readonly chunks: Chunk[] = []
  private readonly limit: number

  constructor(limit: number) {
    this.limit = limit
  }

  add(chunk: Chunk): void {
    const last = this.chunks.at(-1)
    if (last !== undefined) last.next = chunk
    this.chunks.push(chunk)
    this.bytes += chunk.bytes.length
  }

  /** Frees the oldest chunks above the limit whose records are all below `durable`. The last one is still being filled. */
  trim(durable: number): void {
    while (this.bytes > this.limit && this.chunks.length > 1 && this.chunks[0].end <= durable) this.evict()
  }

  clear(): void {
    while (this.chunks.length > 0) this.evict()
  }

  /** The chunk with that record; null when it is on the disk only, or not there yet. */
  find(sequence: number): Chunk | null {
    const { chunks } = this
    let low = 0
    let high = chunks.length - 1
    while (low <= high) {
      const middle = (low + high) >> 1
      const chunk = chunks[middle]
      if (sequence < chunk.first) high = middle - 1
      else if (sequence >= chunk.end) low = middle + 1
      else return chunk
    }
    return null
  }

  private evict(): void {
    const chunk = this.chunks.shift()
    if (chunk === undefined) return
    chunk.evicted = true
    chunk.next = null
    this.bytes -= chunk.bytes.length
  }
}
