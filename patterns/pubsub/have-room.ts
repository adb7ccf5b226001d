import type { Pipe } from "../../core/contract.ts"

/** True when each of them would take a message; otherwise the pattern's `writable` is called once the full one has room. */
export function haveRoom(pipes: readonly Pipe[]): boolean {
  for (let i = 0; i < pipes.length; i++) if (!pipes[i].writable) return false
  return true
}
