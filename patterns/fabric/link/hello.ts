import type { Hello, PeerHello, SocketType } from "../../../core/contract.ts"
import { HeddleError } from "../../../core/errors.ts"
import { MAX_INCARNATION } from "../membership/member.ts"

/** Versions of the fabric's wire that this build speaks, lowest and highest. */
export const VERSIONS: readonly [number, number] = [1, 1]

/** ZMTP property that carries the introduction, as JSON. Not an `X-` name of the user's own: those are free. */
export const PROPERTY = "X-Heddle"

/** What is believed of an introduction; the handshake allows 64 KiB for all properties together. */
const MAX_BYTES = 16 * 1024
/** What membership passes on (membership/notice.ts): a peer that says more could not be told of to others. */
const MAX_ENDPOINTS = 8
const MAX_TEXT = 256

/** How far a stream of batches has come. */
export interface Position {
  readonly stream: string
  readonly batches: number
  readonly messages: number
}

/** How a node introduces itself in the ZMTP handshake (docs/wire.md). */
export interface Introduction {
  readonly versions: readonly [number, number]
  readonly fabric: string
  /** New for each `join`. */
  readonly node: string
  readonly name: string
  readonly incarnation: number
  readonly endpoints: readonly string[]
  /** Equal = the same machine (and container); `pid` then means something. */
  readonly host: string
  /** Equal = the same process. */
  readonly process: string
  readonly pid: number
  /** Largest payload that the node takes, in bytes. */
  readonly maxPayload: number
  /** It knows CARRY records: subjects may be carried by groups (carry/SPEC.md). */
  readonly carry: boolean
  /** Names what this node sends to that peer; new when it has forgotten what it sent before. */
  readonly stream: string
  /** What the node has received of the peer's stream; null = nothing. */
  readonly heard: Position | null
  /** From a dialler that knows an address, but not yet who is there. */
  readonly blind: boolean
  /** Whom a dialler that is not blind means to reach: another node may listen there by now. "" = it did not say. */
  readonly to: string
  /** An acceptor that keeps another connection with this peer: this one ends. */
  readonly busy: boolean
}

const TYPE: SocketType = "PEER"
const NO_ID = Buffer.alloc(0)

export function toHello(introduction: Introduction): Hello {
  const { versions, heard, carry, to, ...rest } = introduction
  const text = JSON.stringify({
    v: versions,
    ...rest,
    ...(carry && { carry }),
    ...(to !== "" && { to }),
    ...(heard && { heard: [heard.stream, heard.batches, heard.messages] }),
  })
  return { socketType: TYPE, routingId: NO_ID, metadata: new Map([[PROPERTY, Buffer.from(text)]]) }
}

/** Is this a node of some fabric? Others are plain ZeroMQ peers. */
export function isNode(peer: Hello): boolean {
  return peer.socketType === TYPE && findProperty(peer) !== undefined
}

/** Throws a fatal HeddleError for what is no introduction, or not of our kind. */
export function readIntroduction(peer: PeerHello, fabric: string): Introduction {
  const bytes = findProperty(peer)
  if (bytes === undefined) {
    throw refuse(peer, "it is no node of a fabric; dial an address that join() listens on", "ERR_PEER_INCOMPATIBLE")
  }
  if (bytes.length > MAX_BYTES) throw refuse(peer, `its introduction has ${bytes.length} bytes`)
  let value: Record<string, unknown>
  try {
    value = JSON.parse(bytes.toString())
  } catch (error) {
    throw refuse(peer, `its introduction is no JSON: ${(error as Error).message}`)
  }
  if (typeof value !== "object" || value === null) throw refuse(peer, "its introduction is no object")
  const versions = value.v
  if (!Array.isArray(versions) || versions.length !== 2 || !versions.every(isCount)) {
    throw refuse(peer, "its introduction names no versions")
  }
  if (versions[0] > VERSIONS[1] || versions[1] < VERSIONS[0]) {
    throw refuse(
      peer,
      `it speaks versions ${versions[0]} to ${versions[1]} of the fabric's wire, this node ${VERSIONS[0]} to ${VERSIONS[1]}; update the older one`,
    )
  }
  if (value.fabric !== fabric) {
    throw refuse(
      peer,
      `it belongs to the fabric ${JSON.stringify(value.fabric)}, this node to ${JSON.stringify(fabric)}`,
    )
  }
  const text = (name: string, most: number): string => {
    const found = value[name]
    if (typeof found !== "string" || found.length > most) throw refuse(peer, `its introduction has no proper ${name}`)
    return found
  }
  const count = (name: string, most = Number.MAX_SAFE_INTEGER): number => {
    const found = value[name]
    if (!isCount(found) || found > most) throw refuse(peer, `its introduction has no proper ${name}`)
    return found
  }
  const { endpoints, heard } = value
  if (
    !Array.isArray(endpoints) ||
    endpoints.length > MAX_ENDPOINTS ||
    !endpoints.every(one => typeof one === "string" && one !== "" && one.length <= MAX_TEXT)
  ) {
    throw refuse(peer, "its introduction has no proper endpoints")
  }
  if (heard !== undefined && !(Array.isArray(heard) && isToken(heard[0]) && isCount(heard[1]) && isCount(heard[2]))) {
    throw refuse(peer, "its introduction has no proper position")
  }
  const node = text("node", 64)
  if (!/^[\w-]{8,64}$/.test(node)) throw refuse(peer, "its node id is malformed")
  return {
    versions: [versions[0], versions[1]],
    fabric,
    node,
    name: text("name", MAX_TEXT),
    incarnation: count("incarnation", MAX_INCARNATION),
    endpoints,
    host: text("host", MAX_TEXT),
    process: text("process", MAX_TEXT),
    pid: count("pid"),
    maxPayload: count("maxPayload"),
    carry: value.carry === true,
    stream: text("stream", 64),
    heard: heard === undefined ? null : { stream: heard[0], batches: heard[1], messages: heard[2] },
    blind: value.blind === true,
    to: value.to === undefined ? "" : text("to", 64),
    busy: value.busy === true,
  }
}

function findProperty(peer: Hello): Buffer | undefined {
  const exact = peer.metadata.get(PROPERTY)
  if (exact !== undefined) return exact
  // Property names are case-insensitive (RFC 37).
  for (const [name, value] of peer.metadata) if (name.toLowerCase() === PROPERTY.toLowerCase()) return value
  return undefined
}

function isToken(value: unknown): value is string {
  return typeof value === "string" && value.length <= 64
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function refuse(
  peer: PeerHello,
  why: string,
  code: "ERR_FABRIC" | "ERR_PEER_INCOMPATIBLE" = "ERR_FABRIC",
): HeddleError {
  return new HeddleError(code, `The peer at ${peer.address} cannot join: ${why}`, {
    address: peer.address,
    fatal: true,
  })
}
