/**
 * The budget of one turn of the event loop. Loops of `await send()` and `await receive()` run on microtasks alone as
 * long as there is room or data; without a budget they would starve the timers and the I/O of the host application.
 */

import { clock } from "./clock.ts"

/** Milliseconds that such loops may take in one turn. Long enough to be cheap, short enough not to be felt. */
const BUDGET = 5
/** The clock is read once in so many operations: a read costs about as much as a send. */
const STRIDE = 32

let operations = 0
let began = 0
let armed = false

/** Counts one operation that completed at once. True = make the caller wait for the next turn. */
export function turnIsSpent(): boolean {
  if (++operations % STRIDE !== 0) return false
  if (!armed) {
    armed = true
    began = clock.now()
    setImmediate(newTurn)
    return false
  }
  return clock.now() - began > BUDGET
}

function newTurn(): void {
  armed = false
}

export function nextTurn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}
