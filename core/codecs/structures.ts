/**
 * Announcements of record structures: the lists of keys that a publisher's objects have, sent once per link, so that
 * each object after that is one or two bytes and its values.
 *
 * On the wire: varint (index of the first structure), varint (how many), then for each: varint (how many keys), and for
 * each key: varint (bytes), UTF-8.
 */
import { Buffer } from "node:buffer"
import { HeddleError } from "../errors.ts"
import { Reader, varintSize, writeVarint } from "../varint.ts"

/** Structures that a link may be told of: four times what a publisher makes by default. */
export const MAX_STRUCTURES = 256

/** Keys of one structure. Wider objects are tables of a sort, whose keys hardly recur. */
export const MAX_KEYS = 128

/** Bytes of all structures of one publisher: what a node keeps for each peer at most. */
export const MAX_STRUCTURES_SIZE = 64 * 1024

/** Bytes of one structure on the wire; 0 for what is not to be shared. */
export function structureSize(keys: readonly string[]): number {
  if (keys.length === 0 || keys.length > MAX_KEYS || keys.includes("__proto__")) return 0
  let size = varintSize(keys.length)
  for (const key of keys) {
    const length = Buffer.byteLength(key)
    size += varintSize(length) + length
  }
  return size
}

/** The announcement of the structures from index `from` on. */
export function encodeStructures(structures: readonly (readonly string[])[], from: number): Buffer {
  let size = varintSize(from) + varintSize(structures.length - from)
  for (let i = from; i < structures.length; i++) size += structureSize(structures[i])
  const bytes = Buffer.allocUnsafe(size)
  let at = writeVarint(structures.length - from, bytes, writeVarint(from, bytes, 0))
  for (let i = from; i < structures.length; i++) {
    at = writeVarint(structures[i].length, bytes, at)
    for (const key of structures[i]) {
      at = writeVarint(Buffer.byteLength(key), bytes, at)
      at += bytes.write(key, at)
    }
  }
  return bytes
}

/**
 * The structures that are new to somebody who knows `known` in `size` bytes, and the size of all together then. What
 * was announced before may come again after a reconnection, if it is the same. Throws EPROTO for anything else; then
 * nothing counts.
 */
export function decodeStructures(
  bytes: Buffer,
  known: readonly (readonly string[])[],
  size: number,
): { fresh: string[][]; size: number } {
  const reader = new Reader(bytes)
  const first = reader.varint()
  const count = reader.varint()
  if (first > known.length) throw malformed(`the first is number ${first}, but only ${known.length} are known`)
  if (first + count > MAX_STRUCTURES) throw malformed(`${first + count}, at most ${MAX_STRUCTURES} are allowed`)
  const fresh: string[][] = []
  for (let i = 0; i < count; i++) {
    const start = reader.at
    const keys = decodeKeys(reader)
    const old = known[first + i]
    if (old === undefined) {
      size += reader.at - start
      if (size > MAX_STRUCTURES_SIZE) throw malformed(`more than ${MAX_STRUCTURES_SIZE} bytes in all`)
      fresh.push(keys)
    } else if (old.length !== keys.length || old.some((key, j) => key !== keys[j])) {
      throw malformed(`number ${first + i} is not what it was`)
    }
  }
  if (reader.left > 0) throw malformed(`${reader.left} bytes after the last`)
  return { fresh, size }
}

function decodeKeys(reader: Reader): string[] {
  const count = reader.varint()
  if (count === 0 || count > MAX_KEYS) throw malformed(`one has ${count} keys, allowed are 1 to ${MAX_KEYS}`)
  const keys: string[] = []
  for (let i = 0; i < count; i++) {
    const key = reader.utf8(reader.varint())
    if (key === "__proto__") throw malformed("one has the key __proto__")
    keys.push(key)
  }
  return keys
}

function malformed(what: string): HeddleError {
  return new HeddleError("EPROTO", `The peer announced record structures that are malformed: ${what}`)
}
