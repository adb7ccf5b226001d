/**
 * Packets of `multicast://` (SPEC.md MC-1 to MC-4), all numbers big-endian:
 *
 *      0  magic "HM"          2  version 1      3  type            4  flags             5  kind (DATA, HEARTBEAT)
 *      6  first u16 (DATA: offset of the first message that begins in the packet; 0 = none)
 *      8  session u64, of the sender that it is from or about
 *     16  sequence u48        DATA: its own; HEARTBEAT: of the last packet sent; STATUS, NAK: of the first not consumed
 *     22  receivers u16       DATA, HEARTBEAT: how many the sender knows
 *     24  trail u48           DATA, HEARTBEAT: oldest that can be repaired; STATUS, NAK: the first not received
 *     30  order u16          DATA, HEARTBEAT: counts what the sender sends, repairs included; 0 is left out
 *     32  message u48         DATA, HEARTBEAT: number of the next message that begins in this packet or later
 *     38  0 u16
 *     40  DATA: frames, or the rest of one. HEARTBEAT: nothing.
 *
 *     32  window u32 (STATUS, NAK)   36  heard u16: order of the latest that came; 0 = not told   38  0 u16
 *     40  receiver u48    46  ranges u16    48  ranges x { first u48, count u16 }
 *
 *     PARITY: sums (XOR) of the packets `sequence` to `sequence + count - 1`, shorter ones filled up with zeros:
 *
 *      6  first u16: sum      24  count u16     26  lengths u16: sum     28  0 u16
 *     32  message u48: sum    40  sum of everything from offset 40
 *
 * A frame: flags u8 (MORE = 1, LONG = 2), length u8 or, with LONG, u32, body. What comes before the body is never split.
 */
import { Buffer } from "node:buffer"

export const VERSION = 1
const MAGIC_0 = 0x48
const MAGIC_1 = 0x4d

export const DATA = 1
export const HEARTBEAT = 2
export const STATUS = 3
export const NAK = 4
export const PARITY = 5
/** Of a sender to one receiver: where the memory is that it shares. */
export const NEAR = 6
/** There is something to read in that memory. */
export const BELL = 7

/** Sent before; a receiver does not join a session by it. */
export const RETX = 1
/** HEARTBEAT: there is no packet after `sequence`, and never will be. */
export const EOS = 2
/** HEARTBEAT: the sender waits for a STATUS. */
export const ASK = 4
/** DATA, HEARTBEAT: packets that follow go elsewhere for now (MC-83): a receiver does not join by it, but reports. */
export const ELSEWHERE = 64
/** STATUS: the receiver goes. */
export const LEAVE = 8
/** STATUS, NAK: the receiver understands PARITY. */
export const TAKES_PARITY = 16
/** DATA, PARITY: how many packets a block has, as 0 (none), 1 (4), 2 (8) or 3 (16) at this bit (MC-70). */
const BLOCK_SHIFT = 4
export const BLOCK_BITS = 3 << BLOCK_SHIFT
/** Packets of the largest block. Sizes change only where blocks of all sizes begin. */
export const MOST_BLOCK = 16
/** Kept free for packets with a seal: 16 bytes at the end. Refused until it exists. */
export const SEALED = 128

/** Bytes before the data of a packet. */
export const HEADER = 40
/** Bytes of a STATUS, and of a NAK without its ranges. */
export const REPORT = 48
export const RANGE = 8
/** Ranges of one NAK: such a packet fits the smallest datagram. */
export const MAX_RANGES = 56
/**
 * Milliseconds. A packet is not sent again so soon after its last repair, because other receivers' NAKs for it are still
 * coming in; so a receiver need not ask again so soon either.
 */
export const LINGER = 5
/** Packets that one NAK asks for: a bound for the work that it makes. */
export const MAX_ASKED = 1_024
/** What a packet is taken to cost beyond its length: the kernel's bookkeeping, and ours. */
export const OVERHEAD = 512

export const MORE = 1
export const LONG = 2
/** Longest frame with a length of one byte. */
export const SHORT = 255
/** Flags of a frame that mean something. */
export const FRAME_FLAGS = MORE | LONG

export const SMALLEST_DATAGRAM = 512
/** What IPv4 and UDP leave. */
export const LARGEST_DATAGRAM = 65_507

export function u16(bytes: Buffer, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1]
}

export function u32(bytes: Buffer, at: number): number {
  return ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0
}

export function u48(bytes: Buffer, at: number): number {
  return ((bytes[at] << 8) | bytes[at + 1]) * 2 ** 32 + u32(bytes, at + 2)
}

export function putU16(bytes: Buffer, at: number, value: number): void {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}

export function putU32(bytes: Buffer, at: number, value: number): void {
  bytes[at] = value >>> 24
  bytes[at + 1] = value >>> 16
  bytes[at + 2] = value >>> 8
  bytes[at + 3] = value
}

export function putU48(bytes: Buffer, at: number, value: number): void {
  putU16(bytes, at, Math.floor(value / 2 ** 32))
  putU32(bytes, at + 2, value >>> 0)
}

/** A session's 64 bits, as two numbers. */
export interface SessionKey {
  readonly high: number
  readonly low: number
}

