/**
 * When what was sent reaches its receiver: not within `send`, but in one tick for everything that a turn has sent. All
 * inproc connections of a thread share that tick and its budget.
 */
import { Queue } from "../../core/queue.ts"

/**
 * Messages that are delivered before timers and I/O get their turn. At 10 million messages a second a tenth of a
 * millisecond; the `setImmediate` that it costs is divided by so many messages. A ping-pong spends it as a flood does.
 */
export const DELIVERY_BUDGET = 1024
/** Messages of one connection before the next one has its turn. */
const SLICE = 128

/** Something that has something to deliver. */
export interface Deliverable {
  /** Owned by this file: it waits for its turn. */
  scheduled: boolean
  /** Delivers at most `max` messages and schedules itself again when there are more. Returns how many. */
  deliver(max: number): number
}

const ready = new Queue<Deliverable>()
let left = DELIVERY_BUDGET
let armed = false

/** Has `deliver` called soon, never from within this call. */
export function schedule(item: Deliverable): void {
  if (item.scheduled) return
  item.scheduled = true
  ready.push(item)
  if (!armed) arm()
}

function arm(): void {
  armed = true
  if (left > 0) process.nextTick(run)
  else setImmediate(newTurn)
}

function newTurn(): void {
  left = DELIVERY_BUDGET
  run()
}

function run(): void {
  try {
    while (left > 0 && ready.length > 0) {
      const item = ready.shift() as Deliverable
      item.scheduled = false
      // Something that delivers no message still spends, or two of those could keep each other going for ever.
      left -= item.deliver(Math.min(left, SLICE)) || 1
    }
  } finally {
    // A handler of the user may have thrown: the others must not wait for ever.
    armed = false
    if (ready.length > 0) arm()
  }
}
