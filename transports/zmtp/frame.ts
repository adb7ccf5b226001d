import { copyInto } from "../../core/bytes.ts"
import type { Message, Wire } from "../../core/contract.ts"

/** Bits of a frame's first octet (RFC 37, "Framing"). */
export const MORE = 1
export const LONG = 2
export const COMMAND = 4

/** Octets before a body of this length. */
export function headerSize(length: number): number {
  return length < 256 ? 2 : 9
}

/** Writes flags and length; returns where the body begins. */
export function writeHeader(chunk: Buffer, offset: number, flags: number, length: number): number {
  if (length < 256) {
    chunk[offset] = flags
    chunk[offset + 1] = length
    return offset + 2
  }
  chunk[offset] = flags | LONG
  // Lengths below 2^53 only: no buffer is longer.
  chunk.writeUInt32BE(Math.floor(length / 2 ** 32), offset + 1)
  chunk.writeUInt32BE(length >>> 0, offset + 5)
  return offset + 9
}

/** ZMTP 3.x messages without encryption: the same bytes for every peer. */
export const zmtpWire: Wire = {
  size(message: Message): number {
    let size = 0
    for (let i = 0; i < message.length; i++) size += headerSize(message[i].length) + message[i].length
    return size
  },

  encode(message: Message, chunk: Buffer, offset: number): number {
    const last = message.length - 1
    for (let i = 0; i <= last; i++) {
      const frame = message[i]
      const at = writeHeader(chunk, offset, i < last ? MORE : 0, frame.length)
      copyInto(chunk, frame, at)
      offset = at + frame.length
    }
    return offset
  },
}
