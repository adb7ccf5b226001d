import type { Batch, Beginning, Consumer, ConsumerOptions, TopicPartition } from "../driver.ts"
import { KafkaError } from "../errors.ts"
import { commitOffsets, groupOffsets } from "./admin.ts"
import { ClassicMembership } from "./classic-membership.ts"
import type { Cluster } from "./cluster.ts"
import { ConsumerMembership } from "./consumer-membership.ts"
import { type Membership, type MembershipEvents, REBALANCE_TIMEOUT } from "./membership.ts"
import { listOffsets } from "./offsets.ts"
import { PartitionFetcher } from "./partition-fetcher.ts"
import { DEADLINE } from "./producer.ts"

/** Kafka's default, of the broker for "consumer" groups and of clients for classic ones (milliseconds). */
const SESSION_TIMEOUT = 45_000
const MAX_WAIT = 500
const MAX_BYTES = 4 * 1024 * 1024

/** Of requests that wait for other members, as those of the classic protocol do: longer than they may wait. */
const WAITING_REQUESTS = REBALANCE_TIMEOUT + 30_000

interface Clusters {
  readonly members: Cluster
  readonly offsets: Cluster
  readonly records: Cluster
}

/** Reads topics as a member of a group. Nothing is committed but by `commit`. */
export class GroupConsumer implements Consumer, MembershipEvents {
  private readonly options: ConsumerOptions
  private readonly clusters: Clusters
  private readonly membership: Membership
  private readonly fetcher: PartitionFetcher
  private closing: Promise<void> | null = null

  private constructor(options: ConsumerOptions, clusters: Clusters) {
    this.options = options
    this.clusters = clusters
    const { group, topics, sessionTimeout = SESSION_TIMEOUT } = options
    const Member = options.protocol === "classic" ? ClassicMembership : ConsumerMembership
    this.membership = new Member(clusters.members, { group, topics, sessionTimeout, besides: clusters.offsets }, this)
    this.fetcher = new PartitionFetcher(clusters.records, {
      maxWait: options.maxWait ?? MAX_WAIT,
      maxBytes: options.maxBytes ?? MAX_BYTES,
      committedOnly: (options.isolation ?? "read_committed") === "read_committed",
      limits: options.limits,
      outOfRange: place => this.beginning([place]),
    })
  }

  /** Three ways to the brokers: a member that waits for others holds up neither commits nor records, and records hold up no heartbeat. */
  static async join(open: (timeout?: number) => Promise<Cluster>, options: ConsumerOptions): Promise<GroupConsumer> {
    const members = await open(options.protocol === "classic" ? WAITING_REQUESTS : undefined)
    const clusters = { members, offsets: await open(), records: await open() }
    const consumer = new GroupConsumer(options, clusters)
    try {
      const what = `Joining group ${options.group}`
      await members.retry(what, DEADLINE, () => members.coordinator("group", options.group))
    } catch (error) {
      await consumer.closeAll()
      throw error
    }
    consumer.membership.start()
    return consumer
  }

  get assignment(): readonly TopicPartition[] {
    return this.fetcher.partitions
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.fetcher.pause(partitions)
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.fetcher.resume(partitions)
  }

  async commit(offsets: readonly (TopicPartition & { readonly offset: number })[]): Promise<void> {
    if (offsets.length === 0) return
    const { group } = this.options
    await this.clusters.offsets.retry(`Committing offsets of group ${group}`, DEADLINE, async () => {
      this.membership.check()
      // A broker takes the commit of any member for any partition: one that is another's by now must not be set back.
      const foreign = offsets.find(place => !this.fetcher.has(place))
      if (foreign !== undefined) {
        const text = `Committing ${foreign.topic}/${foreign.partition}: it is not assigned to this member any more`
        throw new KafkaError("fenced", text)
      }
      await commitOffsets(this.clusters.offsets, group, offsets, this.membership.identity)
    })
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Batch> {
    for (;;) {
      const batch = await this.fetcher.next(() => this.membership.check())
      if (batch === null) return
      yield batch
    }
  }

  close(): Promise<void> {
    this.closing ??= this.leave()
    return this.closing
  }

  async assigned(partitions: readonly TopicPartition[], current: () => boolean): Promise<void> {
    const offsets = await this.beginning(partitions)
    if (!current()) return
    // Told first: the bridge may pause them before anything comes.
    this.fetcher.add(offsets)
    this.options.assigned?.(offsets)
    this.fetcher.pump()
  }

  async revoked(partitions: readonly TopicPartition[]): Promise<void> {
    this.fetcher.hold(partitions)
    try {
      await this.options.revoked?.(partitions)
    } finally {
      this.fetcher.remove(partitions)
    }
  }

  lost(partitions: readonly TopicPartition[], silent: boolean): void {
    this.fetcher.remove(partitions)
    this.options.lost?.(partitions, silent)
  }

  heard(error: unknown): void {
    this.options.heard?.(error)
  }

  failed(error: KafkaError): void {
    const partitions = this.assignment
    if (partitions.length > 0) this.lost(partitions, false)
    this.fetcher.fail(error)
  }

  /** Where to read on: where the group has committed, or where the options say. */
  private async beginning(partitions: readonly TopicPartition[]): Promise<Beginning[]> {
    const { offsets } = this.clusters
    const topics = [...new Set(partitions.map(({ topic }) => topic))]
    const committed = new Map<string, number>()
    for (const { topic, partition, offset } of await groupOffsets(offsets, this.options.group, topics)) {
      committed.set(`${topic}/${partition}`, offset)
    }
    const ranges = new Map<string, { first: Map<number, number>; start: Map<number, number> }>()
    for (const topic of topics) {
      const first = await listOffsets(offsets, topic, "earliest")
      const start = this.options.start === "earliest" ? first : await listOffsets(offsets, topic, "latest")
      ranges.set(topic, { first, start })
    }
    return partitions.map(({ topic, partition }) => {
      const { first, start } = ranges.get(topic) ?? { first: new Map(), start: new Map() }
      const known = committed.get(`${topic}/${partition}`)
      // What was committed may have been deleted since (retention): on with what is left, not with the newest.
      const offset = known === undefined ? start.get(partition) : Math.max(known, first.get(partition) ?? 0)
      return { topic, partition, offset: offset ?? 0, committed: known !== undefined }
    })
  }

  private async leave(): Promise<void> {
    this.fetcher.end()
    await this.membership.leave()
    await this.closeAll()
  }

  private async closeAll(): Promise<void> {
    const { members, offsets, records } = this.clusters
    await Promise.all([members.close(), offsets.close(), records.close()])
  }
}