export function sessionKey(id: string): SessionKey {
  return { high: Number.parseInt(id.slice(0, 8), 16), low: Number.parseInt(id.slice(8), 16) }
}

export function sessionId(high: number, low: number): string {
  return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0")
}

/** For a sender that starts: 16 hexadecimal digits. `random` as `GroupHost.random`; better a source that nobody can guess. */
export function newSessionId(random: () => number): string {
  return sessionId(Math.floor(random() * 2 ** 32), Math.floor(random() * 2 ** 32))
}

/** The session that a packet is from or about; null when it is none of ours. */
export function packetSession(bytes: Buffer): string | null {
  return isPacket(bytes) ? sessionId(u32(bytes, 8), u32(bytes, 12)) : null
}

/** Whether the beginning is that of a packet of this version. The type may still be unknown. */
export function isPacket(bytes: Buffer): boolean {
  return (
    bytes.length >= HEADER &&
    bytes[0] === MAGIC_0 &&
    bytes[1] === MAGIC_1 &&
    bytes[2] === VERSION &&
    (bytes[4] & SEALED) === 0
  )
}

/** The `order` of what is sent next. */
export function nextOrder(order: number): number {
  return order === 65_535 ? 1 : order + 1
}

/** Whether what has the order `a` was sent after `b`; both are of the last 32,767. */
export function isAfter(a: number, b: number): boolean {
  return a !== b && ((a - b) & 0xffff) < 0x8000
}

/** Packets of the block of a packet with these flags; 0 = no PARITY covers it. */
export function blockSize(flags: number): number {
  const code = (flags & BLOCK_BITS) >>> BLOCK_SHIFT
  return code === 0 ? 0 : 2 << code
}

/** The flags of packets in blocks of so many packets: 4, 8 or 16. */
export function blockFlags(size: number): number {
  return (Math.log2(size) - 1) << BLOCK_SHIFT
}

/** The first packet of the block that this one is in. Blocks of every size begin with packet 1. */
export function blockStart(sequence: number, size: number): number {
  return sequence - ((sequence - 1) & (size - 1))
}

/** What is the same in all packets of one kind. */
export function putStart(bytes: Buffer, at: number, type: number, flags: number, kind: number, key: SessionKey): void {
  bytes[at] = MAGIC_0
  bytes[at + 1] = MAGIC_1
  bytes[at + 2] = VERSION
  bytes[at + 3] = type
  bytes[at + 4] = flags
  bytes[at + 5] = kind
  putU16(bytes, at + 6, 0)
  putU32(bytes, at + 8, key.high)
  putU32(bytes, at + 12, key.low)
}

/** What a receiver tells a sender: STATUS and NAK. */
export interface Report {
  readonly receiver: number
  /** The first packet that was not consumed. */
  readonly position: number
  /** The first packet that is neither here nor given up. */
  readonly received: number
  readonly window: number
  /** `order` of the latest packet that has come; 0 = it does not say. */
  readonly heard: number
  readonly leaves: boolean
  /** It understands PARITY. */
  readonly parity: boolean
}

/** Null = malformed. */
export function readReport(bytes: Buffer): Report | null {
  const ranges = bytes.length < REPORT ? -1 : u16(bytes, 46)
  if (ranges < 0 || ranges > MAX_RANGES || bytes.length !== REPORT + ranges * RANGE) return null
  if ((bytes[3] === NAK) !== ranges > 0) return null
  const position = u48(bytes, 16)
  const received = u48(bytes, 24)
  if (position < 1 || received < position) return null
  return {
    receiver: u48(bytes, 40),
    position,
    received,
    window: u32(bytes, 32),
    heard: u16(bytes, 36),
    leaves: (bytes[4] & LEAVE) !== 0,
    parity: (bytes[4] & TAKES_PARITY) !== 0,
  }
}

/** How many packets a NAK that `readReport` found whole asks for, up to `MAX_ASKED`. */
export function askedBy(nak: Buffer): number {
  let count = 0
  for (let at = REPORT; at < nak.length; at += RANGE) count += u16(nak, at + 6)
  return Math.min(MAX_ASKED, count)
}

/** With `ranges` = first, count, first, count...: a NAK, otherwise a STATUS. */
export function writeReport(key: SessionKey, report: Report, ranges: readonly number[]): Buffer {
  const count = ranges.length / 2
  const bytes = Buffer.alloc(REPORT + count * RANGE)
  const flags = (report.leaves ? LEAVE : 0) | (report.parity ? TAKES_PARITY : 0)
  putStart(bytes, 0, count > 0 ? NAK : STATUS, flags, 0, key)
  putU48(bytes, 16, report.position)
  putU48(bytes, 24, report.received)
  putU32(bytes, 32, report.window)
  putU16(bytes, 36, report.heard)
  putU48(bytes, 40, report.receiver)
  putU16(bytes, 46, count)
  for (let i = 0, at = REPORT; i < ranges.length; i += 2, at += RANGE) {
    putU48(bytes, at, ranges[i])
    putU16(bytes, at + 6, ranges[i + 1])
  }
  return bytes
}
