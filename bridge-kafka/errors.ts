import { HeddleError } from "../core/errors.ts"

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
}

/** An error that came of talking to Kafka, with what to do about it. */
export class KafkaError extends HeddleError {
  readonly kind: ErrorKind
  readonly protocolName: string | undefined
  readonly outcome: "failed" | "unknown"
  readonly record: number | undefined

  constructor(kind: ErrorKind, text: string, details: KafkaErrorDetails = {}) {
    super("ERR_KAFKA", text, { cause: details.cause })
    this.kind = kind
    this.protocolName = details.protocolName
    this.outcome = details.outcome ?? "failed"
    this.record = details.record
  }
}
