import { Backoff } from "../backoff.ts"
import type { KafkaDriver, Places, Producer, ProducerOptions, StoredAt } from "../driver.ts"
import { type ErrorKind, KafkaError } from "../errors.ts"
import { failureOf } from "../failure.ts"
import { Batch, type BatchSources } from "./batch.ts"
import { readCheckpoint } from "./checkpoint.ts"
import type { SinkCounters } from "./counters.ts"
import { packingOf } from "./list-packing.ts"
import { LetterRefused } from "./poison.ts"
import type { Shard } from "./shard.ts"

export interface LaneSettings {
  /** Milliseconds from the start of one batch to the next, unless there is enough for a full one, or a publisher waits for an answer. The first after a pause never waits. */
  readonly linger: number
  /** Bytes of a batch of one partition. */
  readonly batchBytes: number
  readonly producer: ProducerOptions
  /** Milliseconds. */
  readonly retryMin: number
  readonly retryMax: number
}

export interface LaneHost extends BatchSources {
  readonly driver: KafkaDriver
  readonly settings: LaneSettings
  readonly counters: SinkCounters
  /** That record of the journal is stored. */
  done(sequence: number): void
  /** A batch is settled: so much memory is free. */
  settled(freed: number): void
  /** Something that is tried again went wrong; null = it went well. */
  trouble(error: unknown): void
  /** The shard is taken over: it can be served. */
  taken(shard: Shard): void
  /** Another instance has the shard. */
  fenced(shard: Shard): void
  /** The connector cannot go on. */
  failed(error: unknown): void
}

/** One shard with its own transactions. */
export interface ExactlyOnce {
  readonly shard: Shard
  readonly transactionalId: string
  readonly checkpointTopic: string
  /** Partitions that this topic must have. */
  readonly shards: number
}

/** Records in a batch at most: lists of them, and the answers, stay small. */
const MOST_RECORDS = 16_384

/** Of one request: each partition has a batch of its own in it, and of a topic with many partitions some have to wait. */
const MOST_BATCHES = 4

/** Records that are written down ahead at a time: fewer cost more by the turns than they save. */
const WORTHWHILE = 2_048

/** Milliseconds that a batch on its way is waited for at the end. Then its outcome is unknown: it is sent again by whoever is next. */
const CLOSE_GRACE = 2_000

/**
 * A producer with one batch on its way at a time, so that nothing overtakes (SINK-1). At-least-once shares one for all shards; in
 * exactly-once each shard has its own, because its transactional id fences (SINK-5).
 */
export class Lane {
  private readonly host: LaneHost
  private readonly exactlyOnce: ExactlyOnce | null
  private shards: Shard[] = []
  private producer: Producer | null = null
  /** The same records again: an idempotent producer knows them. */
  private again: Batch | null = null
  /** At-least-once: on its way, and what was taken behind it. */
  private sent: Batch | null = null
  private next: Batch | null = null
  private preparing = false
  /** Refused, by the sequence in the journal: in the next attempt something stands in their place. */
  private readonly condemned = new Map<number, unknown>()
  /** Of a batch of which something was refused: what was stored nevertheless, by the sequence in the journal. */
  private readonly already = new Map<number, StoredAt | null>()
  /** Records in a batch, less while one that Kafka refuses is looked for. */
  private most = MOST_RECORDS
  private turn = 0
  /** A transactional producer is of no use after an error. */
  private broken = false
  private lastStart = Number.NEGATIVE_INFINITY
  private wakeUp: (() => void) | null = null
  private wantsFull = false
  private readonly abort = new AbortController()
  private readonly backoff: Backoff
  private running: Promise<void> | null = null
  private rounds = 0
  private inRound = false
  private trying = Number.POSITIVE_INFINITY
  private waiters: (() => void)[] = []

  constructor(host: LaneHost, exactlyOnce: ExactlyOnce | null) {
    this.host = host
    this.exactlyOnce = exactlyOnce
    this.backoff = new Backoff({ min: host.settings.retryMin, max: host.settings.retryMax })
    if (exactlyOnce !== null) this.shards = [exactlyOnce.shard]
  }

