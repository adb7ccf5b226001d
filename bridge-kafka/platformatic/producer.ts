import type { KafkaRecord, Producer, ProducerOptions, StoredAt } from "../driver.ts"
import { KafkaError } from "../errors.ts"
import { BatchSender, PRODUCER_LOST, ProducerIdentity, type Refusal } from "./batch-sender.ts"
import type { Cluster } from "./cluster.ts"
import { lanesOf, type PartitionLane } from "./partition-lane.ts"
import { Turns } from "./turns.ts"

export const DEADLINE = 30_000

interface Call {
  readonly records: readonly KafkaRecord[]
  readonly lanes: readonly PartitionLane[]
  readonly stored: (StoredAt | null)[]
  refusal: KafkaError | null
  readonly refused: Set<PartitionLane>
}

/** A new identity: no transaction, any broker. Explicit -1: the library's 0 would be taken for an id (kafka.md 1.3, 1). */
async function newIdentity(cluster: Cluster): Promise<ProducerIdentity> {
  interface Answer {
    producerId: bigint
    producerEpoch: number
  }
  const answer = await cluster.call<Answer>(null, "InitProducerId", null, DEADLINE, -1n, -1)
  return new ProducerIdentity(answer.producerId, answer.producerEpoch)
}

export function newCall(records: readonly KafkaRecord[], batchBytes: number): Call {
  const stored = new Array<StoredAt | null>(records.length).fill(null)
  return { records, lanes: lanesOf(records, batchBytes), stored, refusal: null, refused: new Set() }
}

/** Lanes that have more to send. */
export function unfinished(call: Call): PartitionLane[] {
  return call.lanes.filter(lane => !lane.finished && !call.refused.has(lane))
}

/** Notes where the batch that a lane has under way was stored. */
export function noteStored(call: Call, lane: PartitionLane, offset: number): void {
  const { topic, partition, places, done } = lane
  const count = lane.batch?.count ?? 0
  for (let i = 0; i < count; i++) {
    call.stored[places[done + i]] = { topic, partition, offset: offset < 0 ? -1 : offset + i }
  }
}

export function noteRefusals(call: Call, refusals: readonly Refusal[]): void {
  for (const { error, lane } of refusals) {
    call.refused.add(lane)
    call.refusal ??= error
  }
}

/** Idempotent unless told otherwise: a batch sent again after a lost answer is known by its numbers (KIP-98). */
export class PlainProducer implements Producer {
  private readonly cluster: Cluster
  private readonly idempotent: boolean
  private readonly deadline: number
  private readonly sender: BatchSender
  private readonly turns = new Turns()
  private identity: ProducerIdentity | null = null
  /** A call that was given up: when the same records come again, it goes on where it stood. */
  private interrupted: Call | null = null

  constructor(cluster: Cluster, options: ProducerOptions) {
    this.cluster = cluster
    const acks = options.acks ?? -1
    this.idempotent = options.idempotent ?? acks === -1
    if (this.idempotent && acks !== -1) {
      throw new KafkaError("fatal", "An idempotent producer needs acks -1; set idempotent to false for acks 0 and 1")
    }
    this.deadline = options.deadline ?? DEADLINE
    this.sender = new BatchSender(cluster, { compression: options.compression ?? "none", acks, transactionalId: null })
  }

  produce(records: readonly KafkaRecord[]): Promise<StoredAt[]> {
    return this.turns.take(() => this.store(records))
  }

  transact(): Promise<StoredAt[]> {
    return Promise.reject(new KafkaError("fatal", "transact() needs a transactionalId; this producer has none"))
  }

  close(): Promise<void> {
    return this.cluster.close()
  }

  private async store(records: readonly KafkaRecord[]): Promise<StoredAt[]> {
    const call = this.resumed(records) ?? newCall(records, this.cluster.settings.batchBytes)
    this.interrupted = null
    const end = performance.now() + this.deadline
    try {
      for (;;) {
        const lanes = unfinished(call)
        if (lanes.length === 0) break
        await this.cluster.retry("Storing records", end - performance.now(), () => this.round(call))
      }
    } catch (error) {
      this.sender.abandon()
      this.interrupted = call
      throw error
    }
    if (call.refusal === null) return call.stored as StoredAt[]
    const { kind, message, protocolName, record } = call.refusal
    throw new KafkaError(kind, message, { protocolName, record, stored: call.stored })
  }

  private async round(call: Call): Promise<void> {
    const identity = await this.known()
    try {
      const sink = { stored: (lane: PartitionLane, offset: number) => noteStored(call, lane, offset) }
      noteRefusals(call, await this.sender.round(unfinished(call), identity, sink))
    } catch (error) {
      // At least once: what the broker has refused for its own loss is sent again by another.
      if (error instanceof KafkaError && PRODUCER_LOST.has(error.protocolName ?? "")) this.identity = null
      throw error
    }
  }

  private async known(): Promise<ProducerIdentity> {
    if (this.identity !== null) return this.identity
    this.identity = this.idempotent ? await newIdentity(this.cluster) : new ProducerIdentity()
    return this.identity
  }

  private resumed(records: readonly KafkaRecord[]): Call | null {
    const call = this.interrupted
    if (call === null) return null
    if (call.records.length === records.length && call.records.every((record, index) => record === records[index])) {
      return call
    }
    // Whether the broker has counted the batches that were given up is not known: numbers begin again, for another.
    if (call.lanes.some(lane => lane.ambiguous)) this.identity = null
    return null
  }
}
