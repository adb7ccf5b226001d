import { setImmediate as nextTurn } from "node:timers/promises"
import type { Arguments } from "../task.ts"
import type { ControlListener } from "./control.ts"

/** Publishes message number `index`; a promise where the peer has one to wait for. */
export type Publish = (index: number) => Promise<void> | undefined

/** After so many messages the event loop gets a turn: I/O goes on, word of the subscribers is heard. */
const BURST = 500
/** Milliseconds without word after which the rest counts as lost. */
const SILENCE = 5000

/** Says "~" until every subscriber has heard it: no slow joiner. */
export async function awaitSubscribers(
  control: ControlListener,
  greet: () => Promise<void> | undefined,
): Promise<void> {
  while (control.heard < 0) {
    await greet()
    await control.word(20)
  }
}

/**
 * Publishes messages `from` to `to` with at most `window` on the way, and waits until all subscribers have them. False
 * when they fell silent.
 */
export async function publishPaced(
  publish: Publish,
  from: number,
  to: number,
  window: number,
  control: ControlListener,
): Promise<boolean> {
  let sent = from
  while (control.heard < to) {
    const limit = Math.min(to, control.heard + window, sent + BURST)
    while (sent < limit) {
      const pending = publish(sent++)
      if (pending) await pending
    }
    const room = sent < to && sent < control.heard + window
    if (room) await nextTurn()
    else if (control.heard < to && !(await control.word(SILENCE))) return false
  }
  return true
}

/** The sender of the fan-out: the warm-up to its end, then the messages that count, and its processor time for these. */
export async function fanOut(
  task: Arguments,
  control: ControlListener,
  publish: Publish,
  cpu: () => number = ownProcessorTime,
): Promise<{ sent: number; cpu: number; stalled: number }> {
  const warm = task.number("warm")
  const window = task.number("window")
  let sent = 0
  const count: Publish = index => {
    sent = index + 1
    return publish(index)
  }
  let whole = await publishPaced(count, 0, warm, window, control)
  const before = cpu()
  whole &&= await publishPaced(count, warm, warm + task.number("count"), window, control)
  return { sent, cpu: cpu() - before, stalled: whole ? 0 : 1 }
}

/** Microseconds that this process has had so far, user and system. */
export function ownProcessorTime(): number {
  const { userCPUTime, systemCPUTime } = process.resourceUsage()
  return userCPUTime + systemCPUTime
}
