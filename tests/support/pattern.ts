import type { Message } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"
import { PATTERN_OPTIONS } from "./fake-pipe.ts"

/** Option values for a pattern; tests change them as a user does, live. */
export function settings<T extends object>(changes: T) {
  return { ...PATTERN_OPTIONS, ...changes }
}

/** Frames as text, joined by "|". */
export function text(message: Message): string {
  return message.map(frame => frame.toString("latin1")).join("|")
}

/** Everything that is there, as text. */
export function all(inbox: { tryReceive(): Message | null }): string[] {
  const found: string[] = []
  for (let message = inbox.tryReceive(); message !== null; message = inbox.tryReceive()) found.push(text(message))
  return found
}

/** For `assert.throws` and `assert.rejects`: a HeddleError with this code, whose message says something like that. */
export function coded(code: string, message = /./): (error: unknown) => boolean {
  return error => error instanceof HeddleError && error.code === code && message.test(error.message)
}

/** How a promise stands, without waiting for it longer than a turn. */
export async function standing(promise: Promise<unknown>): Promise<"waits" | "resolved" | "rejected"> {
  const turn = new Promise<"waits">(resolve => setImmediate(() => resolve("waits")))
  const end = promise.then(
    () => "resolved" as const,
    () => "rejected" as const,
  )
  return Promise.race([end, turn])
}
