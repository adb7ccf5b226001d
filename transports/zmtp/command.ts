import { HeddleError } from "../../core/errors.ts"
import { COMMAND, headerSize, writeHeader } from "./frame.ts"

/** A command frame: name-size, name, data (RFC 37, "Commands"). */
export function commandFrame(name: string, data: Buffer): Buffer {
  const length = 1 + name.length + data.length
  const frame = Buffer.allocUnsafe(headerSize(length) + length)
  let at = writeHeader(frame, 0, COMMAND, length)
  frame[at++] = name.length
  at += frame.write(name, at, "latin1")
  data.copy(frame, at)
  return frame
}

export interface Command {
  name: string
  data: Buffer
}

/** Null when the body is no command: empty, or with a name longer than the body. */
export function parseCommand(body: Buffer): Command | null {
  if (body.length === 0) return null
  const end = 1 + body[0]
  if (body[0] === 0 || end > body.length) return null
  return { name: body.toString("latin1", 1, end), data: body.subarray(end) }
}

/** `ERROR reason`: the peer is told why we end the connection, and not to come back as it is. */
export function errorFrame(reason: string): Buffer {
  const text = Buffer.from(reason).subarray(0, 255)
  return commandFrame("ERROR", Buffer.concat([Buffer.from([text.length]), text]))
}

/** The reason within an ERROR command. */
export function parseError(data: Buffer): string {
  if (data.length === 0 || data.length < 1 + data[0]) {
    throw new HeddleError("ERR_ZMTP_MALFORMED_COMMAND_ERROR", "The peer sent an ERROR command without its reason", {
      fatal: true,
    })
  }
  return data.toString("utf8", 1, 1 + data[0])
}

const TTL_UNIT = 100 // milliseconds; the wire counts tenths of a second
/** A context longer than this is cut, as libzmq does (RFC 37: 0 to 16 octets). */
const MAX_CONTEXT = 16

/** `timeToLive` in milliseconds. */
export function pingFrame(timeToLive: number): Buffer {
  const data = Buffer.alloc(2)
  data.writeUInt16BE(Math.min(0xffff, Math.floor(timeToLive / TTL_UNIT)))
  return commandFrame("PING", data)
}

/** Null when the PING is too short to be one: libzmq 4.3.5 reads beyond it (zmtp.md 1.9). */
export function parsePing(data: Buffer): { timeToLive: number; context: Buffer } | null {
  if (data.length < 2) return null
  return { timeToLive: data.readUInt16BE(0) * TTL_UNIT, context: data.subarray(2, 2 + MAX_CONTEXT) }
}
