import type { Message } from "../../../core/contract.ts"

/** A ROUTER puts one frame before a request, and each proxy on the way another: more hops than any sensible way has. */
const MAX_ENVELOPE = 16

/** A request of a REQ or DEALER client. */
export interface RequestFrames {
  /** What stands before the reply: addresses for proxies on the way, and the empty frame; nothing for a plain DEALER. */
  readonly envelope: Message
  /** Null: this is no request, and the error is told. */
  readonly subject: Buffer | null
  /** Null: none was sent. */
  readonly payload: Buffer | null
}

/**
 * `[address..., empty, subject, payload]`, as REQ and those who imitate it send, or `[subject, payload]`; the payload may be
 * left out. Null: it cannot even be answered.
 */
export function readRequest(message: Message): RequestFrames | null {
  const { length } = message
  // An empty payload behind a subject is no envelope.
  if (length <= 2 && message[0].length > 0)
    return { envelope: [], subject: message[0], payload: length === 2 ? message[1] : null }
  const end = message.findIndex(frame => frame.length === 0) + 1
  if (end === 0 || end > MAX_ENVELOPE + 1) return null
  const envelope = message.slice(0, end)
  const body = length - end
  if (body < 1 || body > 2) return { envelope, subject: null, payload: null }
  return { envelope, subject: message[end], payload: body === 2 ? message[end + 1] : null }
}
