/** ZWS 2.0 (RFC 45): each frame is one binary WebSocket message, whose first octet says what it is. */
export const LAST = 0
export const MORE = 1
export const COMMAND = 2

/** Sub-protocols of RFC 45: with the NULL mechanism of ZMTP 3, and without any, where each side begins with its identity. */
export const NULL_PROTOCOL = "ZWS2.0/NULL"
export const BARE_PROTOCOL = "ZWS2.0"
/**
 * The same as ZWS2.0/NULL. That name has a / in it, which the grammar of sub-protocols forbids (RFC 6455, 4.1): browsers and the
 * package `ws` throw when they shall offer it, and servers by that package refuse who does.
 */
export const HEDDLE_PROTOCOL = "heddle.zws2.null"

export const ACCEPTED: readonly string[] = [HEDDLE_PROTOCOL, NULL_PROTOCOL, BARE_PROTOCOL]
export const OFFERED: readonly string[] = [HEDDLE_PROTOCOL, BARE_PROTOCOL]

/**
 * Property of the handshake by which two Heddle peers know each other, beyond RFC 45: notices then travel as commands and not as
 * messages, and the value, in decimal digits, is the window: bytes that the peer may send before it must wait for WINDOW commands,
 * because the library cannot stop reading; 0 = no limit.
 */
export const WINDOW_PROPERTY = "X-Heddle-Window"
/** `WINDOW count(u32)`: so many more bytes may be sent. */
export const WINDOW_COMMAND = "WINDOW"

/** Frames up to this size are put together where the last one was; larger ones have memory of their own, which can go. */
const SCRATCH = 64 * 1024
let scratch: Buffer | null = null

/** Flag octet and body in one piece, valid until the next call. */
export function frame(flag: number, body: Uint8Array): Buffer {
  const size = body.length + 1
  scratch ??= Buffer.allocUnsafeSlow(SCRATCH)
  const bytes = size <= SCRATCH ? scratch.subarray(0, size) : Buffer.allocUnsafeSlow(size)
  bytes[0] = flag
  bytes.set(body, 1)
  return bytes
}

/** Body of a command: name-size, name, data (RFC 37). */
export function commandBody(name: string, data: Uint8Array): Buffer {
  const body = Buffer.allocUnsafe(1 + name.length + data.length)
  body[0] = name.length
  body.write(name, 1, "latin1")
  body.set(data, 1 + name.length)
  return body
}

export function errorBody(reason: string): Buffer {
  const text = Buffer.from(reason).subarray(0, 255)
  return commandBody("ERROR", Buffer.concat([Buffer.from([text.length]), text]))
}
