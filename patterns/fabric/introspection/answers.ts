/** What nodes tell about themselves, and how it is read: it comes from the network, so nothing in it is taken on trust. */
import { isSocketType } from "../../../core/socket-types.ts"
import type { PeerName } from "../events.ts"
import type { ClientStats } from "../foreign/clients.ts"
import type { FabricStats, PeerStats, SubjectStats, TakerStats } from "../statistics.ts"
import { DROP_REASONS, noDrops } from "./troubles.ts"

/** Entries of a list in an answer: enough for any table, and a bound for what one peer can make another keep. */
export const MOST_LISTED = 1_000

export interface NodeAnswer extends PeerName {
  readonly pid: number
  /** Milliseconds from the question to the answer; 0 for this node itself. */
  readonly roundTrip: number
}

/** A node that said nothing, and why. */
export interface SilentNode extends PeerName {
  readonly why: string
}

/** What one node has to do with a subject. */
export interface NodeTrace extends NodeAnswer {
  /** Messages that it has published to the subject, as far as it still knows it (the newest 8,192 subjects). */
  readonly published: number
  /** Messages of the subject that it keeps for late joiners. */
  readonly kept: number
  /** Its subscriptions, services and workers that match; 1,000 at most. */
  readonly takers: readonly TakerStats[]
  /** Others that match and are not listed. */
  readonly more: number
}

/** Who gets a subject, and from whom. */
export interface Trace {
  readonly subject: string
  readonly nodes: readonly NodeTrace[]
  readonly silent: readonly SilentNode[]
}

/** The counters of one node. */
export interface NodeStats extends NodeAnswer {
  /** Of its process, in milliseconds since it began. */
  readonly cpu: number
  /** Of its process, in bytes. */
  readonly memory: number
  /** `subjects` has the 200 busiest since the node was last asked. */
  readonly stats: FabricStats
}

/** The counters of all nodes. */
export interface FabricSurvey {
  readonly nodes: readonly NodeStats[]
  readonly silent: readonly SilentNode[]
}

type Fields = Readonly<Record<string, unknown>>

/** Null: it is no such answer. */
export function readTrace(value: unknown, from: NodeAnswer): NodeTrace | null {
  if (!isFields(value)) return null
  return {
    ...from,
    pid: count(value.pid),
    published: count(value.published),
    kept: count(value.kept),
    takers: list(value.takers, readTaker),
    more: count(value.more),
  }
}

/** Null: it is no such answer. */
export function readNodeStats(value: unknown, from: NodeAnswer): NodeStats | null {
  if (!isFields(value) || !isFields(value.stats)) return null
  const { stats } = value
  const tasks = isFields(stats.tasks) ? stats.tasks : {}
  return {
    ...from,
    pid: count(value.pid),
    cpu: count(value.cpu),
    memory: count(value.memory),
    stats: {
      ...traffic(stats),
      dropped: count(stats.dropped),
      dropReasons: readReasons(stats.dropReasons),
      gaps: count(stats.gaps),
      missing: count(stats.missing),
      requests: count(stats.requests),
      tasks: {
        outstanding: count(tasks.outstanding),
        queued: count(tasks.queued),
        acknowledged: count(tasks.acknowledged),
        redelivered: count(tasks.redelivered),
        failed: count(tasks.failed),
        deadLettered: count(tasks.deadLettered),
        late: count(tasks.late),
      },
      peers: list(stats.peers, readPeer),
      subjects: list(stats.subjects, one => ({ subject: text(one.subject), ...traffic(one) }) satisfies SubjectStats),
      takers: list(stats.takers, readTaker),
      clients: list(stats.clients, readClient).filter(client => client !== null),
    },
  }
}

function readPeer(one: Fields): PeerStats {
  return {
    node: text(one.node),
    name: text(one.name),
    up: one.up === true,
    ...traffic(one),
    dropped: count(one.dropped),
    queued: count(one.queued),
    unacknowledged: count(one.unacknowledged),
    roundTrip: typeof one.roundTrip === "number" && one.roundTrip >= 0 ? count(one.roundTrip) : -1,
  }
}

/** An older node counts no reasons. */
function readReasons(value: unknown): FabricStats["dropReasons"] {
  const reasons = noDrops()
  if (isFields(value)) for (const reason of DROP_REASONS) reasons[reason] = count(value[reason])
  return reasons
}

function readTaker(one: Fields): TakerStats {
  const { kind } = one
  return {
    kind: kind === "service" || kind === "worker" ? kind : "subscription",
    pattern: text(one.pattern),
    queue: text(one.queue),
    handled: count(one.handled),
    failed: count(one.failed),
    queued: count(one.queued),
    dropped: count(one.dropped),
  }
}

/** Null: of a type that this version does not know. */
function readClient(one: Fields): ClientStats | null {
  const type = text(one.type)
  if (!isSocketType(type)) return null
  return {
    type,
    address: text(one.address),
    ...traffic(one),
    queued: count(one.queued),
    dropped: count(one.dropped),
  }
}

function traffic(one: Fields) {
  return {
    messagesSent: count(one.messagesSent),
    messagesReceived: count(one.messagesReceived),
    bytesSent: count(one.bytesSent),
    bytesReceived: count(one.bytesReceived),
  }
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

function list<T>(value: unknown, read: (one: Fields) => T): T[] {
  return Array.isArray(value) ? value.slice(0, MOST_LISTED).filter(isFields).map(read) : []
}

function count(value: unknown): number {
  return typeof value === "number" && value >= 0 && Number.isFinite(value) ? value : 0
}

/** As long as any subject or name may be. */
function text(value: unknown): string {
  return typeof value === "string" ? value.slice(0, 1_024) : ""
}
