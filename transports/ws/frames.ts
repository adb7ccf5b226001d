/** WebSocket frames as a server sends them: unmasked and whole (RFC 6455, 5.2). */

const TEXT = 0x81
const BINARY = 0x82

/** Octets before a payload of this length. */
function frameHeaderSize(length: number): number {
  return length < 126 ? 2 : length < 65_536 ? 4 : 10
}

/** Writes the header; returns where the payload begins. */
function writeFrameHeader(chunk: Buffer, at: number, text: boolean, length: number): number {
  chunk[at] = text ? TEXT : BINARY
  if (length < 126) {
    chunk[at + 1] = length
    return at + 2
  }
  if (length < 65_536) {
    chunk[at + 1] = 126
    chunk[at + 2] = length >> 8
    chunk[at + 3] = length & 255
    return at + 4
  }
  chunk[at + 1] = 127
  chunk.writeUInt32BE(Math.floor(length / 2 ** 32), at + 2)
  chunk.writeUInt32BE(length >>> 0, at + 6)
  return at + 10
}

/** The whole frame in memory of its own. */
export function frameOf(message: Uint8Array | string): Buffer {
  const text = typeof message === "string"
  const length = text ? Buffer.byteLength(message) : message.length
  const frame = Buffer.allocUnsafe(frameHeaderSize(length) + length)
  const at = writeFrameHeader(frame, 0, text, length)
  if (text) frame.write(message, at)
  else frame.set(message, at)
  return frame
}

/** A control frame has at most 125 octets, two of which are the code (RFC 6455, 5.5). */
const MAX_REASON = 123

/** As much of the text as fits. */
export function closeReason(text: string): string {
  if (Buffer.byteLength(text) <= MAX_REASON) return text
  let cut = text.slice(0, MAX_REASON)
  while (Buffer.byteLength(cut) > MAX_REASON - 3) cut = cut.slice(0, -1)
  return `${cut}...`
}
