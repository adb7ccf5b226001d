import { type CarryStats, carriedSubjects, carryStatsOf, withCarried } from "./carry/stats.ts"
import type { EdgeStats } from "./edge/stats.ts"
import type { ClientStats } from "./foreign/clients.ts"
import type { TroubleStats } from "./introspection/troubles.ts"
import type { Link } from "./link/link.ts"
import type { Node, Taker } from "./node.ts"

export interface TrafficStats {
  /** Published messages. */
  messagesSent: number
  messagesReceived: number
}

export interface PeerStats extends TrafficStats {
  readonly node: string
  readonly name: string
  readonly up: boolean
  bytesSent: number
  bytesReceived: number
  /** Messages dropped on the way to it, by policy. */
  dropped: number
  /** Messages that wait for room on the link, by policy. */
  queued: number
  /** Bytes that are kept until it acknowledges them. */
  unacknowledged: number
  /** Notices of membership that were not sent because the peer did not read; absent = none. */
  droppedNotices?: number
  /** Milliseconds that it last took to answer; -1 = not measured. `fabric.survey({ roundTrips: true })` has it measured. */
  roundTrip: number
}

export interface SubjectStats extends TrafficStats {
  readonly subject: string
  /** Bytes of payload. */
  bytesSent: number
  bytesReceived: number
}

export interface TakerStats {
  readonly kind: "subscription" | "service" | "worker"
  readonly pattern: string
  readonly queue: string
  /** Messages handled; requests answered; tasks done. */
  readonly handled: number
  readonly failed: number
  readonly queued: number
  readonly dropped: number
}

export interface FabricStats extends TrafficStats, TroubleStats {
  bytesSent: number
  bytesReceived: number
  dropped: number
  /** Requests without an answer. */
  requests: number
  tasks: {
    outstanding: number
    queued: number
    acknowledged: number
    redelivered: number
    /** Failed for good. */
    failed: number
    /** Of these, those that go on as tasks of another subject (`deadLetter`). */
    deadLettered: number
    /** Acknowledged when `ackWait` was over: ignored, another worker had got them. */
    late: number
  }
  peers: PeerStats[]
  /**
   * Subjects in use: up to 8,192 published here, and those that links have numbered. Where more are published, one counts from its
   * second message on.
   */
  subjects: SubjectStats[]
  takers: TakerStats[]
  /** Plain ZeroMQ clients that are connected to this node. */
  clients: ClientStats[]
  /** Groups that carry subjects; absent where the node has none. */
  carry?: CarryStats[]
  /** The door for WebSocket clients and plain HTTP; absent where the node has none. */
  edge?: EdgeStats
}

export function statsOf(node: Node): FabricStats {
  const { carry } = node
  const peers = [...node.peers.links.values()].map(link => withCarried(statsOfPeer(link), carry, link))
  const takers = [...node.wishes.takers()].map(statsOfTaker)
  const clients = node.foreignClients?.stats() ?? []
  const sum = (name: "messagesSent" | "messagesReceived" | "bytesSent" | "bytesReceived" | "dropped"): number =>
    peers.reduce((total, peer) => total + peer[name], 0)
  const { tasks } = node
  return {
    messagesSent: sum("messagesSent"),
    messagesReceived: sum("messagesReceived"),
    bytesSent: sum("bytesSent"),
    bytesReceived: sum("bytesReceived"),
    dropped: sum("dropped") + [...takers, ...clients].reduce((total, one) => total + one.dropped, 0),
    ...node.troubles.stats(),
    requests: node.requests.outstanding,
    tasks: {
      outstanding: tasks.outstanding,
      queued: tasks.queued,
      acknowledged: tasks.acknowledged,
      redelivered: tasks.redelivered,
      failed: tasks.failed,
      deadLettered: tasks.deadLettered,
      late: tasks.tooLate,
    },
    peers,
    subjects: subjectsOf(node),
    takers,
    clients,
    ...(carry !== null && { carry: carryStatsOf(carry) }),
    ...(node.edge !== null && { edge: node.edge.stats() }),
  }
}

function statsOfPeer(link: Link): PeerStats {
  return {
    node: link.node,
    name: link.name,
    up: link.up,
    messagesSent: link.outgoing.messages,
    messagesReceived: link.messagesIn + link.incoming.messages,
    bytesSent: link.bytesOut + (link.connection?.bytesSent ?? 0),
    bytesReceived: link.bytesIn + (link.connection?.bytesReceived ?? 0),
    dropped: link.droppedMessages,
    queued: link.backlog.length,
    unacknowledged: link.outgoing.bytes,
    ...(link.droppedNotices > 0 && { droppedNotices: link.droppedNotices }),
    roundTrip: link.roundTrip,
  }
}

export function statsOfTaker(taker: Taker): TakerStats {
  const { pattern, group } = taker.spec
  const common = { pattern, queue: group, queued: taker.queued }
  if ("delivered" in taker) {
    return {
      kind: "subscription",
      ...common,
      handled: taker.delivered,
      failed: taker.failed,
      dropped: taker.dropped + taker.droppedBefore,
    }
  }
  if ("answered" in taker)
    return { kind: "service", ...common, handled: taker.answered, failed: taker.failed, dropped: taker.refused }
  return { kind: "worker", ...common, handled: taker.done, failed: taker.failed, dropped: 0 }
}

function subjectsOf(node: Node): SubjectStats[] {
  const bySubject = new Map<string, SubjectStats>()
  const of = (subject: string): SubjectStats => {
    let stats = bySubject.get(subject)
    if (stats === undefined) {
      stats = { subject, messagesSent: 0, messagesReceived: 0, bytesSent: 0, bytesReceived: 0 }
      bySubject.set(subject, stats)
    }
    return stats
  }
  for (const topic of node.topics) {
    if (topic.messages === 0) continue
    const stats = of(topic.subject)
    stats.messagesSent += topic.messages
    stats.bytesSent += topic.size
  }
  for (const link of node.peers.links.values()) {
    for (const numbered of link.incoming.subjects) {
      if (numbered === undefined || numbered.messages === 0) continue
      const stats = of(numbered.subject)
      stats.messagesReceived += numbered.messages
      stats.bytesReceived += numbered.bytes
    }
  }
  for (const numbered of carriedSubjects(node.carry)) {
    const stats = of(numbered.subject)
    stats.messagesReceived += numbered.messages
    stats.bytesReceived += numbered.bytes
  }
  return [...bySubject.values()]
}
