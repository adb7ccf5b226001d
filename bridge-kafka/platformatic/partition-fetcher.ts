import type { Batch, ReadLimits, TopicPartition } from "../driver.ts"
import { KafkaError } from "../errors.ts"
import type { Cluster } from "./cluster.ts"
import { classify, protocolError } from "./errors.ts"
import { type Fetched, fetch } from "./fetch-request.ts"

/** Batches of one partition that may wait to be taken: one in the hand and one behind it. */
const MOST_WAITING = 2
/** How long the broker may wait for the other partitions while one of its own has more to be fetched soon (milliseconds). */
const SHORT_WAIT = 20
const OUT_OF_RANGE = 1

export interface FetcherOptions {
  readonly maxWait: number
  readonly maxBytes: number
  readonly committedOnly: boolean
  readonly limits?: ReadLimits
  /** Where to go on when the log does not reach to where we are any more. */
  readonly outOfRange: (place: TopicPartition) => Promise<readonly { offset: number }[]>
}

interface Position extends TopicPartition {
  offset: number
  paused: boolean
  /** Being given up: nothing more of it is fetched or handed out. */
  held: boolean
  fetching: boolean
  waiting: number
}

/** Fetches partitions from their leaders, one request a broker at a time, as far as somebody takes what was fetched. */
export class PartitionFetcher {
  private readonly cluster: Cluster
  private readonly options: FetcherOptions
  private readonly positions = new Map<string, Position>()
  private readonly busy = new Set<number>()
  private queue: { position: Position; batch: Batch }[] = []
  private taker: (() => void) | null = null
  private failure: KafkaError | null = null
  private ended = false
  private failures = 0
  private looking = false

  constructor(cluster: Cluster, options: FetcherOptions) {
    this.cluster = cluster
    this.options = options
  }

  get partitions(): readonly TopicPartition[] {
    return [...this.positions.values()].map(({ topic, partition }) => ({ topic, partition }))
  }

  has(place: TopicPartition): boolean {
    return this.positions.has(keyOf(place))
  }

  add(places: readonly (TopicPartition & { offset: number })[]): void {
    for (const { topic, partition, offset } of places) {
      const position = { topic, partition, offset, paused: false, held: false, fetching: false, waiting: 0 }
      this.positions.set(keyOf(position), position)
    }
  }

  hold(places: readonly TopicPartition[]): void {
    for (const position of this.known(places)) position.held = true
  }

  remove(places: readonly TopicPartition[]): void {
    for (const place of places) this.positions.delete(keyOf(place))
    this.queue = this.queue.filter(({ position }) => this.positions.get(keyOf(position)) === position)
  }

  pause(places: readonly TopicPartition[]): void {
    for (const position of this.known(places)) position.paused = true
  }

  resume(places: readonly TopicPartition[]): void {
    for (const position of this.known(places)) position.paused = false
    this.taker?.()
    this.pump()
  }

  fail(error: KafkaError): void {
    this.failure = error
    this.taker?.()
  }

  end(): void {
    this.ended = true
    this.taker?.()
  }

  /** The next batch; null at the end. `check` runs before one is handed out. Rejects with what ended it. */
  async next(check: () => void): Promise<Batch | null> {
    for (;;) {
      if (this.ended) return null
      if (this.failure !== null) throw this.failure
      check()
      const index = this.queue.findIndex(({ position }) => !position.paused && !position.held)
      if (index >= 0) {
        const [{ position, batch }] = this.queue.splice(index, 1)
        position.waiting--
        this.pump()
        return batch
      }
      await new Promise<void>(resolve => {
        this.taker = resolve
      })
      this.taker = null
    }
  }

  /** Starts what may be fetched. */
  pump(): void {
    if (this.ended || this.failure !== null) return
    const byLeader = new Map<number, Position[]>()
    for (const position of this.positions.values()) {
      if (position.paused || position.held || position.fetching || position.waiting >= MOST_WAITING) continue
      const leader = this.leaderOf(position)
      if (leader < 0) {
        this.lookUp()
        continue
      }
      if (this.busy.has(leader)) continue
      const others = byLeader.get(leader)
      if (others === undefined) byLeader.set(leader, [position])
      else others.push(position)
    }
    for (const [leader, positions] of byLeader) this.fetchFrom(leader, positions)
  }

  /** Negative: nobody leads it, as far as we know. */
  private leaderOf({ topic, partition }: TopicPartition): number {
    return this.cluster.topic(topic)?.leaders[partition] ?? -1
  }

  private *known(places: readonly TopicPartition[]): Generator<Position> {
    for (const place of places) {
      const position = this.positions.get(keyOf(place))
      if (position !== undefined) yield position
    }
  }

  private async lookUp(): Promise<void> {
    if (this.looking) return
    this.looking = true
    try {
      await this.cluster.describe([...new Set([...this.positions.values()].map(({ topic }) => topic))])
      // Brokers that answer at once that nobody leads it would be asked without a pause.
      if ([...this.positions.values()].some(position => this.leaderOf(position) < 0)) await this.rest()
      this.looking = false
      this.pump()
    } catch (error) {
      this.looking = false
      await this.recover(error)
    }
  }

  private async fetchFrom(leader: number, positions: readonly Position[]): Promise<void> {
    this.busy.add(leader)
    for (const position of positions) position.fetching = true
    const { maxBytes, committedOnly, limits } = this.options
    const backlog = this.queue.some(({ position }) => !position.paused)
    const maxWait = backlog ? Math.min(SHORT_WAIT, this.options.maxWait) : this.options.maxWait
    const from = positions.map(({ topic, partition, offset }) => ({ topic, partition, offset }))
    let trouble: unknown = null
    try {
      const connection = await this.cluster.connection(leader)
      const options = { maxWait, maxBytes, committedOnly, limits, marks: true }
      const fetched = await fetch(this.cluster.library, connection, from, options)
      for (const part of fetched) trouble = (await this.settle(part)) ?? trouble
    } catch (error) {
      trouble = error
    }
    this.busy.delete(leader)
    for (const position of positions) position.fetching = false
    if (trouble !== null) return this.recover(trouble)
    this.failures = 0
    this.pump()
  }

  private async settle(fetched: Fetched): Promise<KafkaError | null> {
    const { topic, partition, code, records, next } = fetched
    const position = this.positions.get(keyOf(fetched))
    // It was given up, or given up and taken again, while the broker answered.
    if (position === undefined || !position.fetching || this.ended) return null
    if (code === OUT_OF_RANGE) {
      const [{ offset }] = await this.options.outOfRange({ topic, partition })
      position.offset = offset
      return null
    }
    if (code !== 0) return protocolError(code, `Reading ${topic}/${partition}`)
    position.offset = next
    if (records.length > 0) {
      position.waiting++
      this.queue.push({ position, batch: { topic, partition, records } })
      this.taker?.()
    }
    return null
  }

  private async recover(thrown: unknown): Promise<void> {
    if (this.ended) return
    const error = classify(thrown, "Reading records")
    if (error instanceof KafkaError && error.kind === "retriable") {
      await this.rest()
      this.cluster.forget()
      this.pump()
      return
    }
    this.fail(error instanceof KafkaError ? error : new KafkaError("fatal", error.message, { cause: error }))
  }

  private rest(): Promise<void> {
    return this.cluster.pause(this.cluster.backoff(this.failures++))
  }
}

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}/${partition}`
}
