import net from "node:net"
import { KafkaError } from "../errors.ts"
import { classify, codeOf, protocolError } from "./errors.ts"
import type { Base, Connection, Library } from "./load.ts"
import type { ClientSettings } from "./properties.ts"

type Done<T> = (error: Error | null, value?: T) => void
type Api = (connection: Connection, ...args: unknown[]) => void

interface TopicView {
  /** Node of each partition's leader; -1: it has none now. */
  readonly leaders: number[]
  readonly id: string
}

interface MetadataAnswer {
  brokers: { nodeId: number; host: string; port: number }[]
  clusterId: string | null
  topics: {
    errorCode: number
    name: string | null
    topicId: string
    partitions: { partitionIndex: number; leaderId: number }[]
  }[]
}

export type CoordinatorOf = "group" | "transaction"
/** Numbers of FindCoordinator's key types. */
const COORDINATOR_KEY = { group: 0, transaction: 1 } as const

/** The broker answered that another one is asked for this now. */
const MOVED = new Set([3, 5, 6, 8, 13, 14, 15, 16, 41, 74, 75])

/**
 * CONCURRENT_TRANSACTIONS: the broker still writes the markers of the transaction before, which takes it milliseconds. The usual
 * back-off would be most of the time of a transaction (Java's client waits 20 ms there instead of 100).
 */
const MARKERS_ARE_WRITTEN = 51
const MARKERS_WAIT = 2
const MARKERS_WAIT_MOST = 20

/**
 * Longest time that a connection may take at its end to give away what was written into it (milliseconds): to a broker that stands still
 * it never does, and the library waits for it.
 */
const FLUSH_MOST = 1_000

/** Only names may be told to a TLS server (SNI, RFC 6066). */
function isNamed(server: string): boolean {
  return !server.startsWith("[") && net.isIP(server.slice(0, server.lastIndexOf(":"))) === 0
}

function promised<T>(start: (done: Done<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((error, value) => (error ? reject(error) : resolve(value as T)))
  })
}

/**
 * Connections to a cluster, who leads what, and trying again. The library brings connections, authentication and the encoding of most
 * requests; what is asked when, of whom and for how long is decided here, because its own retries have no end (kafka.md 1.3, 5).
 * Producers and consumers each have their own: a broker answers one connection's requests one after the other.
 */
export class Cluster {
  readonly library: Library
  readonly settings: ClientSettings
  readonly brokers = new Map<number, { host: string; port: number }>()
  clusterId = ""
  closed = false
  private readonly base: Base
  private readonly topics = new Map<string, TopicView>()
  private readonly coordinators = new Map<string, number>()
  private readonly waiting = new Set<() => void>()

  /** `requestTimeout`: of this one's requests; some wait for others (a group's members) by design. */
  constructor(library: Library, settings: ClientSettings, requestTimeout = settings.requestTimeout) {
    this.library = library
    this.settings = settings
    this.base = new library.Base({
      clientId: settings.clientId,
      bootstrapBrokers: [...settings.bootstrap],
      connectTimeout: settings.connectTimeout,
      retries: 0,
      ...({ requestTimeout } as object),
      ...(settings.tls === undefined ? {} : { tls: settings.tls, tlsServerName: settings.bootstrap.some(isNamed) }),
      ...(settings.sasl === undefined ? {} : { sasl: settings.sasl }),
    })
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    for (const wake of this.waiting) wake()
    const sockets = [...this.base.connections].map(([, { socket }]) => socket)
    const timer = setTimeout(() => {
      for (const socket of sockets) socket?.destroy()
    }, FLUSH_MOST).unref()
    await this.base.close().catch(() => {})
    clearTimeout(timer)
  }

  /** Runs `attempt` until it succeeds, cannot succeed, or the time is over; then it rejects with what went wrong last. */
  async retry<T>(what: string, deadline: number, attempt: () => Promise<T>): Promise<T> {
    const end = performance.now() + deadline
    for (let tries = 0; ; tries++) {
      try {
        return await this.within(end - performance.now(), what, attempt())
      } catch (thrown) {
        const error = classify(thrown, what)
        if (MOVED.has(codeOf(thrown)) || codeOf(thrown) === 0) this.forget()
        if (!(error instanceof KafkaError) || error.kind !== "retriable" || this.closed) throw error
        const wait =
          codeOf(thrown) === MARKERS_ARE_WRITTEN
            ? Math.min(MARKERS_WAIT * 2 ** Math.min(tries, 10), MARKERS_WAIT_MOST)
            : this.backoff(tries)
        if (performance.now() + wait >= end) throw error
        await this.pause(wait)
        if (this.closed) throw error
      }
    }
  }

  /** Longer from try to try, and never the same for two instances that lost the same broker. */
  backoff(tries: number): number {
    const most = Math.min(this.settings.retryDelay * 2 ** Math.min(tries, 20), this.settings.retryDelayMost)
    return most * (0.5 + Math.random() / 2)
  }

