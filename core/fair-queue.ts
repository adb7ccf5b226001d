import type { Lane, Pipe } from "./contract.ts"
import { Queue } from "./queue.ts"

/** Where items come from: a pipe, or what a pattern puts in the place of all its pipes. */
export type Source = Pick<Pipe, "lane" | "pause" | "resume" | "drop">

/** One source's items that nobody has read yet. */
class ItemLane<I> implements Lane {
  readonly pipe: Source
  readonly items = new Queue<I>()
  active = false
  paused = false
  /** Its pipe has left. */
  orphan = false
  private readonly owner: FairQueue<I>

  constructor(pipe: Source, owner: FairQueue<I>) {
    this.pipe = pipe
    this.owner = owner
  }

  left(): void {
    if (this.orphan) return
    this.orphan = true
    this.owner.orphaned(this)
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
  /** Lanes with something to read, in the order of their turns. */
  private readonly turns = new Queue<ItemLane<I>>()
  private readonly options: FairQueueOptions
  /** Items of pipes that have left. */
  private orphans = 0
  /** Newcomers that are not read while there are too many of these. */
  private held = new Set<Source>()

  constructor(options: FairQueueOptions) {
    this.options = options
  }

  push(pipe: Source, item: I): void {
    if (pipe.lane === null) pipe.lane = new ItemLane<I>(pipe, this)
    const lane = pipe.lane as ItemLane<I>
    if (this.options.conflate === true && lane.items.length > 0) {
      pipe.drop("conflated", lane.items.length)
      this.size -= lane.items.length
      lane.items.clear()
    }
    lane.items.push(item)
    this.size++
    if (!lane.active) {
      lane.active = true
      // Behind all others: a peer that sends again as soon as it was served must not pass those who wait.
      this.turns.push(lane)
    }
    // With conflate what comes replaces what waits: nothing piles up.
    if (this.options.conflate === true) return
    const limit = this.options.receiveHighWaterMark
    if (limit > 0 && lane.items.length >= limit && !lane.paused) {
      lane.paused = true
      pipe.pause()
    }
  }

  /** Items of this pipe that nobody has read yet. */
  waiting(pipe: Pipe): number {
    return (pipe.lane as ItemLane<I> | null)?.items.length ?? 0
  }

  /** Undefined when empty. */
  shift(): I | undefined {
    if (this.size === 0) return undefined
    const { turns } = this
    const lane = turns.peek() as ItemLane<I>
    const item = lane.items.shift() as I
    this.size--
    if (lane.orphan) this.adopted()
    if (lane.items.length === 0) {
      lane.active = false
      turns.shift()
    } else if (turns.length > 1) {
      turns.shift()
      turns.push(lane)
    }
    // Half empty first, so that the pipe is not stopped and started for every item.
    if (lane.paused && lane.items.length <= this.options.receiveHighWaterMark >> 1) {
      lane.paused = false
      lane.pipe.resume()
    }
    return item
  }

  /** Everything, when it is of one source that is still there; otherwise null: `shift` gives it in turn. */
  takeAll(): I[] | null {
    const { turns } = this
    if (turns.length !== 1) return null
    const lane = turns.peek() as ItemLane<I>
    if (lane.orphan) return null
    turns.shift()
    const items = lane.items.takeAll()
    this.size -= items.length
    lane.active = false
    if (lane.paused) {
      lane.paused = false
      lane.pipe.resume()
    }
    return items
  }

  /**
   * A pipe got a new connection, which knows nothing of a pause: it is stopped if the lane is full, or if those who left
   * have filled a lane's worth. Peers that connect, send and leave in a loop must not fill the memory.
   */
  reconnected(pipe: Pipe): void {
    const limit = this.options.receiveHighWaterMark
    if ((pipe.lane as ItemLane<I> | null)?.paused === true) pipe.pause()
    else if (limit > 0 && this.orphans >= limit && this.options.conflate !== true) {
      // With a lane it is told when the pipe leaves.
      pipe.lane ??= new ItemLane<I>(pipe, this)
      this.held.add(pipe)
      pipe.pause()
    }
  }

  /** @internal */
  orphaned(lane: ItemLane<I>): void {
    this.orphans += lane.items.length
    this.held.delete(lane.pipe)
  }

  /** Forgets everything, counting it as dropped for `reason`. */
  clear(reason: "closed" | "stale"): void {
    const { turns } = this
    for (let lane = turns.shift(); lane !== undefined; lane = turns.shift()) {
      lane.active = false
      lane.pipe.drop(reason, lane.items.length)
      lane.items.clear()
      if (lane.paused) {
        lane.paused = false
        lane.pipe.resume()
      }
    }
    this.size = 0
    this.orphans = 0
    this.releaseHeld()
  }

  private adopted(): void {
    this.orphans--
    if (this.held.size > 0 && this.orphans <= this.options.receiveHighWaterMark >> 1) this.releaseHeld()
  }

  private releaseHeld(): void {
    const { held } = this
    this.held = new Set()
    for (const pipe of held) if ((pipe.lane as ItemLane<I> | null)?.paused !== true) pipe.resume()
  }
}
