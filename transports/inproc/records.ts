/** What the records of a ring between threads hold, and how small messages get into them. */

import { copyInto } from "../../core/bytes.ts"
import type { ControlName, Message } from "../../core/contract.ts"
import { View } from "../../core/view.ts"
import type { RingWriter } from "../shm/ring.ts"

/**
 * The low byte of a record's type; above it, 24 bits of detail.
 *
 *   MESSAGE   detail = frames. One frame: its bytes. Otherwise the length of each as int32, then the bytes of all
 *   CONTROL   detail = index of the name; payload = body
 *   LARGE     a MESSAGE or CONTROL that has no room in one record: length of its payload (float64), kind, detail (int32)
 *   PIECE     the next bytes of it
 *   SHARED    a message whose frames were posted on the port beforehand
 *   GOODBYE   nothing follows
 */
export const MESSAGE = 1
export const CONTROL = 2
export const LARGE = 3
export const PIECE = 4
export const SHARED = 5
export const GOODBYE = 6

export const CONTROL_NAMES: readonly ControlName[] = ["SUBSCRIBE", "CANCEL", "JOIN", "LEAVE"]

/** Bytes that the payload of a MESSAGE record would have. */
export function payloadLength(message: Message): number {
  if (message.length === 1) return message[0].length
  let length = 4 * message.length
  for (let i = 0; i < message.length; i++) length += message[i].length
  return length
}

/** `length` is that of `payloadLength`. False = the ring has no room. */
export function writeMessage(ring: RingWriter, message: Message, length: number): boolean {
  const frames = message.length
  let at = ring.claim(length, MESSAGE | (frames << 8))
  if (at < 0) return false
  const { bytes, words } = ring
  if (frames === 1) {
    copyInto(bytes, message[0], at)
    return true
  }
  for (let i = 0; i < frames; i++, at += 4) words[at >> 2] = message[i].length
  for (let i = 0; i < frames; i++) {
    copyInto(bytes, message[i], at)
    at += message[i].length
  }
  return true
}

/** A message of `length` bytes of payload at `at` of `words`, which are all of `memory`. */
export function readMessage(
  memory: ArrayBufferLike,
  words: Int32Array,
  at: number,
  length: number,
  frames: number,
): Message {
  if (frames === 1) return [new View(memory, at, length)]
  const message = new Array<Buffer>(frames)
  let word = at >> 2
  let from = at + 4 * frames
  for (let i = 0; i < frames; i++) {
    const size = words[word++]
    message[i] = new View(memory, from, size)
    from += size
  }
  return message
}
