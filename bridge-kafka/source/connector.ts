import { Backoff } from "../backoff.ts"
import type { Batch, Beginning, Consumer, StoredRecord, TopicPartition } from "../driver.ts"
import { KafkaError } from "../errors.ts"
import { type Failure, failureOf, messageOf } from "../failure.ts"
import { ToFabric } from "../mapping/to-fabric.ts"
import { SourceCounters } from "./counters.ts"
import type { DeadLetters } from "./dead-letters.ts"
import { type Delivery, type DeliveryHost, lastOf, sizeOf } from "./delivery.ts"
import { Flow } from "./flow.ts"
import { SourcePartition } from "./partition.ts"
import { deliveryOf } from "./parts.ts"
import type { SourceParts, SourceSettings } from "./settings.ts"
import { type SourceState, type SourceStatus, statusOf } from "./status.ts"
import { Watchdog } from "./watchdog.ts"

/** Milliseconds that a consumer may take to leave its group, besides what revoking takes. */
const CLOSE_TIMEOUT = 5_000

/** Topics of Kafka as messages of the fabric (SPEC: Source). One instance of one connector; the others share its group. */
export class SourceConnector implements DeliveryHost {
  readonly name: string
  readonly counters = new SourceCounters()
  state: SourceState = "stopped"
  private readonly settings: SourceSettings
  private readonly parts: SourceParts
  private readonly mapping: ToFabric
  private readonly letters: DeadLetters
  private readonly delivery: Delivery
  private readonly flow: Flow
  private readonly backoff: Backoff
  private readonly partitions = new Map<string, SourcePartition>()
  /** Records by topic. */
  private readonly taken = new Map<string, number>()
  private consumer: Consumer | null = null
  private paused = false
  private failure: Failure | null = null
  private ending = new AbortController()
  private loop: Promise<void> | null = null
  private interrupt: ((error: unknown) => void) | null = null
  private commitTimer: NodeJS.Timeout | undefined
  private watchdog: Watchdog | null = null
  private committing: Promise<void> = Promise.resolve()
  private flowing = false
  /** Counts consumers. */
  private generation = 0

  /** Throws ERR_CONFIG. */
  constructor(settings: SourceSettings, parts: SourceParts) {
    const { name, subject, delivery: kind, maxInFlight } = settings
    const { fabricId, bridge, clusterId: cluster, maxHops } = parts
    this.name = name
    this.settings = settings
    this.parts = parts
    this.backoff = new Backoff({ min: settings.errorsRetryDelayMinMs, max: settings.errorsRetryDelayMaxMs })
    const toWorkers = kind === "acked"
    this.mapping = new ToFabric({ fabricId, bridge, connector: name, cluster, subject, maxHops, toWorkers })
    const { letters, delivery } = deliveryOf(this, this.mapping, settings, parts)
    this.letters = letters
    this.delivery = delivery
    const bytes = settings.bufferMemoryBytes
    // Published, they are gone as soon as the links take them; only their bytes count.
    const records = kind === "acked" ? maxInFlight * 4 : Number.POSITIVE_INFINITY
    this.flow = new Flow({ records, bytes, partitionRecords: records / 2, partitionBytes: bytes / 2 }, this.counters)
  }

  get topics(): readonly string[] {
    return this.settings.topics
  }

  /** Records that came from one of them. */
  recordsOf(topic: string): number {
    return this.taken.get(topic) ?? 0
  }

  get running(): boolean {
    return !this.paused && !this.ending.signal.aborted
  }

  /** Begins, and goes on by itself until `stop`: what time mends is tried again. Idempotent. */
  start(): void {
    if (this.loop !== null) return
    this.ending = new AbortController()
    this.state = "starting"
    const { driver } = this.parts
    const { offsetFlushIntervalMs, groupId, isolationLevel } = this.settings
    this.commitTimer = setInterval(() => void this.commit(), offsetFlushIntervalMs)
    this.commitTimer.unref()
    this.watchdog = new Watchdog({
      driver,
      group: groupId,
      isolation: isolationLevel,
      partitions: () => this.partitions.values(),
      patience: this.settings.watchdogMs,
      stalled: ({ topic, partition }) => {
        this.counters.stalls++
        this.again(`the consumer of ${topic}/${partition} stands still although there are records`)
      },
    })
    this.loop = this.run()
  }

  /** Nothing new is delivered; the group is not left. What is with subscribers and workers is finished and committed. */
  pause(): void {
    this.paused = true
    if (this.state === "running") this.state = "paused"
    this.applyFlow()
  }

  /** Goes on; what stands because of a record that cannot pass, or has failed, is tried once more. */
  resume(): void {
    this.paused = false
    if (this.state === "paused") this.state = "running"
    if (this.state === "failed") {
      void this.restart()
      return
    }
    for (const { stop } of this.partitions.values()) {
      if (stop === null) continue
      this.again("resumed")
      return
    }
    this.delivery.wake()
    this.applyFlow()
  }

