/**
 * Two packets that go to one member alone, by the port of its reports (SPEC.md MC-81, MC-84):
 *
 *     NEAR  16  pid u32    20  descriptor u32    24  size u32    28  slot u16    30  0 u16    32  ticket u32
 *           36  0 u32      40  nonce, 16 bytes
 *     BELL  nothing behind the session
 */
import { Buffer } from "node:buffer"
import { BELL, HEADER, NEAR, putStart, putU16, putU32, type SessionKey, u16, u32 } from "../wire.ts"
import { NONCE_BYTES } from "./layout.ts"
import type { Place } from "./reader.ts"

/** The session that a packet is about. */
export function keyOf(bytes: Buffer): SessionKey {
  return { high: u32(bytes, 8), low: u32(bytes, 12) }
}

export function nearOf(key: SessionKey, { pid, descriptor, size, slot, ticket, nonce }: Place): Buffer {
  const bytes = Buffer.alloc(HEADER + NONCE_BYTES)
  putStart(bytes, 0, NEAR, 0, 0, key)
  putU32(bytes, 16, pid)
  putU32(bytes, 20, descriptor)
  putU32(bytes, 24, size)
  putU16(bytes, 28, slot)
  putU32(bytes, 32, ticket)
  nonce.copy(bytes, HEADER)
  return bytes
}

/** Null = malformed. */
export function readNear(bytes: Buffer): Place | null {
  if (bytes.length !== HEADER + NONCE_BYTES) return null
  return {
    pid: u32(bytes, 16),
    descriptor: u32(bytes, 20),
    size: u32(bytes, 24),
    slot: u16(bytes, 28),
    ticket: u32(bytes, 32),
    nonce: bytes.subarray(HEADER),
  }
}

export function bellOf(key: SessionKey): Buffer {
  const bytes = Buffer.alloc(HEADER)
  putStart(bytes, 0, BELL, 0, 0, key)
  return bytes
}
