import type { Message } from "../core/contract.ts"
import { HeddleError } from "../core/errors.ts"

/** Throws EINVAL. libzmq's younger socket types, and so ours, know messages of one frame only. */
export function requireOneFrame(message: Message, type: string, multipart: string): void {
  if (message.length === 1) return
  throw new HeddleError(
    "EINVAL",
    `Invalid argument: a ${type} sends messages of one frame, and this one has ${message.length}; join them into one, or use ${multipart}`,
  )
}
