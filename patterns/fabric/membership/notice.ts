import { MAX_INCARNATION, type MemberInfo, type MemberState, STATES } from "./member.ts"

/** News of one member. */
export interface MemberUpdate {
  /** Node. */
  readonly n: string
  /** Incarnation. */
  readonly i: number
  /** State: 0 alive, 1 suspect, 2 dead, 3 left. */
  readonly s: number
  /** Name; with states 0 and 1 only. */
  readonly a?: string
  /** Endpoints; with states 0 and 1 only. */
  readonly e?: readonly string[]
}

/**
 * What members say to one another, as JSON.
 * - `probe` (`s` = a number of the sender's choice): are you there?
 * - `ack` (`s` as in the probe, `d` = digest of what the sender knows, 32 bits): I am
 * - `ask` (`s`, `n` = a third node): I cannot reach that node, probe it for me
 * - `vouch` (`s`, `n` as in the ask): that node has answered me
 * - `gossip` (`u` = at most 256 updates, `d` optional): news. With `d`, a receiver that then has another digest answers
 *   with all that it knows
 */
export type MembershipNotice =
  | { readonly t: "probe"; readonly s: number }
  | { readonly t: "ack"; readonly s: number; readonly d: number }
  | { readonly t: "ask"; readonly s: number; readonly n: string }
  | { readonly t: "vouch"; readonly s: number; readonly n: string }
  | { readonly t: "gossip"; readonly u: readonly MemberUpdate[]; readonly d?: number }

/** Updates in one notice: some 30 KiB of JSON with usual names and endpoints. */
export const MAX_UPDATES = 256

/** Bounds of what a member may say of itself: as much as anybody needs, and thousands of members still fit in memory. */
const MAX_NODE = 64
const MAX_NAME = 256
const MAX_ENDPOINTS = 8
const MAX_ENDPOINT = 256

const NODE = /^[\w-]+$/

/** Null = malformed. What comes out is a copy that holds nothing but the fields above. */
export function readNotice(value: unknown): MembershipNotice | null {
  if (!isRecord(value)) return null
  const { t, s, n, d } = value
  if (t === "gossip") return readGossip(value.u, d)
  if (!isWhole(s, Number.MAX_SAFE_INTEGER)) return null
  if (t === "probe") return { t, s }
  if (t === "ack") return isDigest(d) ? { t, s, d } : null
  if (t === "ask" || t === "vouch") return isNode(n) ? { t, s, n } : null
  return null
}

/** What is wrong with this, or null. */
export function flawOf({ node, name, endpoints }: MemberInfo): string | null {
  if (!isNode(node)) return `a node is 1 to ${MAX_NODE} letters, digits, "-" and "_"`
  if (!isText(name, MAX_NAME)) return `a name has at most ${MAX_NAME} characters`
  if (!isEndpoints(endpoints))
    return `there may be at most ${MAX_ENDPOINTS} endpoints, each of at most ${MAX_ENDPOINT} characters`
  return null
}

export function isIncarnation(value: unknown): value is number {
  return isWhole(value, MAX_INCARNATION)
}

export function stateOf(update: MemberUpdate): MemberState {
  return STATES[update.s]
}

function readGossip(updates: unknown, digest: unknown): MembershipNotice | null {
  if (!Array.isArray(updates) || updates.length > MAX_UPDATES) return null
  if (digest !== undefined && !isDigest(digest)) return null
  const u: MemberUpdate[] = []
  for (const each of updates as unknown[]) {
    const update = readUpdate(each)
    if (update === null) return null
    u.push(update)
  }
  return digest === undefined ? { t: "gossip", u } : { t: "gossip", u, d: digest }
}

function readUpdate(value: unknown): MemberUpdate | null {
  if (!isRecord(value)) return null
  const { n, i, s, a, e } = value
  if (!isNode(n) || !isIncarnation(i) || !isWhole(s, STATES.length - 1)) return null
  if (s >= 2) return { n, i, s }
  if (!isText(a, MAX_NAME) || !isEndpoints(e)) return null
  return { n, i, s, a, e: [...e] }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

function isWhole(value: unknown, most: number): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= most
}

function isDigest(value: unknown): value is number {
  return isWhole(value, 0xffffffff)
}

function isText(value: unknown, most: number): value is string {
  return typeof value === "string" && value.length <= most
}

function isNode(value: unknown): value is string {
  return isText(value, MAX_NODE) && NODE.test(value)
}

function isEndpoints(value: unknown): value is readonly string[] {
  if (!Array.isArray(value) || value.length > MAX_ENDPOINTS) return false
  return (value as unknown[]).every(endpoint => isText(endpoint, MAX_ENDPOINT) && endpoint.length > 0)
}
