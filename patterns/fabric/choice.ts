import type { Interest } from "./interest.ts"
import { NETWORK, SAME_HOST } from "./link/link.ts"

/**
 * Outstanding messages that a nearer member may have more than a farther one before the farther is chosen: about what
 * the longer way costs in messages of a few microseconds each. In the same process there is no way at all.
 */
const COST = [0, 2, 16] as const

let turn = 0

/**
 * The member of a queue group, or the server, that gets the next: the one with the least outstanding work for its
 * capacity, the nearer one when it hardly matters; equals take turns. Those whose link is down or full, who leave or
 * have asked to wait are passed over unless there is nobody else.
 */
export function choose(members: readonly Interest[]): Interest | null {
  const count = members.length
  if (count === 1) return members[0]
  let best: Interest | null = null
  let least = Number.POSITIVE_INFINITY
  const start = turn++ % Math.max(count, 1)
  for (let i = 0; i < count; i++) {
    const member = members[(start + i) % count]
    const { link } = member
    let cost = (member.outstanding + member.load) / member.spec.capacity
    if (member.paused) cost += UNAVAILABLE
    if (link !== null) {
      cost += COST[link.distance === NETWORK ? 2 : link.distance === SAME_HOST ? 1 : 0]
      if (!link.up || link.leaving || !link.outgoing.hasRoom()) cost += UNAVAILABLE
    }
    if (cost < least) {
      least = cost
      best = member
    }
  }
  return best
}

/** More than any queue can hold. */
const UNAVAILABLE = 1e9
