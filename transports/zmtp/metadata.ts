import type { Hello } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"
import { announcesIdentity, isSocketType } from "../../core/socket-types.ts"

/** Properties that one handshake may carry. */
const MAX_PROPERTIES = 64

/** Name-length, name, value-length (4 octets), value (RFC 37, "Metadata"). */
export function encodeMetadata(hello: Hello): Buffer {
  const parts: Buffer[] = []
  const add = (name: string, value: Buffer): void => {
    const head = Buffer.alloc(1 + name.length + 4)
    head[0] = name.length
    head.write(name, 1, "latin1")
    head.writeUInt32BE(value.length, 1 + name.length)
    parts.push(head, value)
  }
  // libzmq compares these two names to the letter (zmtp.md 1.5).
  add("Socket-Type", Buffer.from(hello.socketType))
  if (announcesIdentity(hello.socketType)) add("Identity", hello.routingId)
  for (const [name, value] of hello.metadata) add(name, value)
  return Buffer.concat(parts)
}

/** Throws a fatal HeddleError. Duplicates: the last one wins, as in libzmq. */
export function parseMetadata(data: Buffer): Hello {
  const metadata = new Map<string, Buffer>()
  let socketType = ""
  let routingId: Buffer = Buffer.alloc(0)
  let count = 0
  for (let at = 0; at < data.length; ) {
    const name = data.toString("latin1", at + 1, at + 1 + data[at])
    const valueAt = at + 1 + data[at] + 4
    if (valueAt > data.length) throw invalid("a property is cut off")
    const length = data.readUInt32BE(valueAt - 4)
    if (length > data.length - valueAt) throw invalid(`property ${JSON.stringify(name)} announces more than was sent`)
    if (++count > MAX_PROPERTIES) throw invalid(`more than ${MAX_PROPERTIES} properties`)
    // Kept beyond the handshake, so copied out of the read buffer.
    const value = Buffer.from(data.subarray(valueAt, valueAt + length))
    const key = name.toLowerCase()
    if (key === "socket-type") socketType = value.toString("latin1")
    else if (key === "identity") routingId = value
    else metadata.set(name, value)
    at = valueAt + length
  }
  if (!isSocketType(socketType))
    throw invalid(socketType === "" ? "no Socket-Type" : `unknown Socket-Type ${JSON.stringify(socketType)}`)
  if (routingId.length > 255)
    throw new HeddleError("ERR_PEER_IDENTITY", "The peer's identity has more than 255 octets", { fatal: true })
  // An id that begins with 0 would collide with those that a ROUTER makes up: such a peer gets one of these.
  if (routingId.length > 0 && routingId[0] === 0) routingId = Buffer.alloc(0)
  return { socketType, routingId, metadata }
}

function invalid(what: string): HeddleError {
  return new HeddleError("ERR_ZMTP_INVALID_METADATA", `The peer's handshake metadata is malformed: ${what}`, {
    fatal: true,
  })
}
