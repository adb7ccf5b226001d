import { Buffer } from "node:buffer"
import { ParitySum } from "./parity.ts"
import type { MemoryBudget } from "./session-window.ts"
import { blockFlags, blockStart, DATA, HEADER, putStart, putU16, putU48, type SessionKey, u16 } from "./wire.ts"

/**
 * Blocks whose sums are kept; a newer one takes the place of the oldest. What is older waits for repairs that come anyway, a
 * round trip after the loss.
 */
const BLOCKS = 8

interface Block {
  /** Its first packet; 0 = none yet. */
  start: number
  size: number
  kind: number
  /** Bit by bit: which of its packets are in the sum. */
  have: number
  /** Its PARITY is in the sum, too: when one packet is missing, the sum is that packet. */
  closed: boolean
  /** It makes no sense, or there was no memory for it. */
  spoiled: boolean
  readonly sum: ParitySum
}

/** A packet that was lost and reckoned from the others of its block. */
export interface Mended {
  readonly sequence: number
  readonly bytes: Buffer
}

/**
 * Sums of the latest blocks of a session, so that a lost packet can be reckoned when the block's PARITY comes (MC-73). Packets are added
 * when they come: later their bytes are the user's, who may write into them.
 */
export class SessionParity {
  private readonly key: SessionKey
  private readonly memory: MemoryBudget
  private readonly blocks: Block[] = []

  constructor(key: SessionKey, memory: MemoryBudget) {
    this.key = key
    this.memory = memory
    for (let i = 0; i < BLOCKS; i++)
      this.blocks.push({ start: 0, size: 0, kind: 0, have: 0, closed: false, spoiled: false, sum: new ParitySum() })
  }

  /** A DATA packet of a block of so many. Returns another one if that can be reckoned now. */
  add(bytes: Buffer, sequence: number, size: number): Mended | null {
    const block = this.blockOf(sequence, size)
    if (block === null) return null
    const bit = 1 << (sequence - block.start)
    if ((block.have & bit) !== 0 || !this.sum(block, bytes, bytes.length)) return null
    block.have |= bit
    block.kind = bytes[5]
    return block.closed ? this.mend(block, block.size) : null
  }

  /** A PARITY whose header makes sense, of `count` packets from `start` on. */
  parity(bytes: Buffer, start: number, count: number, size: number): Mended | null {
    const block = this.blockOf(start, size)
    if (block === null || block.closed) return null
    const range = (1 << count) - 1
    const missing = range & ~block.have
    // Of packets beyond the range the sum cannot be freed; a later PARITY covers them, too.
    if (missing === 0 || (block.have & ~range) !== 0) return null
    const one = (missing & (missing - 1)) === 0
    if (!one && count < size) return null
    block.kind = bytes[5]
    if (!this.sum(block, bytes, u16(bytes, 26))) return null
    block.closed = count === size
    if (!one) return null
    const mended = this.mend(block, count)
    if (mended !== null && !block.closed) {
      // With the packet that was reckoned, the sum of all is the PARITY again.
      block.sum.clear()
      block.sum.add(bytes, u16(bytes, 26))
    }
    return mended
  }

  /** The packet of this block, of several that are missing, that need not be asked for: the others will mend it. 0 = none. */
  spare(start: number, size: number): number {
    const block = this.blockOf(start, size)
    if (block === null || !block.closed) return 0
    const missing = ((1 << size) - 1) & ~block.have
    return missing === 0 ? 0 : start + 31 - Math.clz32(missing)
  }

  /** Frees what it keeps. */
  free(): void {
    for (const block of this.blocks) this.memory.used -= block.sum.capacity
    this.blocks.length = 0
  }

  /** Null = its place was taken by a newer one, or it is of no use. */
  private blockOf(sequence: number, size: number): Block | null {
    const start = blockStart(sequence, size)
    const block = this.blocks[((start - 1) / size) % BLOCKS]
    if (block.start === start && block.size === size) return block.spoiled ? null : block
    if (block.start >= start) return null
    block.start = start
    block.size = size
    block.have = 0
    block.closed = block.spoiled = false
    block.sum.clear()
    return block
  }

  /** False = there is no memory. */
  private sum(block: Block, bytes: Buffer, length: number): boolean {
    const { sum } = block
    const { memory } = this
    const before = sum.capacity
    const more = sum.capacityFor(bytes) - before
    if (more > 0 && memory.used + more > memory.limit) {
      block.spoiled = true
      return false
    }
    sum.add(bytes, length)
    memory.used += sum.capacity - before
    return true
  }

  /** The one packet of the first `count` that is not in the sum, which is it. Null = more than one lack, or it makes no sense. */
  private mend(block: Block, count: number): Mended | null {
    const missing = ((1 << count) - 1) & ~block.have
    if (missing === 0 || (missing & (missing - 1)) !== 0) return null
    const { sum, start, size, kind } = block
    const { lengths, first } = sum
    block.have |= missing
    if (lengths <= HEADER || lengths > HEADER + sum.filled || first >= lengths || (first !== 0 && first < HEADER)) {
      block.spoiled = true
      return null
    }
    const sequence = start + 31 - Math.clz32(missing)
    // Messages will be views on it.
    const bytes = Buffer.allocUnsafeSlow(lengths)
    putStart(bytes, 0, DATA, blockFlags(size), kind, this.key)
    putU48(bytes, 16, sequence)
    putU16(bytes, 22, 0)
    putU48(bytes, 24, 1)
    putU16(bytes, 30, 0)
    sum.writeTo(bytes)
    return { sequence, bytes }
  }
}
