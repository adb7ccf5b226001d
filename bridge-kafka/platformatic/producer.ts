import type { KafkaRecord, Packing, Producer, ProducerOptions, StoredAt } from "../driver.ts"
import { KafkaError } from "../errors.ts"
import { BatchSender, PRODUCER_LOST, ProducerIdentity } from "./batch-sender.ts"
import type { Call } from "./call.ts"
import type { Cluster } from "./cluster.ts"
import { Packer } from "./packer.ts"
import { Turns } from "./turns.ts"

export const DEADLINE = 30_000

/** A new identity: no transaction, any broker. Explicit -1: the library's 0 would be taken for an id (kafka.md 1.3, 1). */
async function newIdentity(cluster: Cluster): Promise<ProducerIdentity> {
  interface Answer {
    producerId: bigint
    producerEpoch: number
  }
  const answer = await cluster.call<Answer>(null, "InitProducerId", null, DEADLINE, -1n, -1)
  return new ProducerIdentity(answer.producerId, answer.producerEpoch)
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
  private interrupted: { readonly call: Call; readonly records: readonly KafkaRecord[] | null } | null = null
  private readonly packer: Packer

  constructor(cluster: Cluster, options: ProducerOptions) {
    this.cluster = cluster
    const acks = options.acks ?? -1
    this.idempotent = options.idempotent ?? acks === -1
    if (this.idempotent && acks !== -1) {
      throw new KafkaError("fatal", "An idempotent producer needs acks -1; set idempotent to false for acks 0 and 1")
    }
    this.deadline = options.deadline ?? DEADLINE
    this.sender = new BatchSender(cluster, { compression: options.compression ?? "none", acks, transactionalId: null })
    this.packer = new Packer(cluster.settings.batchBytes, acks !== 0, call =>
      this.turns.take(() => this.store(call, null)),
    )
  }

  produce(records: readonly KafkaRecord[]): Promise<StoredAt[]> {
    return this.turns.take(async () => {
      const call = this.resumed(records) ?? this.packer.callOf(records)
      await this.store(call, records)
      return call.places() as StoredAt[]
    })
  }

  pack(): Packing {
    return this.packer.pack()
  }

  transact(): Promise<StoredAt[]> {
    return Promise.reject(new KafkaError("fatal", "transact() needs a transactionalId; this producer has none"))
  }

  close(): Promise<void> {
    return this.cluster.close()
  }

  private async store(call: Call, records: readonly KafkaRecord[] | null): Promise<void> {
    if (this.interrupted?.call !== call) this.giveUpInterrupted()
    this.interrupted = null
    const end = performance.now() + this.deadline
    try {
      while (call.unfinished().length > 0)
        await this.cluster.retry("Storing records", end - performance.now(), () => this.round(call))
    } catch (error) {
      this.sender.abandon()
      this.interrupted = { call, records }
      throw error
    }
    if (call.refusal === null) return
    const { kind, message, protocolName, record } = call.refusal
    throw new KafkaError(kind, message, { protocolName, record, stored: call.places() })
  }

  private async round(call: Call): Promise<void> {
    const identity = await this.known()
    try {
      call.refuse(await this.sender.round(call.unfinished(), identity))
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
    const before = this.interrupted
    if (before === null || before.records === null || before.records.length !== records.length) return null
    return before.records.every((record, index) => record === records[index]) ? before.call : null
  }

  /** Whether the broker has counted the batches that were given up is not known: numbers begin again, for another. */
  private giveUpInterrupted(): void {
    if (this.interrupted?.call.lanes.some(lane => lane.ambiguous) === true) this.identity = null
  }
}
