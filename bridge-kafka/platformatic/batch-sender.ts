import type { Compression } from "../driver.ts"
import { KafkaError } from "../errors.ts"
import type { Cluster } from "./cluster.ts"
import { sealBatch } from "./encode-batch.ts"
import { classify, protocolError } from "./errors.ts"
import type { PartitionLane } from "./partition-lane.ts"
import { type PartitionAnswer, type PartitionBatch, produce, produceVersion } from "./produce-request.ts"

/** A broker takes 100 MiB in one request by default (socket.request.max.bytes); a quarter leaves room for other settings. */
const REQUEST_BYTES = 25 * 1024 * 1024

/** The batch is in the log already: what was asked for is there, its offset has been forgotten. */
const DUPLICATE = 46
const TOO_LARGE = new Set([10, 18])
/** The broker does not know the producer, or has lost its numbers. */
export const PRODUCER_LOST: ReadonlySet<string> = new Set(["OUT_OF_ORDER_SEQUENCE_NUMBER", "UNKNOWN_PRODUCER_ID"])

/** Who the broker takes us for, and how far we have counted in each partition. */
export class ProducerIdentity {
  readonly id: bigint
  readonly epoch: number
  private readonly next = new Map<string, number>()

  constructor(id = -1n, epoch = -1) {
    this.id = id
    this.epoch = epoch
  }

  sequence(lane: PartitionLane): number {
    return this.id < 0n ? -1 : (this.next.get(`${lane.topic}/${lane.partition}`) ?? 0)
  }

  count(lane: PartitionLane, records: number): void {
    if (this.id < 0n) return
    // Numbers go round behind 2^31 - 1.
    this.next.set(`${lane.topic}/${lane.partition}`, (this.sequence(lane) + records) % 0x8000_0000)
  }
}

export interface SenderOptions {
  readonly compression: Compression
  readonly acks: -1 | 0 | 1
  readonly transactionalId: string | null
}

export interface Refusal {
  readonly error: KafkaError
  readonly lane: PartitionLane
}

/** Sends the next batch of each lane to who leads its partition: one batch a partition at a time, so that order holds. */
export class BatchSender {
  private readonly cluster: Cluster
  private readonly options: SenderOptions
  private version = 0
  /** Raised when a caller has given up: answers to what was sent before do not count any more. */
  private turn = 0

  constructor(cluster: Cluster, options: SenderOptions) {
    this.cluster = cluster
    this.options = options
  }

  abandon(): void {
    this.turn++
  }

  /**
   * One round. Returns lanes whose next batch was refused for good; rejects with the first error that is none of theirs,
   * after all answers have been taken note of.
   */
  async round(lanes: readonly PartitionLane[], identity: ProducerIdentity): Promise<Refusal[]> {
    const { turn } = this
    if (this.version === 0) this.version = produceVersion(await this.cluster.version("Produce"))
    await this.cluster.learn(new Set(lanes.map(lane => lane.topic)))
    const requests = await this.requests(lanes, identity)
    if (turn !== this.turn) return []
    const refusals: Refusal[] = []
    const results = await Promise.allSettled(
      requests.map(async ({ leader, sent, batches }) => {
        for (const lane of sent) lane.ambiguous = true
        const answers = await this.send(leader, batches)
        if (turn !== this.turn) return
        const failure = this.settle(sent, answers, identity, refusals)
        if (failure !== null) throw failure
      }),
    )
    for (const result of results) if (result.status === "rejected") throw result.reason
    return refusals
  }

  private async send(leader: number, batches: PartitionBatch[]): Promise<PartitionAnswer[]> {
    const { acks, transactionalId } = this.options
    const connection = await this.cluster.connection(leader)
    const timeout = this.cluster.settings.requestTimeout
    const request = { version: this.version, transactionalId, acks, timeout, batches }
    try {
      return await produce(this.cluster.library, connection, request)
    } catch (error) {
      throw classify(error, `Storing records at broker ${leader}`, { outcome: "unknown" })
    }
  }

  private async requests(lanes: readonly PartitionLane[], identity: ProducerIdentity) {
    const byLeader = new Map<
      number,
      { leader: number; sent: PartitionLane[]; batches: PartitionBatch[]; bytes: number }
    >()
    const { library } = this.cluster
    for (const lane of lanes) {
      const leader = this.cluster.leader(lane.topic, lane.partition)
      let request = byLeader.get(leader)
      if (request === undefined) {
        request = { leader, sent: [], batches: [], bytes: 0 }
        byLeader.set(leader, request)
      }
      // The others wait for the next round.
      if (request.bytes > REQUEST_BYTES) continue
      const encoded = await lane.prepare(library, this.options.compression)
      const transactional = this.options.transactionalId !== null
      const sender = { id: identity.id, epoch: identity.epoch, sequence: identity.sequence(lane), transactional }
      const bytes = sealBatch(library, encoded, this.options.compression, sender)
      request.sent.push(lane)
      request.batches.push({ topic: lane.topic, partition: lane.partition, bytes })
      request.bytes += bytes.length
    }
    return [...byLeader.values()]
  }

  /** Returns the error that the round ends with, or null. */
  private settle(
    sent: readonly PartitionLane[],
    answers: readonly PartitionAnswer[],
    identity: ProducerIdentity,
    refusals: Refusal[],
  ): KafkaError | null {
    let failure: KafkaError | null = null
    for (const lane of sent) {
      const answer = answers.find(({ topic, partition }) => topic === lane.topic && partition === lane.partition)
      if (answer === undefined && this.options.acks !== 0) {
        failure ??= new KafkaError("retriable", `${lane.topic}/${lane.partition}: the broker did not answer about it`)
        continue
      }
      const code = answer?.code ?? 0
      if (code === 0 || code === DUPLICATE) {
        identity.count(lane, lane.batch?.count ?? 0)
        lane.advance(code === 0 ? (answer?.offset ?? -1) : -1)
        continue
      }
      const error = this.refused(lane, answer as PartitionAnswer)
      if (error.kind !== "retriable") lane.ambiguous = false
      if (TOO_LARGE.has(code) && lane.halve()) failure ??= new KafkaError("retriable", error.message)
      else if (error.kind === "poison") refusals.push({ error, lane })
      else if (failure === null || failure.kind === "retriable") failure = error
    }
    return failure
  }

  private refused(lane: PartitionLane, { code, record, said }: PartitionAnswer): KafkaError {
    // A batch of one needs no finger to point.
    const index = record >= 0 ? record : lane.batch?.count === 1 ? 0 : -1
    const place = index < 0 ? undefined : lane.places[lane.done + index]
    return protocolError(code, `Storing records in ${lane.topic}/${lane.partition}`, { said, record: place })
  }
}
