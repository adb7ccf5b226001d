/**
 * Where a datagram comes from or goes to, as a frame: `ip:port` and a NUL that libzmq counts as part of it (ZMQ_DGRAM);
 * an IPv6 address stands in brackets.
 */
export interface DatagramAddress {
  readonly host: string
  readonly port: number
}

const OCTET = "(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)"
const SYNTAX = new RegExp(
  `^(?:(${OCTET}(?:\\.${OCTET}){3})|\\[([0-9a-fA-F:.]{2,45}(?:%[\\w.-]{1,32})?)\\]):(\\d{1,5})\\0?$`,
)
/** The longest that the syntax allows, with a margin: a longer frame is not even looked at. */
const LONGEST = 100

/** Null for what is no address; the NUL at the end may be missing. Port 0 is none: nothing can be sent there. */
export function parseDatagramAddress(frame: Buffer): DatagramAddress | null {
  if (frame.length > LONGEST) return null
  const found = SYNTAX.exec(frame.toString("latin1"))
  if (found === null) return null
  const port = Number(found[3])
  return port === 0 || port > 65535 ? null : { host: found[1] ?? found[2], port }
}

export function formatDatagramAddress(host: string, port: number): Buffer {
  return Buffer.from(host.includes(":") ? `[${host}]:${port}\0` : `${host}:${port}\0`, "latin1")
}
