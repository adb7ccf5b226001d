import { groupsOf } from "./carry/stats.ts"
import { NETWORK, SAME_HOST } from "./link/link.ts"
import type { Node } from "./node.ts"

/** Another node, as `fabric.peers` shows it. */
export interface PeerView {
  readonly node: string
  readonly name: string
  /** `up` = connected; `down` = its connection broke, and messages are kept; `lapsed` = for so long that they are counted only. */
  readonly state: "up" | "down" | "lapsed"
  readonly member: "alive" | "suspect" | "dead" | "left"
  readonly distance: "process" | "host" | "network"
  readonly address: string
  readonly endpoints: readonly string[]
  readonly pid: number
  /** Subscriptions, services and workers that it has announced. */
  readonly interests: number
  /** Groups by which it gets what this node publishes (`to`), and this node gets what it publishes (`from`). */
  readonly carry: { readonly to: readonly string[]; readonly from: readonly string[] }
  /** Milliseconds since the link was first made. */
  readonly age: number
}

export function peersOf({ peers, carry }: Node): PeerView[] {
  const now = performance.now()
  return [...peers.links.values()].map(link => ({
    node: link.node,
    name: link.name,
    state: link.up ? "up" : link.lapsed ? "lapsed" : "down",
    member: peers.membership.stateOf(link.node) ?? "alive",
    distance: link.distance === NETWORK ? "network" : link.distance === SAME_HOST ? "host" : "process",
    address: link.connection?.peer.address ?? "",
    endpoints: link.info.endpoints,
    pid: link.info.pid,
    interests: link.interests.size,
    carry: groupsOf(carry, link),
    age: now - link.since,
  }))
}
