import { HeddleError } from "../../core/errors.ts"

/** First byte of a request in its message form (RFC 29): what users of XPublisher and XSubscriber see. */
export const SUBSCRIBE = 1
export const CANCEL = 0

/** Bytes of a topic. ZMTP has no limit, but what a peer makes us keep must have one. */
export const MAX_TOPIC = 64 * 1024

/** Whether a frame asks for something: its first byte is 1 or 0. */
export function isRequest(frame: Buffer): boolean {
  return frame.length > 0 && frame[0] <= SUBSCRIBE
}

export function requestFrame(verb: 0 | 1, topic: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(1 + topic.length)
  frame[0] = verb
  topic.copy(frame, 1)
  return frame
}

/** The bytes of a topic that a user gave; a copy, because its buffer stays the user's. */
export function toTopic(value: unknown): Buffer {
  if (typeof value !== "string" && !Buffer.isBuffer(value)) throw new TypeError("A topic must be a string or a buffer")
  return checkTopic(Buffer.from(value as Buffer))
}

export function checkTopic(topic: Buffer): Buffer {
  if (topic.length <= MAX_TOPIC) return topic
  throw new HeddleError(
    "EINVAL",
    `Invalid argument: a topic of ${topic.length} bytes; publishers take up to ${MAX_TOPIC}, so subscribe to a shorter prefix`,
  )
}