  start(): void {
    this.running ??= this.run()
  }

  /** Since when Kafka owes an answer, by `performance.now`; infinite when it owes none. */
  get owedSince(): number {
    return this.inRound ? this.lastStart : this.trying
  }

  /** A shard more, for a lane that has no transactions. */
  add(shard: Shard): void {
    if (!this.shards.includes(shard)) this.shards.push(shard)
    this.wake()
  }

  /** Resolves when nothing of the shard is on its way. */
  async remove(shard: Shard): Promise<void> {
    this.shards = this.shards.filter(one => one !== shard)
    await this.roundIsOver()
    // Others of the batch go again, perhaps twice: at least once.
    this.again = null
    this.next = null
    this.wake()
  }

  /** Nothing of the shard is sent until it is added again, as it is, or removed. */
  hold(shard: Shard): void {
    this.shards = this.shards.filter(one => one !== shard)
  }

  /** There is more to send. */
  wake(): void {
    if (this.wakeUp === null) {
      this.prepareSoon()
      return
    }
    if (this.wantsFull && this.waiting() < this.host.settings.batchBytes && !this.isAwaited()) return
    this.wakeUp()
  }

  /** Ends after the batch that is on its way. */
  async close(): Promise<void> {
    this.abort.abort()
    this.wakeUp?.()
    const grace = setTimeout(() => void this.drop(), CLOSE_GRACE)
    // Kafka may be away for longer than anybody wants to wait; nothing has left the journal.
    await Promise.race([this.running, aborted(AbortSignal.timeout(2 * CLOSE_GRACE))])
    clearTimeout(grace)
    await this.drop()
  }

  private async run(): Promise<void> {
    const { signal } = this.abort
    while (!signal.aborted) {
      try {
        if (this.producer === null && (this.exactlyOnce !== null || this.hasRecords())) {
          this.trying = performance.now()
          await this.open()
          this.trying = Number.POSITIVE_INFINITY
        }
        if (signal.aborted) break
        if (!this.hasRecords() || this.again?.isOf(this.shards) === false) await this.pause(0)
        else {
          await this.linger()
          if (signal.aborted) break
          await this.round()
          this.backoff.reset()
        }
      } catch (error) {
        if (signal.aborted || !(await this.recover(error))) break
      } finally {
        this.trying = Number.POSITIVE_INFINITY
        this.inRound = false
        this.rounds++
        for (const waiter of this.waiters.splice(0)) waiter()
      }
    }
  }

  private async open(): Promise<void> {
    const { host, exactlyOnce } = this
    const { producer: options } = host.settings
    if (exactlyOnce === null) {
      this.producer = await this.unlessClosed(await host.driver.producer(options))
      return
    }
    const { shard, transactionalId, checkpointTopic, shards } = exactlyOnce
    await host.topics.resolve(checkpointTopic)
    const count = host.topics.count(checkpointTopic)
    if (count !== shards) {
      throw new KafkaError(
        "fatal",
        `${checkpointTopic} has ${count} partitions, and shards is ${shards}; all instances need the same number. To change it, stop them all when their spools are empty, and delete the topic`,
      )
    }
    // Fences the former owner and ends its transaction: what is read afterwards is the last word.
    const producer = await host.driver.producer({ ...options, transactionalId })
    try {
      this.abort.signal.throwIfAborted()
      if (shard.ledger !== null)
        await readCheckpoint(host.driver, checkpointTopic, shard.number, shard.ledger, this.abort.signal)
    } catch (error) {
      await producer.close().catch(() => {})
      throw error
    }
    this.producer = await this.unlessClosed(producer)
    if (this.producer === null) return
    host.counters.takeOvers++
    host.taken(shard)
  }

  /** It came after nobody waited for it any more. */
  private async unlessClosed(producer: Producer): Promise<Producer | null> {
    if (!this.abort.signal.aborted) return producer
    await producer.close().catch(() => {})
    return null
  }

