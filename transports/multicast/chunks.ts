import { Buffer } from "node:buffer"
import { Queue } from "../../core/queue.ts"

/** Chunks without a packet that is kept; more came of a burst, and go. */
const SPARE = 4

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
  private readonly used = new Queue<Used>()
  private current: Buffer | null = null

  /** `reuse`: whoever sends the packets is done with them when they are no longer kept. */
  constructor(size: number, reuse: boolean) {
    this.size = size
    this.reuse = reuse
  }

  /** A chunk to write to. The packets in the one before are sealed, up to `last`; those before `trail` are not kept any more. */
  next(last: number, trail: number): Buffer {
    if (this.reuse && this.current !== null) this.used.push({ chunk: this.current, last })
    const { used } = this
    while (used.length > SPARE && used.at(SPARE).last < trail) used.shift()
    const oldest = used.peek()
    if (oldest !== undefined && oldest.last < trail) {
      used.shift()
      this.current = oldest.chunk
    } else this.current = Buffer.allocUnsafeSlow(this.size)
    return this.current
  }

  /** Nothing is being sent: what is free goes. */
  release(trail: number): void {
    while (this.used.length > 0 && this.used.at(0).last < trail) this.used.shift()
  }
}
