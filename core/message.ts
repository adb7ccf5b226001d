import { Buffer } from "node:buffer"
import { isBuffer } from "./bytes.ts"
import type { Message } from "./contract.ts"

/** What `send` takes as one frame; as in the npm package `zeromq`. Strings become UTF-8, null an empty frame. */
export type MessageLike = ArrayBufferView | ArrayBuffer | SharedArrayBuffer | string | number | boolean | bigint | null

const EMPTY = Buffer.alloc(0)

/** Bytes of one frame. Buffers and views are taken by reference: the caller must not change them afterwards. */
export function toFrame(value: unknown): Buffer {
  if (typeof value === "string") return Buffer.from(value)
  if (isBuffer(value)) return value
  if (value === null) return EMPTY
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return Buffer.from(value)
  if (value === undefined) throw new TypeError("Message must be present")
  return Buffer.from(String(value))
}

/** One value or a list of values to a message. An array of buffers is taken as it is. */
export function toMessage(value: unknown): Message {
  if (isBuffer(value)) return [value]
  if (!Array.isArray(value)) return [toFrame(value)]
  if (value.length === 0) throw new TypeError("Message must be present")
  for (let i = 0; i < value.length; i++) {
    if (!isBuffer(value[i])) return value.map(toFrame)
  }
  return value as Message
}
