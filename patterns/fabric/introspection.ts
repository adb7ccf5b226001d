import { HeddleError } from "../../core/errors.ts"
import { checkSubject } from "../../core/subject.ts"
import { Interest, SERVE } from "./interest.ts"
import {
  type FabricSurvey,
  MOST_LISTED,
  type NodeAnswer,
  readNodeStats,
  readTrace,
  type SilentNode,
  type Trace,
} from "./introspection/answers.ts"
import { RoundTrips } from "./introspection/round-trips.ts"
import type { Link } from "./link/link.ts"
import { Parcel } from "./link/parcel.ts"
import { FAILED } from "./link/records.ts"
import type { FabricMessage } from "./message.ts"
import type { Node, Taker } from "./node.ts"
import { encodeFailure } from "./requests/failures.ts"
import { RESERVED } from "./reserved.ts"
import { type SubjectStats, statsOf, statsOfTaker } from "./statistics.ts"
import type { Subscription } from "./subscription.ts"
import { Topic } from "./topics.ts"

/**
 * The number that a request names for the node itself, where others name a service. Numbers of wishes begin with 1; a node
 * that knows nothing of this answers as if a service had just ended.
 */
export const ITSELF = 0

/** Subjects in the answer of one node: more than any screen shows, and 20 kB of JSON instead of a megabyte. */
const MOST_SUBJECTS = 200

const STATS = new Topic(`${RESERVED}stats`)
const TRACE = new Topic(`${RESERVED}trace`)
const PING = new Topic(`${RESERVED}ping`)

/** Whom requests to a node itself are for: no service that anybody announced. */
const SPEC = {
  id: ITSELF,
  kind: SERVE,
  pattern: `${RESERVED}>`,
  group: "",
  targeted: true,
  policy: { policy: "drop-new", limit: 1, keep: 1, ttl: 0 },
  history: 0,
  capacity: 1,
} as const

/**
 * Nodes tell each other what they have to do with a subject, and their counters. No service is announced for it: each node can be asked,
 * and neither users' patterns nor their counts can meet these requests.
 */
export class Introspection {
  private readonly node: Node
  private readonly enabled: boolean
  /** Messages of each subject when the node was last asked: what has grown most since is worth telling. */
  private last = new Map<string, number>()
  private readonly roundTrips: RoundTrips

  /** `enabled`: others get answers. */
  constructor(node: Node, enabled: boolean) {
    this.node = node
    this.enabled = enabled
    this.roundTrips = new RoundTrips(
      () => node.peers.links.values(),
      (link, timeout) => this.askOne(link, PING, node.publishing.parcelOf(null, "json"), timeout),
    )
  }

  /** A peer asks. */
  asked(link: Link, id: number, message: FabricMessage): void {
    const { publishing } = this.node
    let parcel: Parcel
    let options = 0
    try {
      if (!this.enabled) throw new HeddleError("ENOTSUP", "introspection is switched off there")
      if (!link.outgoing.hasRoom()) throw new HeddleError("EAGAIN", "its link to us is full")
      parcel = publishing.parcelOf(this.answer(message.subject, message.data), "json")
      if (parcel.size > link.info.maxPayload)
        throw new HeddleError("EMSGSIZE", "its answer is larger than our maxPayload")
    } catch (error) {
      // Made here: it must fit even where payloads are limited to less.
      parcel = Parcel.failure(encodeFailure(error))
      options = FAILED
    }
    link.reply(id, options, parcel)
  }

  /** Throws EINVAL for an invalid subject. `timeout`: milliseconds. */
  async trace(subject: string, timeout: number): Promise<Trace> {
    checkSubject(subject)
    const { found, silent } = await this.ask(TRACE, { subject }, timeout, readTrace)
    return { subject, nodes: found, silent }
  }

  /** `roundTrips`: nodes measure their links meanwhile, and tell what the time before has shown. */
  async survey(timeout: number, roundTrips: boolean): Promise<FabricSurvey> {
    const { found, silent } = await this.ask(STATS, { roundTrips }, timeout, readNodeStats)
    return { nodes: found, silent }
  }

