import { HeddleError } from "../../../core/errors.ts"
import { isNodeId } from "./announcement.ts"
import type { Announcement } from "./discovery.ts"

/**
 * A datagram: "HEDDLE1", one byte of kind, the node id (22 characters of base64url), then, but for a goodbye, JSON:
 * `{"fabric": string, "name": string, "endpoints": string[]}`. The node id stands in front so that a beacon that repeats an
 * earlier one is recognised without being parsed.
 */
export const KINDS = { here: 0, whoIsThere: 1, goodbye: 2 } as const

export type Kind = (typeof KINDS)[keyof typeof KINDS]

/** Below every MTU that is in use (IPv6 promises 1,280): a datagram in fragments is lost with any of them. */
export const MAX_BEACON = 1_200

const MAGIC = Buffer.from("HEDDLE1", "latin1")
const NODE_AT = MAGIC.length + 1
const BODY_AT = NODE_AT + 22

export interface Beacon {
  readonly kind: Kind
  readonly node: string
  /** The JSON; empty for a goodbye. */
  readonly body: Buffer
}

/** Throws EMSGSIZE when the announcement does not fit into a datagram. */
export function encodeBeacon(kind: Kind, { fabric, node, name, endpoints }: Announcement): Buffer {
  const body = kind === KINDS.goodbye ? "" : JSON.stringify({ fabric, name, endpoints })
  const beacon = Buffer.concat([MAGIC, Buffer.of(kind), Buffer.from(node, "latin1"), Buffer.from(body)])
  if (beacon.length > MAX_BEACON) {
    throw new HeddleError(
      "EMSGSIZE",
      `The announcement of ${endpoints.length} endpoints has ${beacon.length} bytes; a beacon takes ${MAX_BEACON}: listen at fewer endpoints, or shorten the names`,
    )
  }
  return beacon
}

/** "foreign": another program's. "malformed": it says that it is a beacon, and is none. Never throws. */
export function decodeBeacon(bytes: Buffer): Beacon | "foreign" | "malformed" {
  if (bytes.length < MAGIC.length || MAGIC.compare(bytes, 0, MAGIC.length) !== 0) return "foreign"
  if (bytes.length < BODY_AT || bytes.length > MAX_BEACON) return "malformed"
  const kind = bytes[MAGIC.length]
  const node = bytes.toString("latin1", NODE_AT, BODY_AT)
  if (kind > KINDS.goodbye || !isNodeId(node)) return "malformed"
  return { kind: kind as Kind, node, body: bytes.subarray(BODY_AT) }
}
