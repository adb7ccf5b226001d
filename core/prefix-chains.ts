import { Pool } from "./prefix-pool.ts"

/** The bytes of long topics, as 32-bit words in chains of blocks of 64 bytes. A chain is named by its first block. */
export class Chains {
  private readonly blocks = new Pool(BLOCK_WORDS)

  /** Memory held, in bytes. */
  get bytes(): number {
    return this.blocks.bytes
  }

  /** Stores a copy of the first `count` words. */
  store(words: Int32Array, count: number): number {
    const { blocks } = this
    const first = blocks.take()
    let block = first
    for (let i = 0, w = 1; i < count; i++, w++) {
      if (w === BLOCK_WORDS) {
        const next = blocks.take()
        blocks.set(block, NEXT, next)
        block = next
        w = 1
      }
      blocks.set(block, w, words[i])
    }
    blocks.set(block, NEXT, 0)
    return first
  }

  equals(first: number, words: Int32Array, count: number): boolean {
    const { blocks } = this
    let block = first
    for (let i = 0, w = 1; i < count; i++, w++) {
      if (w === BLOCK_WORDS) {
        block = blocks.get(block, NEXT)
        w = 1
      }
      if (blocks.get(block, w) !== words[i]) return false
    }
    return true
  }

  /** Copies a chain of `count` words into `words`. */
  read(first: number, words: Int32Array, count: number): void {
    const { blocks } = this
    let block = first
    for (let i = 0, w = 1; i < count; i++, w++) {
      if (w === BLOCK_WORDS) {
        block = blocks.get(block, NEXT)
        w = 1
      }
      words[i] = blocks.get(block, w)
    }
  }

  discard(first: number): void {
    for (let block = first; block !== 0; ) {
      const next = this.blocks.get(block, NEXT)
      this.blocks.give(block)
      block = next
    }
  }
}

// A block: the number of the next one, 0 at the end; then words of the topic.
const NEXT = 0
const BLOCK_WORDS = 16
