import type { KafkaRecord, Packing, Producer, ProducerOptions, StoredAt } from "../driver.ts"
import { KafkaError } from "../errors.ts"
import { BatchSender, ProducerIdentity } from "./batch-sender.ts"
import type { Call } from "./call.ts"
import type { Cluster } from "./cluster.ts"
import { classify } from "./errors.ts"
import { Packer } from "./packer.ts"
import type { PartitionLane } from "./partition-lane.ts"
import { DEADLINE } from "./producer.ts"
import { Turns } from "./turns.ts"

/** Below the broker's transaction.max.timeout.ms (15 minutes); long enough for a broker to fail over in. */
const TRANSACTION_TIMEOUT = 30_000
/** To tell the coordinator that a transaction is given up; the next producer of the id does it otherwise (milliseconds). */
const ABORT_DEADLINE = 2_000

/**
 * Transactions, one a call (KIP-98). Any error breaks it for good: the transaction is aborted, never committed, and the next producer of
 * the same id puts in order what may be left (kafka.md 1.3, 3).
 */
export class TransactionalProducer implements Producer {
  private readonly cluster: Cluster
  private readonly id: string
  private readonly deadline: number
  private readonly sender: BatchSender
  private readonly turns = new Turns()
  private readonly identity: ProducerIdentity
  private readonly packer: Packer
  private broken: KafkaError | null = null

  private constructor(cluster: Cluster, id: string, options: ProducerOptions, identity: ProducerIdentity) {
    this.cluster = cluster
    this.id = id
    this.deadline = options.deadline ?? DEADLINE
    this.identity = identity
    const compression = options.compression ?? "none"
    this.sender = new BatchSender(cluster, { compression, acks: -1, transactionalId: id })
    this.packer = new Packer(cluster.settings.batchBytes, true, call => this.turns.take(() => this.run(call)))
  }

  /** Fences every earlier producer of the id, and has its open transaction aborted, before it resolves. */
  static async open(cluster: Cluster, id: string, options: ProducerOptions): Promise<TransactionalProducer> {
    const timeout = options.transactionTimeout ?? TRANSACTION_TIMEOUT
    interface Answer {
      producerId: bigint
      producerEpoch: number
    }
    const answer = await cluster.retry(`Beginning as ${id}`, options.deadline ?? DEADLINE, () =>
      // -1 and -1: "whoever I am"; the library's 0 and 0 would be refused, or not fence (kafka.md 1.3, 1).
      cluster.callCoordinator<Answer>("transaction", id, "InitProducerId", id, timeout, -1n, -1),
    )
    const identity = new ProducerIdentity(answer.producerId, answer.producerEpoch)
    return new TransactionalProducer(cluster, id, options, identity)
  }

  produce(): Promise<StoredAt[]> {
    return Promise.reject(new KafkaError("fatal", "A transactional producer stores with transact() only"))
  }

  transact(records: readonly KafkaRecord[]): Promise<StoredAt[]> {
    return this.turns.take(async () => {
      const call = this.packer.callOf(records)
      await this.run(call)
      return call.places() as StoredAt[]
    })
  }

  pack(): Packing {
    return this.packer.pack()
  }

  close(): Promise<void> {
    return this.cluster.close()
  }

  private async run(call: Call): Promise<void> {
    if (this.broken !== null) {
      const text = "The transactional producer is broken by an earlier error: close it and make another of the same id"
      throw new KafkaError(this.broken.kind, text, { cause: this.broken })
    }
    if (call.length === 0) return
    const end = performance.now() + this.deadline
    try {
      await this.enter(call.lanes, end)
      while (call.unfinished().length > 0) {
        await this.cluster.retry("Storing records", end - performance.now(), async () => {
          call.refuse(await this.sender.round(call.unfinished(), this.identity))
        })
        if (call.refusal !== null) throw call.refusal
      }
    } catch (error) {
      const failure = this.fail(error)
      await this.abort()
      throw failure
    }
    await this.commit(end)
  }

  private fail(thrown: unknown): KafkaError {
    this.sender.abandon()
    const found = classify(thrown, `Transaction of ${this.id}`)
    // Whatever was said on the way, nothing of it is visible: it is not committed.
    const error =
      found instanceof KafkaError
        ? new KafkaError(found.kind, found.message, { ...found, cause: found.cause, outcome: "failed" })
        : new KafkaError("fatal", found.message, { cause: found })
    this.broken = error
    return error
  }

  private async enter(lanes: readonly PartitionLane[], end: number): Promise<void> {
    const topics = new Map<string, number[]>()
    for (const { topic, partition } of lanes) topics.set(topic, [...(topics.get(topic) ?? []), partition])
    const wanted = {
      transactionalId: this.id,
      producerId: this.identity.id,
      producerEpoch: this.identity.epoch,
      topics: [...topics].map(([name, partitions]) => ({ name, partitions })),
      verifyOnly: false,
    }
    const { addPartitionsToTxnV3 } = this.cluster.library
    await this.cluster.retry(`Beginning a transaction of ${this.id}`, end - performance.now(), async () => {
      const node = await this.cluster.coordinator("transaction", this.id)
      const connection = await this.cluster.connection(node)
      // Version 3 on purpose: from 4 on it is a request between brokers, and needs their rights.
      await addPartitionsToTxnV3.api.async(connection, [wanted])
    })
  }

  private async commit(end: number): Promise<void> {
    let sent = 0
    try {
      await this.cluster.retry(`Committing a transaction of ${this.id}`, end - performance.now(), () => {
        sent++
        return this.end(true)
      })
    } catch (thrown) {
      const failure = this.fail(thrown)
      // An answer to the only attempt says what happened; with two, the first may have done it.
      const certain = sent === 1 && failure.protocolName !== undefined
      if (certain) {
        await this.abort()
        throw failure
      }
      const { kind, message, protocolName, cause } = failure
      this.broken = new KafkaError(kind, `${message}; whether it was committed is not known`, {
        protocolName,
        cause,
        outcome: "unknown",
      })
      throw this.broken
    }
  }

  private async end(commit: boolean): Promise<void> {
    const { id, epoch } = this.identity
    await this.cluster.callCoordinator("transaction", this.id, "EndTxn", this.id, id, epoch, commit)
  }

  private async abort(): Promise<void> {
    if (this.broken?.kind === "fenced") return
    await this.cluster.retry("Aborting", ABORT_DEADLINE, () => this.end(false)).catch(() => {})
  }
}
