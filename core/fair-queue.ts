import type { Pipe } from "./contract.ts"
import { Queue } from "./queue.ts"

/** One pipe's items that nobody has read yet. */
class Lane<I> {
  readonly pipe: Pipe
  readonly items = new Queue<I>()
  active = false
  paused = false

  constructor(pipe: Pipe) {
    this.pipe = pipe
  }
}

/** What the fair queue reads of its socket's options, live. */
export interface FairQueueOptions {
  /** Items per pipe before the pipe is paused; 0 = unlimited. */
  readonly receiveHighWaterMark: number
  /** Keep only the newest item of each pipe. */
  readonly conflate?: boolean
}

/** Reads from many pipes in turn, one item each (RFC 28: fair-queuing). A full lane pauses its pipe. */
export class FairQueue<I> {
  size = 0
  private readonly active: Lane<I>[] = []
  private current = 0
  private readonly options: FairQueueOptions

  constructor(options: FairQueueOptions) {
    this.options = options
  }

  push(pipe: Pipe, item: I): void {
    if (pipe.lane === null) pipe.lane = new Lane<I>(pipe)
    const lane = pipe.lane as Lane<I>
    if (this.options.conflate === true && lane.items.length > 0) {
      pipe.drop("conflated", lane.items.length)
      this.size -= lane.items.length
      lane.items.clear()
    }
    lane.items.push(item)
    this.size++
    if (!lane.active) {
      lane.active = true
      this.active.push(lane)
    }
    const limit = this.options.receiveHighWaterMark
    if (limit > 0 && lane.items.length >= limit && !lane.paused) {
      lane.paused = true
      pipe.pause()
    }
  }

  /** Undefined when empty. */
  shift(): I | undefined {
    if (this.size === 0) return undefined
    const lane = this.active[this.current]
    const item = lane.items.shift() as I
    this.size--
    if (lane.items.length === 0) this.deactivate(this.current)
    else if (++this.current === this.active.length) this.current = 0
    // Half empty first, so that the pipe is not stopped and started for every item.
    if (lane.paused && lane.items.length <= this.options.receiveHighWaterMark >> 1) {
      lane.paused = false
      lane.pipe.resume()
    }
    return item
  }

  /** A pipe got a new connection, which knows nothing of a pause: stop it too if the lane is full. */
  reconnected(pipe: Pipe): void {
    if ((pipe.lane as Lane<I> | null)?.paused === true) pipe.pause()
  }

  /** Forgets everything, counting it as dropped for `reason`. */
  clear(reason: "closed" | "stale"): void {
    for (const lane of this.active) {
      lane.active = false
      lane.pipe.drop(reason, lane.items.length)
      lane.items.clear()
      if (lane.paused) {
        lane.paused = false
        lane.pipe.resume()
      }
    }
    this.active.length = 0
    this.current = 0
    this.size = 0
  }

  private deactivate(index: number): void {
    this.active[index].active = false
    // The order of turns is kept; the list is as long as there are pipes with something to read.
    if (this.active.length === 1) this.active.length = 0
    else this.active.splice(index, 1)
    if (this.current >= this.active.length) this.current = 0
  }
}
