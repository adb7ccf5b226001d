import type { FabricSurvey, NodeStats, SilentNode, SubjectStats } from "heddle"

/** What a node does in a second. */
export interface NodeRates {
  readonly node: string
  readonly name: string
  readonly pid: number
  /** Per cent of one core. */
  readonly cpu: number
  /** Bytes. */
  readonly memory: number
  readonly messagesSent: number
  readonly messagesReceived: number
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly dropped: number
  /** Messages that wait now: for links, and for handlers. */
  readonly queued: number
  readonly requests: number
  readonly tasks: number
  readonly roundTrip: number
}

/** What happens on a subject in a second, at all nodes together. */
export interface SubjectRates {
  readonly subject: string
  readonly published: number
  readonly received: number
  /** Bytes of payload that were published. */
  readonly bytes: number
  /** Published since nodes count. */
  readonly total: number
}

export interface FabricRates {
  /** Sums over all nodes: messages published, bytes that went out. */
  readonly published: number
  readonly bytesSent: number
  readonly dropped: number
  readonly nodes: readonly NodeRates[]
  /** The busiest first. */
  readonly subjects: readonly SubjectRates[]
  readonly silent: readonly SilentNode[]
}

interface Seen {
  readonly at: number
  readonly stats: NodeStats
  readonly subjects: ReadonlyMap<string, SubjectStats>
}

/** As many subjects as a node tells of: when it told of fewer, one that it had not named was not there. */
const MOST_SUBJECTS = 200

/** From counters, asked again and again, to rates. */
export class Rates {
  private seen = new Map<string, Seen>()

  /** `now`: milliseconds. A node that is seen for the first time has no rates yet. Null at the very first time. */
  update({ nodes, silent }: FabricSurvey, now: number): FabricRates | null {
    const before = this.seen
    this.seen = new Map()
    const rates: NodeRates[] = []
    const subjects = new Map<string, SubjectRates>()
    for (const one of nodes) {
      const seen = before.get(one.node)
      const current = { at: now, stats: one, subjects: new Map(one.stats.subjects.map(each => [each.subject, each])) }
      this.seen.set(one.node, current)
      if (seen === undefined) {
        rates.push(nodeRates(one, one, 1))
        continue
      }
      const seconds = Math.max((now - seen.at) / 1000, 0.001)
      rates.push(nodeRates(one, seen.stats, seconds))
      for (const subject of one.stats.subjects) addSubject(subjects, subject, seen, seconds)
    }
    if (before.size === 0) return null
    const sum = (of: (one: NodeRates) => number): number => rates.reduce((total, one) => total + of(one), 0)
    const list = [...subjects.values()].sort((a, b) => b.published - a.published || b.received - a.received)
    return {
      published: list.reduce((total, one) => total + one.published, 0),
      bytesSent: sum(one => one.bytesSent),
      dropped: sum(one => one.dropped),
      nodes: rates.sort((a, b) => a.name.localeCompare(b.name) || a.node.localeCompare(b.node)),
      subjects: list,
      silent,
    }
  }
}

function nodeRates(now: NodeStats, before: NodeStats, seconds: number): NodeRates {
  const { stats } = now
  const rate = (name: "messagesSent" | "messagesReceived" | "bytesSent" | "bytesReceived" | "dropped"): number =>
    Math.max(0, stats[name] - before.stats[name]) / seconds
  const waiting = [...stats.peers, ...stats.takers].reduce((total, one) => total + one.queued, 0)
  return {
    node: now.node,
    name: now.name,
    pid: now.pid,
    cpu: Math.max(0, now.cpu - before.cpu) / seconds / 10,
    memory: now.memory,
    messagesSent: rate("messagesSent"),
    messagesReceived: rate("messagesReceived"),
    bytesSent: rate("bytesSent"),
    bytesReceived: rate("bytesReceived"),
    dropped: rate("dropped"),
    queued: waiting,
    requests: stats.requests,
    tasks: stats.tasks.outstanding,
    roundTrip: now.roundTrip,
  }
}

function addSubject(into: Map<string, SubjectRates>, now: SubjectStats, seen: Seen, seconds: number): void {
  const before = seen.subjects.get(now.subject) ?? (seen.subjects.size < MOST_SUBJECTS ? NONE : now)
  const known = into.get(now.subject)
  into.set(now.subject, {
    subject: now.subject,
    published: (known?.published ?? 0) + Math.max(0, now.messagesSent - before.messagesSent) / seconds,
    received: (known?.received ?? 0) + Math.max(0, now.messagesReceived - before.messagesReceived) / seconds,
    bytes: (known?.bytes ?? 0) + Math.max(0, now.bytesSent - before.bytesSent) / seconds,
    total: (known?.total ?? 0) + now.messagesSent,
  })
}

const NONE = { messagesSent: 0, messagesReceived: 0, bytesSent: 0 }