  async restart(): Promise<void> {
    await this.stop()
    this.start()
  }

  /** Finishes what is under way, for a bounded time, commits, and leaves the group. Idempotent. */
  async stop(): Promise<void> {
    this.ending.abort()
    clearInterval(this.commitTimer)
    this.watchdog?.stop()
    this.interrupt?.(null)
    await this.loop
    this.loop = null
    await this.letters.close()
    this.state = "stopped"
  }

  status(): SourceStatus {
    const { name, state, failure, counters, mapping } = this
    return {
      name,
      state,
      error: failure === null ? null : messageOf(failure.error),
      partitions: [...this.partitions.values()].map(statusOf),
      counters: { ...counters },
      loops: mapping.loops,
      headersDropped: mapping.headersDropped,
    }
  }

  /** Records that the group has not delivered, by partition of this instance; asks Kafka. */
  async lag(): Promise<(TopicPartition & { lag: number })[]> {
    const { driver } = this.parts
    const { isolationLevel: isolation } = this.settings
    const topics = [...new Set([...this.partitions.values()].map(({ topic }) => topic))]
    const ends = new Map(
      await Promise.all(topics.map(async topic => [topic, await driver.offsets(topic, "latest", isolation)] as const)),
    )
    return [...this.partitions.values()].flatMap(({ topic, partition, tracker }) => {
      const end = ends.get(topic)?.get(partition)
      return end === undefined || tracker.position < 0
        ? []
        : [{ topic, partition, lag: Math.max(0, end - tracker.position) }]
    })
  }

  /** @internal */
  unloaded(partition: SourcePartition, records: number, bytes: number): void {
    this.flow.unloaded(partition, records, bytes)
    // Once for all that are delivered in this turn.
    if (this.flowing) return
    this.flowing = true
    setImmediate(() => {
      this.flowing = false
      this.applyFlow()
    })
  }

  /** @internal */
  setAside(record: StoredRecord, failure: Failure, kept: boolean): void {
    this.parts.setAside?.(record, failure, kept)
  }

  /** @internal */
  stopped(partition: SourcePartition): void {
    // The fabric is closed, or something else that no other record would be spared: the partitions are for others.
    if (partition.stop?.failure.kind === "fatal") this.interrupt?.(partition.stop.failure.error)
    this.delivery.forget(partition)
    this.flow.forget(partition)
    this.applyFlow()
  }

  private async run(): Promise<void> {
    const { signal } = this.ending
    while (!signal.aborted) {
      let error: unknown = null
      try {
        const consumer = await this.join()
        this.consumer = consumer
        this.state = this.paused ? "paused" : "running"
        this.applyFlow()
        // Partitions may have come before it was known here: where they begin.
        void this.commit()
        error = await new Promise<unknown>(resolve => {
          this.interrupt = resolve
          if (signal.aborted) resolve(null)
          const ended = (): void =>
            resolve(new KafkaError("retriable", `The consumer of ${this.settings.groupId} has ended`))
          this.consume(consumer).then(ended, resolve)
        })
      } catch (thrown) {
        error = thrown
      }
      this.interrupt = null
      await this.leave()
      if (signal.aborted) return
      this.failure = failureOf(error, "KAFKA_CONSUME")
      if (this.failure.kind === "fatal") {
        this.state = "failed"
        return
      }
      this.state = "starting"
      this.counters.restarts++
      if (!(await this.backoff.wait(signal))) return
    }
  }

  private async join(): Promise<Consumer> {
    const { topics, groupId, isolationLevel, start, consumer: overrides } = this.settings
    const { driver } = this.parts
    // A consumer that took too long to end may still speak; what the next one has is not its affair.
    const generation = ++this.generation
    const current = (): boolean => generation === this.generation
    return driver.consumer({
      group: groupId,
      topics,
      protocol: overrides.groupProtocol ?? undefined,
      isolation: isolationLevel,
      start: start === "committed-or-earliest" ? "earliest" : "latest",
      maxWait: overrides.fetchMaxWaitMs,
      maxBytes: overrides.fetchMaxBytes,
      limits: { batchBytes: overrides.fetchMaxUnpackedBytes, recordBytes: overrides.fetchMaxRecordBytes },
      sessionTimeout: overrides.sessionTimeoutMs ?? undefined,
      assigned: partitions => void (current() && this.assigned(partitions)),
      revoked: async partitions => void (current() && (await this.revoked(partitions))),
      lost: partitions => void (current() && this.lost(partitions)),
    })
  }

