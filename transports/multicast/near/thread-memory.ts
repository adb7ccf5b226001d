import fs from "node:fs"
import { isMainThread } from "node:worker_threads"
import type { Native } from "../../native/addon.ts"

/** The addon for a thread that may be terminated: Node closes what it has opened itself, and nobody what the addon has. */
export function forThread(native: Native | null): Native | null {
  if (native === null || isMainThread) return native
  return {
    ...native,
    createMemory(size) {
      const { memory, descriptor } = native.createMemory(size)
      try {
        return { memory, descriptor: fs.openSync(`/proc/self/fd/${descriptor}`, "r+") }
      } finally {
        native.closeDescriptor(descriptor)
      }
    },
    closeDescriptor: descriptor => fs.closeSync(descriptor),
  }
}
