import { deadLetterHeaders, excerptOf, isErrorHeader } from "../dead-letter.ts"
import type { KafkaHeader } from "../driver.ts"
import { KafkaError } from "../errors.ts"
import { failureOf, messageOf } from "../failure.ts"
import { CODEC, SUBJECT } from "../mapping/headers.ts"
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

/** Kafka refused the dead letter too, mostly because it is too large, as its record was. */
export class LetterRefused extends KafkaError {
  readonly original: unknown

  /** `original`: what was wrong with the record. */
  constructor(original: unknown) {
    super("poison", messageOf(original), { cause: original })
    this.original = original
  }
}

/** Bytes of the payload in the second attempt: below every limit that somebody sets. */
const EXCERPT = 16 * 1024
/** Bytes of headers up to which the record keeps its own in the second attempt. */
const HEADERS = 16 * 1024

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

  replace(record: SpoolRecord, refusal: unknown): BridgeRecord | null {
    const again = refusal instanceof LetterRefused
    const error = again ? refusal.original : refusal
    const { connector, tolerance, topic, headers } = this.policy
    if (tolerance === "none") {
      throw new KafkaError(
        "fatal",
        `Record ${record.sequence} of ${record.subject} can never pass: ${messageOf(error)}; mend it, or set errors.tolerance to all`,
        { cause: error },
      )
    }
    if (topic === null) return null
    const context = { connector, task: record.shard, headers }
    const made = deadLetterHeaders(record, failureOf(error, "KAFKA_PRODUCE"), context)
    const [value, letterHeaders] = again ? excerptOf(record.value, fewer(made), EXCERPT) : [record.value, made]
    return {
      subject: record.subject,
      topic,
      partition: -1,
      key: Buffer.from(record.subject),
      value,
      headers: letterHeaders,
      timestamp: record.timestamp,
    }
  }

  replaced(record: SpoolRecord, error: unknown, kept: boolean): void {
    if (kept) this.counters.deadLetters++
    else this.counters.poisonDropped++
    this.listener(record, error instanceof LetterRefused ? error.original : error, kept)
  }
}

/** Those of the error alone, where all together are what is too large. */
function fewer(headers: readonly KafkaHeader[]): readonly KafkaHeader[] {
  let size = 0
  for (const [name, value] of headers) size += name.length + value.length
  return size <= HEADERS
    ? headers
    : headers.filter(([name]) => isErrorHeader(name) || name === SUBJECT || name === CODEC)
}
