import { HeddleError } from "../../core/errors.ts"

/** RFC 37, "Greeting": signature(10) version(2) mechanism(20) as-server(1) filler(31). */
export const GREETING_SIZE = 64
/** The signature and our major version: all that a 2.0 peer may see (zmtp.md 1.2). */
export const FIRST_PART = 11

const MAJOR = 3
const MINOR = 1

export function greeting(mechanism: string): Buffer {
  const bytes = Buffer.alloc(GREETING_SIZE)
  bytes[0] = 0xff
  // Padding as libzmq writes it: read as a 1.0 frame header it announces one octet.
  bytes[8] = 1
  bytes[9] = 0x7f
  bytes[10] = MAJOR
  bytes[11] = MINOR
  bytes.write(mechanism, 12, "latin1")
  return bytes
}

/**
 * What is wrong with the beginning of a greeting, as early as it can be known; null = nothing so far. Peers older than
 * ZMTP 3.0 are refused: they know no handshake, and nobody ships them any more.
 */
export function faultOf(bytes: Buffer): HeddleError | null {
  if (bytes.length > 0 && bytes[0] !== 0xff)
    return refuse(`it does not begin with FF but with ${bytes[0].toString(16)}; is that another protocol?`)
  if (bytes.length > 9 && (bytes[9] & 1) === 0) return refuse("the peer speaks ZMTP 1.0, which is not supported")
  if (bytes.length > 10 && bytes[10] < MAJOR) return refuse("the peer speaks ZMTP 2.0 or older, which is not supported")
  return null
}

/** Minor version that both speak: 0 or 1. Any higher major is taken as 3.1 (RFC 37). */
export function commonMinor(bytes: Buffer): 0 | 1 {
  return bytes[10] === MAJOR && bytes[11] === 0 ? 0 : 1
}

export function mechanismOf(bytes: Buffer): string {
  const name = bytes.subarray(12, 32)
  const end = name.indexOf(0)
  return name.toString("latin1", 0, end < 0 ? name.length : end)
}

function refuse(why: string): HeddleError {
  return new HeddleError("ERR_ZMTP_GREETING", `The peer's greeting is not ZMTP 3: ${why}`)
}
