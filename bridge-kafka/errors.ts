import { HeddleError } from "../core/errors.ts"
import type { StoredAt } from "./driver.ts"

/**
 * What to do about an error: wait and try again for ever; set this one record aside, the next may pass; stop, because
 * another instance has taken over; stop, because a person has to change something.
 */
export type ErrorKind = "retriable" | "poison" | "fenced" | "fatal"

export interface KafkaErrorDetails {
  cause?: unknown
  /** Name of the error in Kafka's protocol (RECORD_TOO_LARGE), where the broker said one. */
  protocolName?: string
  /** "unknown": it may have happened nevertheless. Default "failed". */
  outcome?: "failed" | "unknown"
  /** Which of the records given was refused, where the broker said so. */
  record?: number
  /** Of a call whose records were stored in part: where each is, null where it is not. */
  stored?: readonly (StoredAt | null)[]
}

/** An error that came of talking to Kafka, with what to do about it. */
export class KafkaError extends HeddleError {
  readonly kind: ErrorKind
  readonly protocolName: string | undefined
  readonly outcome: "failed" | "unknown"
  readonly record: number | undefined
  readonly stored: readonly (StoredAt | null)[] | undefined

  constructor(kind: ErrorKind, text: string, details: KafkaErrorDetails = {}) {
    super("ERR_KAFKA", text, { cause: details.cause })
    this.kind = kind
    this.protocolName = details.protocolName
    this.outcome = details.outcome ?? "failed"
    this.record = details.record
    this.stored = details.stored
  }
}

/**
 * Where in a record's way it went wrong: Connect's names (org.apache.kafka.connect.runtime.errors.Stage), which tools for
 * dead letters know, and MAPPING and SPOOL. TASK_POLL = taken from the fabric, TASK_PUT = handed to the fabric.
 */
export type Stage =
  | "TASK_POLL"
  | "MAPPING"
  | "TRANSFORMATION"
  | "KEY_CONVERTER"
  | "VALUE_CONVERTER"
  | "HEADER_CONVERTER"
  | "SPOOL"
  | "KAFKA_PRODUCE"
  | "KAFKA_CONSUME"
  | "TASK_PUT"

/** This one record can never pass. Whoever knows the stage or the class better than the caller throws this one. */
export class PoisonError extends KafkaError {
  readonly stage: Stage
  /** Transform, predicate or converter that refused it: "MaskField$Value". */
  readonly className: string | undefined

  constructor(stage: Stage, text: string, details: KafkaErrorDetails & { className?: string } = {}) {
    super("poison", text, details)
    this.stage = stage
    this.className = details.className
  }
}