  /** All nodes at once, this one first. */
  private async ask<T extends NodeAnswer>(
    topic: Topic,
    data: unknown,
    timeout: number,
    read: (value: unknown, from: NodeAnswer) => T | null,
  ): Promise<{ found: T[]; silent: SilentNode[] }> {
    const { node } = this
    const parcel = node.publishing.parcelOf(data, "json")
    const self = { node: node.id, name: node.name, pid: process.pid, roundTrip: 0 }
    const found = [read(this.answer(topic.subject, data), self) as T]
    const silent: SilentNode[] = []
    const questions = [...node.peers.links.values()].map(async link => {
      const { node: id, name } = link
      const start = performance.now()
      try {
        const value = await this.askOne(link, topic, parcel, timeout)
        const answer = read(value, { node: id, name, pid: 0, roundTrip: performance.now() - start })
        if (answer === null) silent.push({ node: id, name, why: "its answer cannot be read" })
        else found.push(answer)
      } catch (error) {
        const late = error instanceof HeddleError && error.code === "ETIMEDOUT"
        silent.push({ node: id, name, why: late ? `no answer within ${timeout} ms` : reasonOf(error as Error) })
      }
    })
    await Promise.all(questions)
    return { found, silent }
  }

  private askOne(link: Link, topic: Topic, parcel: Parcel, timeout: number): Promise<unknown> {
    // A request that waits would be looked up by its subject, were the link to end: it is sent now or never.
    if (!link.up) return Promise.reject(new Error("its connection is down"))
    if (!link.outgoing.hasRoom()) return Promise.reject(new Error("it does not take what it was sent"))
    return new Promise((resolve, reject) => {
      const limits = { timeout, signal: undefined }
      this.node.requests.start(topic, new Interest(SPEC, link, null), parcel, limits, 1, {
        reply: message => {
          try {
            resolve(message?.data)
          } catch (error) {
            reject(error)
          }
        },
        failed: reject,
      })
    })
  }

  /** Throws for a question that is none. */
  private answer(subject: string, data: unknown): unknown {
    if (subject === PING.subject) return null
    if (subject === STATS.subject) {
      if ((data as { roundTrips?: unknown } | null | undefined)?.roundTrips === true) this.roundTrips.measure()
      return this.stats()
    }
    if (subject === TRACE.subject) {
      const wanted = (data as { subject?: unknown } | null | undefined)?.subject
      checkSubject(wanted as string)
      return this.matching(wanted as string)
    }
    throw new HeddleError("EINVAL", `nobody answers ${subject}`)
  }

  private stats() {
    const stats = statsOf(this.node)
    const { user, system } = process.cpuUsage()
    return {
      pid: process.pid,
      cpu: (user + system) / 1000,
      memory: process.memoryUsage.rss(),
      stats: {
        ...stats,
        peers: stats.peers.slice(0, MOST_LISTED),
        subjects: this.busiest(stats.subjects),
        takers: stats.takers.slice(0, MOST_LISTED),
        clients: stats.clients.slice(0, MOST_LISTED),
      },
    }
  }

  private busiest(subjects: readonly SubjectStats[]): SubjectStats[] {
    const { last } = this
    const now = new Map(subjects.map(one => [one.subject, one.messagesSent + one.messagesReceived]))
    this.last = now
    const grown = (one: SubjectStats): number => (now.get(one.subject) as number) - (last.get(one.subject) ?? 0)
    return [...subjects].sort((a, b) => grown(b) - grown(a)).slice(0, MOST_SUBJECTS)
  }

  private matching(subject: string) {
    const { topics } = this.node
    const local: Subscription[] = []
    topics.local.match(subject, local)
    const wishes: Interest[] = []
    topics.interests.match(subject, wishes)
    const own = wishes.filter(({ link }) => link === null).map(({ owner }) => owner as Taker)
    const takers: Taker[] = [...local, ...own]
    return {
      pid: process.pid,
      published: topics.find(subject)?.messages ?? 0,
      kept: topics.kept(subject),
      takers: takers.slice(0, MOST_LISTED).map(statsOfTaker),
      more: Math.max(0, takers.length - MOST_LISTED),
    }
  }
}

/** Without what the table says anyhow: which request it was, and to whom. */
function reasonOf({ message }: Error): string {
  return message.replace(/^Request to \S+( failed at .*?)?: /, "")
}
