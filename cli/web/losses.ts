import type { NodeStats } from "heddle"
import { UNREMARKABLE } from "./links.ts"
import type { DropView, NewsType, SlowView } from "./sheet.ts"

/** Entries of the lists of what went wrong: the worst are enough to begin with. */
const MOST_LISTED = 50

/** What a node tells without a reason: an older version of Heddle does not count them. */
const UNKNOWN = "not told"

/** Milliseconds between two pieces of news about the same loss, which otherwise would hide all others. */
const PAUSE = 10_000

interface Seen {
  readonly at: number
  readonly drops: ReadonlyMap<string, number>
  /** By reason: when it was told last, and how many there were then. */
  readonly told: ReadonlyMap<string, { readonly at: number; readonly total: number }>
  readonly gaps: number
  readonly missing: number
}

export interface Loss {
  readonly type: NewsType
  readonly name: string
  readonly text: string
}

/** Who drops messages and why, from counters that are asked again and again. */
export class Losses {
  private seen = new Map<string, Seen>()

  update(nodes: readonly NodeStats[], now: number): { drops: DropView[]; losses: Loss[] } {
    const before = this.seen
    this.seen = new Map()
    const drops: DropView[] = []
    const losses: Loss[] = []
    for (const { node, name, stats } of nodes) {
      const seen = before.get(node)
      const reasons = reasonsOf(stats)
      const told = new Map<string, { at: number; total: number }>()
      this.seen.set(node, { at: now, drops: reasons, told, gaps: stats.gaps, missing: stats.missing })
      const seconds = seen === undefined ? 1 : Math.max((now - seen.at) / 1000, 0.001)
      for (const [reason, total] of reasons) {
        const more = seen === undefined ? 0 : Math.max(0, total - (seen.drops.get(reason) ?? 0))
        if (total > 0) drops.push({ node, name, reason, total, rate: more / seconds })
        const last = seen?.told.get(reason) ?? { at: Number.NEGATIVE_INFINITY, total: total - more }
        const untold = total - last.total
        if (untold > 0 && now - last.at >= PAUSE) {
          losses.push({ type: "drop", name, text: `dropped ${count(untold, "message")} (${reason})` })
          told.set(reason, { at: now, total })
        } else told.set(reason, untold < 0 ? { ...last, total } : last)
      }
      if (seen !== undefined && stats.gaps > seen.gaps) {
        const missing = stats.missing - seen.missing
        const text = missing > 0 ? count(missing, "message") : "messages, nobody knows how many,"
        losses.push({ type: "gap", name, text: `is missing ${text}: a link was away for longer than its window` })
      }
    }
    drops.sort((one, other) => other.rate - one.rate || other.total - one.total)
    return { drops: drops.slice(0, MOST_LISTED), losses: losses.slice(0, MOST_LISTED) }
  }
}

function reasonsOf({ dropReasons, dropped }: NodeStats["stats"]): Map<string, number> {
  const reasons = new Map<string, number>(Object.entries(dropReasons))
  const told = [...reasons.values()].some(total => total > 0)
  if (!told && dropped > 0) reasons.set(UNKNOWN, dropped)
  return reasons
}

/** `without`: the node that only looks on. */
export function slowOf(nodes: readonly NodeStats[], without: string): SlowView[] {
  const found: SlowView[] = []
  for (const { node, name, stats } of nodes) {
    for (const peer of stats.peers) {
      if (peer.node === without || (peer.queued === 0 && peer.unacknowledged <= UNREMARKABLE)) continue
      const { queued, unacknowledged: bytes, dropped } = peer
      const what = peer.up ? "takes less than it is sent" : "is not connected"
      found.push({ key: `${node} ${peer.node}`, who: `${name} → ${peer.name}`, what, queued, bytes, dropped })
    }
    for (const [i, { kind, pattern, queue, queued, dropped }] of stats.takers.entries()) {
      if (queued === 0) continue
      const what = `${kind} ${pattern}${queue === "" ? "" : ` (${queue})`}`
      found.push({ key: `${node} ${i} ${what}`, who: name, what, queued, bytes: 0, dropped })
    }
  }
  return found.sort((one, other) => other.bytes - one.bytes || other.queued - one.queued).slice(0, MOST_LISTED)
}

function count(value: number, noun: string): string {
  return `${value.toLocaleString("en")} ${noun}${value === 1 ? "" : "s"}`
}
