/** What a node is known by. */
export interface MemberInfo {
  /** New for each join: a process that comes back is another member. */
  readonly node: string
  readonly name: string
  readonly endpoints: readonly string[]
}

/** `suspect` is still a member; `dead` and `left` are not. */
export type MemberState = "alive" | "suspect" | "dead" | "left"

/** Position = number on the wire, and what overrides what at the same incarnation. */
export const STATES: readonly MemberState[] = ["alive", "suspect", "dead", "left"]

/**
 * Incarnations are counted up by one for each refutation. A peer that announces more than this is lying, and would leave
 * its victim no number to refute with.
 */
export const MAX_INCARNATION = 2 ** 40

/** What somebody says of a member. */
export interface Claim {
  readonly incarnation: number
  readonly state: MemberState
}

/**
 * Whether `claim` is newer than `known` (SWIM, section 4.2): a higher incarnation wins, at the same one the worse state
 * does. Unlike there, a dead member may come back by a higher incarnation; nobody comes back from `left`.
 */
export function overrides(claim: Claim, known: Claim): boolean {
  if (known.state === "left") return false
  if (claim.state === "left") return true
  if (claim.incarnation !== known.incarnation) return claim.incarnation > known.incarnation
  return STATES.indexOf(claim.state) > STATES.indexOf(known.state)
}

/** What this node knows of another one. */
export class Member {
  info: MemberInfo
  state: MemberState = "alive"
  incarnation: number
  /** There is a connection to it. */
  linked = false
  /** When it was first heard of, in the clock of the caller, as all times here. */
  met = Number.NEGATIVE_INFINITY
  /** When something came from it. */
  heard = Number.NEGATIVE_INFINITY
  /** Bytes that had come from it when it was probed or suspected. */
  traffic = 0
  /** When it was last told that it is thought suspect or dead. */
  told = Number.NEGATIVE_INFINITY
  /** When the suspicion began, and when it ends with its death. */
  suspected = 0
  deadline = 0
  /** Somebody has declared this incarnation dead, while we have a link. */
  doomed = false
  /** Dead beyond doubt: not worth dialling again. */
  proven = false
  /** When it was buried. */
  buried = 0

  constructor(info: MemberInfo, incarnation: number) {
    this.info = info
    this.incarnation = incarnation
  }

  get node(): string {
    return this.info.node
  }

  get living(): boolean {
    return this.state === "alive" || this.state === "suspect"
  }
}

/** A number for one claim; those of all members combined by XOR tell whether two nodes know the same. 32 bits, FNV-1a. */
export function mark(node: string, claim: Claim): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < node.length; i++) hash = Math.imul(hash ^ node.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (claim.incarnation >>> 0), 0x01000193)
  hash = Math.imul(hash ^ STATES.indexOf(claim.state), 0x01000193)
  // The last characters would otherwise only reach the low bits.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return (hash ^ (hash >>> 13)) >>> 0
}