  /** Ends early when this is closed. */
  pause(milliseconds: number): Promise<void> {
    return new Promise(resolve => {
      const wake = (): void => {
        clearTimeout(timer)
        this.waiting.delete(wake)
        resolve()
      }
      const timer = setTimeout(wake, milliseconds).unref()
      this.waiting.add(wake)
    })
  }

  private within<T>(milliseconds: number, what: string, work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const late = (): void => reject(new KafkaError("retriable", `${what}: no answer in time`, { outcome: "unknown" }))
      const timer = setTimeout(late, Math.max(milliseconds, 0)).unref()
      work.then(resolve, reject).finally(() => clearTimeout(timer))
    })
  }

  /** A request by its name in the protocol, in the newest version that both know. `node` null: any broker. */
  async call<T>(node: number | null, name: string, ...args: unknown[]): Promise<T> {
    const connection = await this.connection(node)
    const api = await promised<Api>(done => this.base[this.library.kGetApi](name, done as never))
    return promised<T>(done => api(connection, ...args, done))
  }

  /** The newest version of a request that the broker knows, and whether it knows it at all. */
  async version(name: string): Promise<{ minVersion: number; maxVersion: number } | undefined> {
    return (await this.base.listApis()).find(api => api.name === name)
  }

  connection(node: number | null): Promise<Connection> {
    if (this.closed) return Promise.reject(new KafkaError("fatal", "The Kafka driver is closed"))
    if (node === null) return this.anyConnection()
    const broker = this.brokers.get(node)
    if (broker === undefined) return Promise.reject(protocolError(8, `Finding broker ${node}`))
    return promised(done => this.base[this.library.kGetConnection](broker, done))
  }

  /** The brokers named by the user may all be gone by now while others of the cluster live. */
  private async anyConnection(): Promise<Connection> {
    try {
      return await promised<Connection>(done => this.base[this.library.kGetBootstrapConnection](done))
    } catch (error) {
      for (const broker of this.brokers.values()) {
        try {
          return await promised<Connection>(done => this.base[this.library.kGetConnection](broker, done))
        } catch {
          // The first error tells the user more: it names the servers of the configuration.
        }
      }
      throw error
    }
  }

  /** Forgets who leads what: it is asked again. */
  forget(): void {
    this.topics.clear()
    this.coordinators.clear()
  }

  /** Topics that do not exist are left out. Never creates one. */
  async describe(names: readonly string[] | null): Promise<Map<string, TopicView>> {
    let answer: MetadataAnswer
    try {
      answer = await this.call<MetadataAnswer>(null, "Metadata", names === null ? null : [...names], false, false)
    } catch (error) {
      // The library throws the answer away when one topic of it is in trouble; the error carries it.
      const carried = (error as { response?: MetadataAnswer }).response
      if (carried?.brokers === undefined) throw error
      answer = carried
    }
    this.clusterId = answer.clusterId ?? ""
    for (const { nodeId, host, port } of answer.brokers) this.brokers.set(nodeId, { host, port })
    const found = new Map<string, TopicView>()
    for (const topic of answer.topics) {
      if (topic.name === null || topic.partitions.length === 0) continue
      const leaders: number[] = []
      for (const partition of topic.partitions) leaders[partition.partitionIndex] = partition.leaderId
      const view = { leaders, id: topic.topicId }
      found.set(topic.name, view)
      // All topics of a cluster may be many, and few of them are ours.
      if (names !== null) this.topics.set(topic.name, view)
    }
    return found
  }

  /** Throws UNKNOWN_TOPIC_OR_PARTITION or LEADER_NOT_AVAILABLE. */
  leader(topic: string, partition: number): number {
    const leader = this.topics.get(topic)?.leaders[partition]
    if (leader === undefined) throw protocolError(3, `Finding the leader of ${topic}/${partition}`)
    if (leader < 0) throw protocolError(5, `Finding the leader of ${topic}/${partition}`)
    return leader
  }

  /** Makes `leader` know these. */
  async learn(topics: Iterable<string>): Promise<void> {
    const missing = [...topics].filter(topic => !this.topics.has(topic))
    if (missing.length > 0) await this.describe(missing)
  }

  topic(name: string): TopicView | undefined {
    return this.topics.get(name)
  }

  async coordinator(kind: CoordinatorOf, key: string): Promise<number> {
    const name = `${kind}:${key}`
    const known = this.coordinators.get(name)
    if (known !== undefined) return known
    interface Answer {
      coordinators: { nodeId: number; host: string; port: number; errorCode: number }[]
    }
    const answer = await this.call<Answer>(null, "FindCoordinator", COORDINATOR_KEY[kind], [key])
    const { nodeId, host, port, errorCode } = answer.coordinators[0]
    if (errorCode !== 0) throw protocolError(errorCode, `Finding the coordinator of ${kind} ${key}`)
    this.brokers.set(nodeId, { host, port })
    this.coordinators.set(name, nodeId)
    return nodeId
  }

  /** As `call`, of the coordinator. */
  async callCoordinator<T>(kind: CoordinatorOf, key: string, name: string, ...args: unknown[]): Promise<T> {
    return this.call<T>(await this.coordinator(kind, key), name, ...args)
  }
}
