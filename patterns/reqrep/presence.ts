import type { Message, Pipe } from "../../core/contract.ts"
import type { Inbox, InboxOptions } from "../../core/inbox.ts"
import { type Bytes, bytes, type OptionTable, toBytes } from "../../core/options.ts"
import { EMPTY } from "./frames.ts"

/** What a new peer is told first. */
export interface GreetingOptions {
  readonly probeRouter: boolean
  readonly helloMessage?: Bytes
}

/** What the user reads when a connection is lost. */
export interface FarewellOptions {
  readonly disconnectMessage: Bytes
  readonly hiccupMessage: Bytes
}

/** Bytes of a greeting or farewell: they are kept per socket and are not meant for data. */
const MAX_NOTICE = 64 * 1024

export const PRESENCE_OPTIONS: OptionTable = {
  helloMessage: bytes(MAX_NOTICE, true),
  disconnectMessage: bytes(MAX_NOTICE, true),
  hiccupMessage: bytes(MAX_NOTICE, true),
}

/** Call it when a handshake is done: these go out before what was queued. */
export function greet(pipe: Pipe, options: GreetingOptions): void {
  const type = pipe.peer?.socketType
  const hello = options.helloMessage ?? null
  // PRES-1, PRES-2: a REQ would take either for a broken reply and hang up; a probe is for a ROUTER only.
  if (hello !== null && type !== "REQ") pipe.greet([toBytes(hello)])
  if (options.probeRouter && type === "ROUTER") pipe.greet([EMPTY])
}

/** What the user shall read now that the connection of this pipe is lost (PRES-3, PRES-4); null = nothing. */
export function farewell(options: FarewellOptions, accepted: boolean): Buffer | null {
  const text = accepted ? options.disconnectMessage : options.hiccupMessage
  return text === null ? null : toBytes(text)
}

/**
 * Delivers a notice of our own. It passes beyond the high-water mark, which holds peers back and not us; but a
 * connection that comes and goes while nobody reads must not fill the memory (PRES-5).
 */
export function notify(inbox: Inbox<Message>, options: InboxOptions, pipe: Pipe, notice: Message): void {
  const limit = options.receiveHighWaterMark * 2
  if (limit > 0 && inbox.queue.waiting(pipe) >= limit) pipe.drop("full")
  else inbox.deliver(pipe, notice)
}
