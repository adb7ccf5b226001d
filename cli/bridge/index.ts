/** What `heddle bridge` does; loaded when it is asked for. */
import { keysText } from "heddle/bridge-kafka"

export { checkBridgeFile } from "./check.ts"
export { command, offsets, redrive, showStatus } from "./control.ts"
export { replayBridge } from "./replay.ts"
export { runBridge } from "./run.ts"

export function keys(filter?: string): string {
  return keysText(filter)
}