  private async round(): Promise<void> {
    const { host } = this
    const batch = this.again ?? this.build()
    if (batch.length === 0) {
      if (batch.obstacle !== null) await this.clear(batch)
      return
    }
    this.inRound = true
    this.lastStart = performance.now()
    const stored = batch.packing.length
    const places = stored === 0 ? [] : await this.sendAndPrepare(batch)
    this.again = null
    const { counters } = host
    const freed = batch.settle(places, this.exactlyOnce !== null, sequence => {
      if (this.condemned.size > 0) this.condemned.delete(sequence)
      if (this.already.size > 0) this.already.delete(sequence)
      host.done(sequence)
    })
    counters.stored += stored
    counters.storedBytes += batch.bytes
    counters.batches++
    if (this.most < MOST_RECORDS) this.most = Math.min(this.most * 2, MOST_RECORDS)
    host.trouble(null)
    host.settled(freed)
    const refreshed = host.topics.refresh()
    if (refreshed !== null) await refreshed
  }

  private build(): Batch {
    const { next, shards } = this
    this.next = null
    const batch = next?.isOf(shards) === true ? next : this.empty()
    batch.fill(this.turned(), this.most, this.limit, this.condemned, this.already)
    // Whoever needs it asks again.
    batch.obstacle?.gone.catch(() => {})
    return batch
  }

  /** Once all that this turn brings is there. */
  private prepareSoon(): void {
    if (this.sent === null || this.preparing) return
    this.preparing = true
    setImmediate(() => {
      this.preparing = false
      this.prepare()
    })
  }

  /** While Kafka is at work on one batch, the next is written down: it is sent as soon as the answer comes. */
  private prepare(): void {
    const { sent, condemned, already } = this
    if (sent === null || this.producer === null || condemned.size + already.size > 0 || this.most < MOST_RECORDS) return
    let waiting = -sent.length - (this.next?.length ?? 0)
    for (const { length } of this.shards) waiting += length
    if (waiting < WORTHWHILE) return
    this.next ??= this.empty()
    this.next.prepare(this.turned(), sent, this.most, this.limit)
  }

  private empty(): Batch {
    return new Batch(this.host, packingOf(this.producer as Producer, this.exactlyOnce !== null))
  }

  /** Bytes of one request, roughly. */
  private get limit(): number {
    return MOST_BATCHES * this.host.settings.batchBytes
  }

  /** Each shard is the first in its turn. */
  private turned(): Shard[] {
    const { shards } = this
    const first = this.turn++ % shards.length
    return [...shards.slice(first), ...shards.slice(0, first)]
  }

  /** What is not on its way must not be prepared behind: its records leave their shards in a moment. */
  private async sendAndPrepare(batch: Batch): Promise<Places> {
    if (this.exactlyOnce === null) this.sent = batch
    this.prepareSoon()
    try {
      return await this.send(batch)
    } finally {
      this.sent = null
    }
  }

  private async send(batch: Batch): Promise<Places> {
    try {
      if (this.exactlyOnce !== null)
        batch.addCheckpoint(this.exactlyOnce.checkpointTopic, this.exactlyOnce.shard, Date.now())
      return await batch.packing.send()
    } catch (error) {
      if (kindOf(error) !== "retriable") this.next = null
      if (this.exactlyOnce !== null) {
        this.broken = true
        this.host.counters.aborted++
      }
      if (kindOf(error) === "poison") {
        if (this.exactlyOnce === null) {
          const before = this.already.size
          batch.storedInPart((error as KafkaError).stored ?? [], this.already)
          this.host.counters.stored += this.already.size - before
        }
        this.findPoison(batch, error as KafkaError)
      } else if (this.exactlyOnce === null && kindOf(error) === "retriable") this.again = batch
      throw error
    }
  }

