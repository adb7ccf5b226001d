import { deadLetterHeaders } from "../dead-letter.ts"
import { KafkaError } from "../errors.ts"
import { failureOf, messageOf } from "../failure.ts"
import type { BridgeRecord } from "../record.ts"
import type { SpoolRecord } from "../spool/record-format.ts"
import type { Poison } from "./batch.ts"
import type { SinkCounters } from "./counters.ts"

export interface PoisonPolicy {
  readonly connector: string
  readonly tolerance: "none" | "all"
  /** null: what is set aside is dropped. */
  readonly topic: string | null
  /** errors.deadletterqueue.context.headers.enable */
  readonly headers: boolean
}

/** Told of each record that was set aside, once. */
export type SetAsideListener = (record: SpoolRecord, error: unknown, kept: boolean) => void

/** `errors.tolerance` for a sink: the dead letter takes the place of its record, in the same batch and transaction (SINK-7). */
export class SinkPoison implements Poison {
  private readonly policy: PoisonPolicy
  private readonly counters: SinkCounters
  private readonly listener: SetAsideListener

  constructor(policy: PoisonPolicy, counters: SinkCounters, listener: SetAsideListener) {
    this.policy = policy
    this.counters = counters
    this.listener = listener
  }

  replace(record: SpoolRecord, error: unknown): BridgeRecord | null {
    const { connector, tolerance, topic, headers } = this.policy
    if (tolerance === "none") {
      throw new KafkaError(
        "fatal",
        `Record ${record.sequence} of ${record.subject} can never pass: ${messageOf(error)}; mend it, or set errors.tolerance to all`,
        { cause: error },
      )
    }
    if (topic === null) return null
    return {
      subject: record.subject,
      topic,
      partition: -1,
      key: Buffer.from(record.subject),
      value: record.value,
      headers: deadLetterHeaders(record, failureOf(error, "KAFKA_PRODUCE"), { connector, task: record.shard, headers }),
      timestamp: record.timestamp,
    }
  }

  replaced(record: SpoolRecord, error: unknown, kept: boolean): void {
    if (kept) this.counters.deadLetters++
    else this.counters.poisonDropped++
    this.listener(record, error, kept)
  }
}
