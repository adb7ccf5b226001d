import type { CommonOptions } from "heddle"
import type { Arguments } from "../../task.ts"

/** Microseconds: longer than any pause of a measurement, so that neither side ever sleeps. */
const BUSY_POLL = 1_000_000

/** What the way of a task says about links over ipc. */
export function linkOptions(task: Arguments): Partial<CommonOptions> {
  const way = task.text("way")
  if (way === "plain-socket") return { sharedMemory: 0 }
  return way === "busyPoll" ? { busyPoll: BUSY_POLL } : {}
}