  /** What stands in the way of the oldest record: a topic to be found or made, a schema to be fetched. */
  private async clear({ obstacle }: Batch): Promise<void> {
    const { gone, record } = obstacle as NonNullable<Batch["obstacle"]>
    try {
      await Promise.race([gone, aborted(this.abort.signal)])
    } catch (error) {
      if (kindOf(error) !== "poison") throw error
      this.condemn(record.sequence, error)
    }
  }

  /** One of the batch was refused: the one that Kafka names, otherwise it is looked for by halves. */
  private findPoison(batch: Batch, error: KafkaError): void {
    const named = error.record === undefined ? null : batch.originOf(error.record)
    if (named !== null) this.condemn(named.sequence, error)
    else if (batch.entries <= 1) {
      const only = batch.originOf(0)
      // Without an origin it is the checkpoint that is refused.
      if (only === null) throw new KafkaError("fatal", `Kafka refuses a checkpoint: ${error.message}`, { cause: error })
      this.condemn(only.sequence, error)
    } else this.most = Math.ceil(batch.entries / 2)
  }

  private condemn(sequence: number, error: unknown): void {
    const before = this.condemned.get(sequence)
    if (before !== undefined && !(before instanceof LetterRefused)) {
      this.condemned.set(sequence, new LetterRefused(before))
      return
    }
    if (before !== undefined) {
      throw new KafkaError(
        "fatal",
        `The dead letter of a record is refused too: ${(error as Error).message}; mend the dead-letter topic, or see to it that such records are not published`,
        { cause: error },
      )
    }
    this.condemned.set(sequence, error)
  }

  /** False: the lane ends. */
  private async recover(error: unknown): Promise<boolean> {
    const { host, exactlyOnce } = this
    const kind = kindOf(error)
    if (this.broken || kind === "fenced") await this.drop()
    if (kind === "poison") return true
    if (kind === "fenced" && exactlyOnce !== null) {
      host.counters.fenced++
      host.fenced(exactlyOnce.shard)
      return false
    }
    if (kind === "fatal") {
      host.failed(error)
      return false
    }
    host.counters.retries++
    host.trouble(error)
    return await this.backoff.wait(this.abort.signal)
  }

  private async drop(): Promise<void> {
    const { producer } = this
    this.producer = null
    this.again = null
    this.next = null
    this.broken = false
    await producer?.close().catch(() => {})
  }

  private hasRecords(): boolean {
    return this.shards.some(one => one.length > 0)
  }

  private waiting(): number {
    let bytes = 0
    for (let i = 0; i < this.shards.length; i++) bytes += this.shards[i].bytes
    return bytes
  }

  private isAwaited(): boolean {
    for (let i = 0; i < this.shards.length; i++) if (this.shards[i].awaited > 0) return true
    return false
  }

  private async linger(): Promise<void> {
    const { linger, batchBytes } = this.host.settings
    const left = this.lastStart + linger - performance.now()
    if (
      left <= 0 ||
      this.isAwaited() ||
      this.again !== null ||
      this.most < MOST_RECORDS ||
      this.waiting() >= batchBytes
    )
      return
    this.wantsFull = true
    await this.pause(left)
    this.wantsFull = false
  }

  /** Until `wake`, and for so many milliseconds at most; 0 = as long as it takes. */
  private pause(milliseconds: number): Promise<void> {
    return new Promise(resolve => {
      let timer: NodeJS.Timeout | undefined
      this.wakeUp = () => {
        this.wakeUp = null
        clearTimeout(timer)
        resolve()
      }
      if (this.abort.signal.aborted) this.wakeUp()
      else if (milliseconds > 0) timer = setTimeout(() => this.wakeUp?.(), milliseconds).unref()
    })
  }

  private async roundIsOver(): Promise<void> {
    const { rounds } = this
    while (this.inRound && this.rounds === rounds) await new Promise<void>(resolve => this.waiters.push(resolve))
  }
}

function kindOf(error: unknown): ErrorKind {
  return failureOf(error, "KAFKA_PRODUCE").kind
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    else signal.addEventListener("abort", () => resolve(), { once: true })
  })
}
