import type { Message } from "../../core/contract.ts"

/** The delimiter between an envelope and what it carries, and an empty body. */
export const EMPTY: Buffer = Buffer.alloc(0)

// Messages of one to three frames are nearly all there are; written out, they cost half of what spread or slice do.

/** A message with one more frame in front. Frames are shared, not copied. */
export function withFirst(frame: Buffer, message: Message): Message {
  switch (message.length) {
    case 1:
      return [frame, message[0]]
    case 2:
      return [frame, message[0], message[1]]
    case 3:
      return [frame, message[0], message[1], message[2]]
    default:
      return [frame, ...message]
  }
}

/** A message of two frames or more without the first. Frames are shared, not copied. */
export function withoutFirst(message: Message): Message {
  switch (message.length) {
    case 2:
      return [message[1]]
    case 3:
      return [message[1], message[2]]
    default:
      return message.slice(1)
  }
}
