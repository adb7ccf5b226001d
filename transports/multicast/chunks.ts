import { Buffer } from "node:buffer"
import { Queue } from "../../core/queue.ts"

/** Chunks without a packet that is kept; more came of a burst, and go. */
const SPARE = 4

/** Where chunks come from. */
export interface ChunkMemory {
  take(size: number): Buffer
  /** Its packets are not kept any more. True = it may be written to again; false = it goes, without `give`. */
  again(chunk: Buffer): boolean
  give(chunk: Buffer): void
}

export const ORDINARY: ChunkMemory = {
  take: size => Buffer.allocUnsafeSlow(size),
  again: () => true,
  give: () => {},
}

interface Used {
  readonly chunk: Buffer
  /** The newest packet in it. */
  readonly last: number
}

/**
 * Memory that packets are encoded into, one behind the other. Fresh memory costs a sender as much as everything else that it
 * does (page faults, and a garbage collector that is told of each chunk): half of its time at full speed.
 */
export class Chunks {
  private readonly size: number
  private readonly reuse: boolean
  private readonly memory: ChunkMemory
  private readonly used = new Queue<Used>()
  private current: Buffer | null = null

  /** `reuse`: whoever sends the packets is done with them when they are no longer kept. */
  constructor(size: number, reuse: boolean, memory = ORDINARY) {
    this.memory = memory
    this.size = size
    this.reuse = reuse
  }

  /** A chunk to write to. The packets in the one before are sealed, up to `last`; those before `trail` are not kept any more. */
  next(last: number, trail: number): Buffer {
    if (this.reuse && this.current !== null) this.used.push({ chunk: this.current, last })
    const { used } = this
    while (used.length > SPARE && used.at(SPARE).last < trail) this.drop()
    for (let oldest = used.peek(); oldest !== undefined && oldest.last < trail; oldest = used.peek()) {
      used.shift()
      if (!this.memory.again(oldest.chunk)) continue
      this.current = oldest.chunk
      return this.current
    }
    this.current = this.memory.take(this.size)
    return this.current
  }

  /** Nothing is being sent: what is free goes. */
  release(trail: number): void {
    while (this.used.length > 0 && this.used.at(0).last < trail) this.drop()
  }

  /** The same of the one that was written to. `last`: the newest packet in it. False = it stays. */
  releaseLast(last: number, trail: number): boolean {
    if (this.current === null || last >= trail) return false
    this.memory.give(this.current)
    this.current = null
    return true
  }

  private drop(): void {
    const gone = this.used.shift()
    if (gone !== undefined) this.memory.give(gone.chunk)
  }
}
