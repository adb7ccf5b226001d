import { Queue } from "../../../core/queue.ts"
import type { Outgoing } from "./outgoing.ts"
import { DROPPED, NOTICE } from "./records.ts"
import { writeNumbers } from "./write.ts"

/**
 * What the peer is to hear of messages that were dropped for its interests. One note may say it of many, and what was on the
 * way when the link began anew is said again: each message is told of once.
 */
export class DropNotes {
  /** Not told, by interest. */
  private readonly counts = new Map<number, number>()
  /** Told, and perhaps not arrived; `batch`: which of the stream, from 1. As long as the batches that are kept, so bounded with them. */
  private readonly told = new Queue<{ readonly batch: number; readonly id: number; readonly count: number }>()

  add(id: number, count = 1): void {
    this.counts.set(id, (this.counts.get(id) ?? 0) + count)
  }

  /** The interest is gone: nobody wants to hear of it. */
  forget(id: number): void {
    this.counts.delete(id)
  }

  /** Tells what there is to tell, when there is room for it. */
  tell(outgoing: Outgoing): void {
    if (this.told.length > 0) this.arrived(outgoing.acknowledged)
    if (this.counts.size === 0 || !outgoing.hasRoom()) return
    for (const [id, count] of this.counts) {
      writeNumbers(outgoing, NOTICE, [DROPPED, id, count])
      this.told.push({ batch: outgoing.sealed + 1, id, count })
    }
    this.counts.clear()
  }

  /** The peer has so many batches of the stream. */
  arrived(batches: number): void {
    for (let one = this.told.peek(); one !== undefined && one.batch <= batches; one = this.told.peek())
      this.told.shift()
  }

  /** The stream begins anew: of what was sent the peer has so many batches, and will not get more. */
  lost(batches: number): void {
    this.arrived(batches)
    for (let one = this.told.shift(); one !== undefined; one = this.told.shift()) this.add(one.id, one.count)
  }
}
