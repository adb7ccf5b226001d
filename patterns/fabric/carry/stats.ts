import type { NumberedSubject } from "../link/incoming.ts"
import type { Link } from "../link/link.ts"
import type { Carry } from "./carry.ts"

/** What went by one group, since `join`. */
export interface CarryStats {
  readonly group: string
  readonly patterns: readonly string[]
  /** This node publishes to the group (beacons, if nothing else); listens to it. */
  readonly sending: boolean
  readonly receiving: boolean
  /** Peers that get by the group what this node publishes, and of how many this node gets by the group what they publish. */
  readonly to: number
  readonly from: number
  /** Messages published to the group, each once for all peers, and bytes of their payloads. */
  readonly messagesSent: number
  readonly bytesSent: number
  /** Messages that were sent again by link because a peer lacked them, whole batches of them. */
  readonly repairsSent: number
  /** Messages that the group did not take, and that were dropped as full. */
  readonly dropped: number
  /** Messages that came by the group; those that it had lost and came by link; those that nobody had any more. */
  readonly messagesReceived: number
  readonly repairsReceived: number
  readonly missing: number
  /** What came by the group and was not used, by reason: messages of strangers, malformed, or come twice. */
  readonly ignored: { readonly stranger: number; readonly malformed: number; readonly duplicate: number }
}

export function carryStatsOf({ senders, receivers }: Carry): CarryStats[] {
  return receivers.map((receiver, i) => {
    const sender = senders[i]
    const { group, totals, ignored } = receiver
    return {
      group: group.key,
      patterns: group.patterns,
      sending: sender.open,
      receiving: receiver.open,
      to: sender.carried,
      from: receiver.carriers,
      messagesSent: sender.messages,
      bytesSent: sender.bytes,
      repairsSent: sender.repaired,
      dropped: sender.dropped,
      messagesReceived: totals.messages - totals.repaired,
      repairsReceived: totals.repaired,
      missing: totals.missing,
      ignored: {
        stranger: ignored.stranger,
        malformed: ignored.malformed + totals.malformed,
        duplicate: totals.duplicates,
      },
    }
  })
}

/** Which groups serve a peer, and by which it serves us. */
export function groupsOf(carry: Carry | null, link: Link): { to: string[]; from: string[] } {
  if (carry === null) return { to: [], from: [] }
  return {
    to: carry.senders.filter(sender => sender.carries(link)).map(({ group }) => group.key),
    from: carry.receivers.filter(one => one.streamOf(link)?.isOn === true).map(({ group }) => group.key),
  }
}

/** A peer's counters with what came and went by groups. */
export function withCarried<T extends { messagesSent: number; messagesReceived: number }>(
  stats: T,
  carry: Carry | null,
  link: Link,
): T {
  if (carry === null) return stats
  for (const sender of carry.senders) stats.messagesSent += sender.sentTo(link)
  for (const receiver of carry.receivers) stats.messagesReceived += receiver.streamOf(link)?.messages ?? 0
  return stats
}

export function* carriedSubjects(carry: Carry | null): Generator<NumberedSubject> {
  if (carry === null) return
  for (const receiver of carry.receivers)
    for (const stream of receiver.streams.values()) yield* stream.reader.subjects.values()
}
