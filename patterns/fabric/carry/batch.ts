/**
 * A message of the group: a head of fixed size, then (kind MESSAGES) records, each readable without the batches before
 * it: who has just come, or has lost some, reads the next like any other. docs/wire.md has the layout.
 */
import { HeddleError } from "../../../core/errors.ts"
import type { Reader } from "../../../core/varint.ts"

/** "HC": other programs that use the same group are told apart at once. */
const MAGIC_0 = 0x48
const MAGIC_1 = 0x43
const VERSION = 1

export const BEACON = 1
export const MESSAGES = 2

export const TOKEN_SIZE = 8
/** Magic, version, kind, token, number (64 bits), count, structures. */
export const HEAD_SIZE = 28

/** Bits of a record's head byte; the high half is the codec. */
export const RECORD_HEADERS = 1
/** The subject follows as a text, and has the next number of this batch; otherwise a number that was given in it. */
export const RECORD_SUBJECT = 2
/** The payload is the second frame. The record is the last of its batch. */
export const RECORD_APART = 4

export interface Head {
  kind: number
  token: string
  /** MESSAGES: number of the first message. BEACON: of the last that was published to the group. */
  number: number
  /** MESSAGES: how many there are. BEACON: milliseconds until the next one. */
  count: number
  /** MESSAGES: structures of MessagePack that the reader must know. */
  structures: number
}

export function writeHead(head: Head, token: Buffer, into: Buffer, at: number): void {
  into[at] = MAGIC_0
  into[at + 1] = MAGIC_1
  into[at + 2] = VERSION
  into[at + 3] = head.kind
  token.copy(into, at + 4)
  into.writeUInt32BE(Math.floor(head.number / 2 ** 32), at + 12)
  into.writeUInt32BE(head.number % 2 ** 32, at + 16)
  into.writeUInt32BE(head.count, at + 20)
  into.writeUInt32BE(head.structures, at + 24)
}

/** Null: not ours, or not of this version, or it cannot be. From the network: never throws. */
export function readHead(bytes: Buffer): Head | null {
  if (bytes.length < HEAD_SIZE || bytes[0] !== MAGIC_0 || bytes[1] !== MAGIC_1 || bytes[2] !== VERSION) return null
  const kind = bytes[3]
  const number = bytes.readUInt32BE(12) * 2 ** 32 + bytes.readUInt32BE(16)
  const count = bytes.readUInt32BE(20)
  if (number > Number.MAX_SAFE_INTEGER - 2 ** 32) return null
  if (kind === MESSAGES) {
    // A record has two bytes at least: nobody is told of more messages than there can be.
    if (number === 0 || count === 0 || count > bytes.length) return null
  } else if (kind !== BEACON) return null
  const token = bytes.toString("latin1", 4, 4 + TOKEN_SIZE)
  return { kind, token, number, count, structures: bytes.readUInt32BE(24) }
}

/** As a key of maps, as `readHead` gives it. */
export function tokenKey(token: Buffer): string {
  return token.toString("latin1", 0, TOKEN_SIZE)
}

/** For a record that exceeds its batch, names a subject that was not given, and the like. */
export function malformed(what: string): HeddleError {
  return new HeddleError("EPROTO", `A carried message is malformed: ${what}`)
}

/** Where the record ends that begins at `reader.at`. Throws EPROTO. */
export function recordEnd(reader: Reader): number {
  const length = reader.varint()
  const end = reader.at + length
  if (length < 2 || end > reader.bytes.length) throw malformed("a record exceeds its batch")
  return end
}