  private async consume(consumer: Consumer): Promise<void> {
    for await (const batch of consumer) {
      if (consumer !== this.consumer) return
      this.take(batch)
    }
  }

  private take({ topic, partition: number, records }: Batch): void {
    const partition = this.partitions.get(keyOf(topic, number))
    if (partition === undefined || !partition.open || records.length === 0) return
    this.backoff.reset()
    this.failure = null
    // A client that fetches again from an offset before would make duplicates, and turn the order round.
    const fresh =
      records[0].offset < partition.read ? records.filter(({ offset }) => offset >= partition.read) : records
    if (fresh.length === 0) return
    let bytes = 0
    for (let i = 0; i < fresh.length; i++) bytes += sizeOf(fresh[i])
    partition.read = lastOf(fresh[fresh.length - 1]) + 1
    this.counters.records += fresh.length
    this.taken.set(topic, this.recordsOf(topic) + fresh.length)
    this.counters.bytes += bytes
    this.flow.loaded(partition, fresh.length, bytes)
    this.delivery.accept(partition, fresh)
    this.applyFlow()
  }

  private assigned(partitions: readonly Beginning[]): void {
    let unknown = false
    for (const one of partitions) {
      const key = keyOf(one.topic, one.partition)
      if (this.partitions.has(key)) continue
      const partition = new SourcePartition(one)
      this.partitions.set(key, partition)
      this.counters.assigned++
      if (one.committed) continue
      // Otherwise what comes before the first commit is skipped by whoever begins at the end then.
      partition.tracker.passed(one.offset - 1)
      unknown = true
    }
    this.applyFlow()
    if (unknown) void this.commit()
  }

  private async revoked(partitions: readonly TopicPartition[]): Promise<void> {
    const ours = this.find(partitions)
    await Promise.all(ours.map(partition => partition.settle(this.settings.revokeTimeoutMs)))
    await this.commit()
    for (const partition of ours) this.drop(partition)
    this.counters.revoked += ours.length
  }

  private lost(partitions: readonly TopicPartition[]): void {
    const ours = this.find(partitions)
    for (const partition of ours) this.drop(partition)
    this.counters.lost += ours.length
  }

  private find(partitions: readonly TopicPartition[]): SourcePartition[] {
    return partitions.flatMap(({ topic, partition }) => this.partitions.get(keyOf(topic, partition)) ?? [])
  }

  private drop(partition: SourcePartition): void {
    partition.abandon()
    this.delivery.forget(partition)
    this.flow.forget(partition)
    this.partitions.delete(keyOf(partition.topic, partition.partition))
  }

  /** Commits what is delivered without a gap, if it is more than before. Never rejects: the next time says it again. */
  private commit(): Promise<void> {
    this.committing = this.committing.then(() => this.commitNow())
    return this.committing
  }

  private async commitNow(): Promise<void> {
    const { consumer } = this
    if (consumer === null) return
    const due = [...this.partitions.values()].filter(({ tracker, committed }) => tracker.position > committed)
    if (due.length === 0) return
    const offsets = due.map(({ topic, partition, tracker }) => ({ topic, partition, offset: tracker.position }))
    try {
      await consumer.commit(offsets)
      for (const [i, partition] of due.entries()) partition.committed = offsets[i].offset
      this.counters.commits++
    } catch (error) {
      this.counters.commitFailures++
      const failure = failureOf(error, "KAFKA_CONSUME")
      this.failure = failure
      // The group does not know us any more: what we have somebody else has.
      if (failure.kind !== "retriable") this.interrupt?.(error)
    }
  }

  private again(why: string): void {
    this.interrupt?.(new KafkaError("retriable", `Source ${this.name} begins again: ${why}`))
  }

  /** What is under way is finished, committed, and given up. */
  private async leave(): Promise<void> {
    await Promise.all([...this.partitions.values()].map(partition => partition.settle(this.settings.revokeTimeoutMs)))
    const { consumer } = this
    if (consumer !== null) {
      const limit = this.settings.revokeTimeoutMs + CLOSE_TIMEOUT
      // A consumer that stands still may do so here, too.
      await within(
        this.commit().then(() => consumer.close()),
        limit,
      )
      this.consumer = null
    }
    for (const partition of [...this.partitions.values()]) this.drop(partition)
  }

  private applyFlow(): void {
    if (this.consumer !== null) this.flow.apply(this.consumer, this.partitions.values(), !this.paused)
  }
}

function keyOf(topic: string, partition: number): string {
  return `${topic}/${partition}`
}

/** Resolves when it is over, well or not, or after so many milliseconds. */
async function within(work: Promise<unknown>, milliseconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>(resolve => {
    timer = setTimeout(resolve, milliseconds)
    timer.unref()
  })
  await Promise.race([work.catch(() => {}), late])
  clearTimeout(timer)
}
