import { HeddleError } from "../../core/errors.ts"

/** Bytes of a group (zmtp.md 1.8). */
export const MAX_GROUP = 255

/** The name of a group as bytes, and as a key: one character for each byte. */
export interface Group {
  readonly key: string
  readonly bytes: Buffer
}

/** Throws EINVAL for more than 255 bytes. A name ends at its first NUL, as in libzmq, where it is a C string. */
export function toGroup(value: unknown): Group {
  if (typeof value !== "string" && !Buffer.isBuffer(value)) throw new TypeError("A group must be a string or a buffer")
  const bytes = cut(Buffer.from(value as Buffer))
  if (bytes.length <= MAX_GROUP) return { key: bytes.toString("latin1"), bytes }
  throw new HeddleError(
    "EINVAL",
    `Invalid argument: a group of ${bytes.length} bytes; a group has at most ${MAX_GROUP}`,
  )
}

export function cut(name: Buffer): Buffer {
  const end = name.indexOf(0)
  return end < 0 ? name : name.subarray(0, end)
}
