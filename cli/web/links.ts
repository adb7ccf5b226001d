import type { NodeStats } from "heddle"
import type { LinkView } from "./sheet.ts"

type PeerStats = NodeStats["stats"]["peers"][number]

/** Bytes without acknowledgement that are nothing to mention: peers acknowledge after 256 KiB at the latest. */
export const UNREMARKABLE = 512 * 1024

/** What one end tells of a link. */
interface End {
  readonly at: number
  readonly counters: PeerStats
}

interface Rate {
  messages: number
  bytes: number
}

/** What the two ends of each link tell, as one; from counters to rates. */
export class Links {
  private ends = new Map<string, End>()

  /** `without`: the node that only looks on. `now` in milliseconds. */
  update(nodes: readonly NodeStats[], without: string, now: number): LinkView[] {
    const before = this.ends
    this.ends = new Map()
    const views = new Map<string, LinkView>()
    for (const { node, stats } of nodes) {
      for (const peer of stats.peers) {
        if (peer.node === without || node === without) continue
        const [a, b] = node < peer.node ? [node, peer.node] : [peer.node, node]
        const end = `${node} ${peer.node}`
        this.ends.set(end, { at: now, counters: peer })
        const rates = ratesOf(peer, before.get(end), now)
        const key = linkKey(a, b)
        views.set(key, merge(views.get(key), { a, b }, peer, rates, node === a))
      }
    }
    return [...views.values()]
  }
}

export function linkKey(a: string, b: string): string {
  return `${a} ${b}`
}

function ratesOf(now: PeerStats, before: End | undefined, at: number): { sent: Rate; received: Rate } {
  if (before === undefined) return { sent: { messages: 0, bytes: 0 }, received: { messages: 0, bytes: 0 } }
  const seconds = Math.max((at - before.at) / 1000, 0.001)
  const rate = (name: "messagesSent" | "messagesReceived" | "bytesSent" | "bytesReceived"): number =>
    Math.max(0, now[name] - before.counters[name]) / seconds
  return {
    sent: { messages: rate("messagesSent"), bytes: rate("bytesSent") },
    received: { messages: rate("messagesReceived"), bytes: rate("bytesReceived") },
  }
}

/** Both ends count the same messages, at slightly different times: the larger number stands, so that one silent end hides nothing. */
function merge(
  known: LinkView | undefined,
  ends: { a: string; b: string },
  peer: PeerStats,
  { sent, received }: { sent: Rate; received: Rate },
  first: boolean,
): LinkView {
  const [there, back] = first ? [sent, received] : [received, sent]
  const slow = peer.queued > 0 || peer.unacknowledged > UNREMARKABLE
  const state = !peer.up || known?.state === "down" ? "down" : slow || known?.state === "slow" ? "slow" : "up"
  const measured = peer.roundTrip >= 0 ? peer.roundTrip : null
  return {
    ...ends,
    state,
    there: Math.max(there.messages, known?.there ?? 0),
    back: Math.max(back.messages, known?.back ?? 0),
    bytesThere: Math.max(there.bytes, known?.bytesThere ?? 0),
    bytesBack: Math.max(back.bytes, known?.bytesBack ?? 0),
    queued: peer.queued + (known?.queued ?? 0),
    roundTrip: mean(measured, known?.roundTrip ?? null),
  }
}

function mean(one: number | null, other: number | null): number | null {
  return one === null || other === null ? (one ?? other) : (one + other) / 2
}
