import { HeddleError } from "../core/errors.ts"
import { type ErrorKind, KafkaError, PoisonError, type Stage } from "./errors.ts"

/** What is known of something thrown, by whomever: the bridge's parts, a user's module, Node, a library. */
export interface Failure {
  readonly kind: ErrorKind
  readonly stage: Stage
  /** Transform, predicate or converter, where it was one. */
  readonly className: string | null
  readonly error: unknown
}

/** Errors of the operating system that pass: nobody answers, nothing is free. A full disk is a full spool (SPOOL-5). */
const PASSING: ReadonlySet<string> = new Set([
  "EAGAIN",
  "EBUSY",
  "ECONNABORTED",
  "ECONNREFUSED",
  "ECONNRESET",
  "EAI_AGAIN",
  "EDQUOT",
  "EHOSTDOWN",
  "EHOSTUNREACH",
  "EMFILE",
  "ENETDOWN",
  "ENETUNREACH",
  "ENFILE",
  "ENOBUFS",
  "ENOMEM",
  "ENOSPC",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
  "ERR_NO_RESPONDERS",
  // Somebody is stopping us: whether to go on is known to the one who retries, and nothing was decided about the record.
  "ABORT_ERR",
  "ECANCELED",
])

/** Errors of the fabric that are about one message. */
const ABOUT_THE_RECORD: ReadonlySet<string> = new Set(["EMSGSIZE", "ERR_CODEC", "ERR_VALIDATION", "EINVAL"])

/** Errors that a person has to mend, wherever they come from. */
const FOR_A_PERSON: ReadonlySet<string> = new Set([
  "ERR_CONFIG",
  "ERR_MISSING_PACKAGE",
  "ERR_SPOOL",
  "EIO",
  "EROFS",
  "EACCES",
  "EPERM",
])

/** Where code of others looks at one record: what it throws is the record's fault, as far as anybody can know. */
const LOOKS_AT_RECORDS: ReadonlySet<Stage> = new Set<Stage>([
  "MAPPING",
  "TRANSFORMATION",
  "KEY_CONVERTER",
  "VALUE_CONVERTER",
  "HEADER_CONVERTER",
])

/** Causes of causes that are looked at: chains may be circles. */
const DEEPEST = 8

/** Says what to do about anything that was thrown at `stage` (SINK-7); a PoisonError's own stage is better than it. */
export function failureOf(error: unknown, stage: Stage): Failure {
  if (error instanceof PoisonError)
    return { kind: "poison", stage: error.stage, className: error.className ?? null, error }
  return { kind: kindOf(error, stage), stage, className: null, error }
}

function kindOf(error: unknown, stage: Stage): ErrorKind {
  if (error instanceof KafkaError) return error.kind
  const looks = LOOKS_AT_RECORDS.has(stage)
  for (const code of codesOf(error)) {
    if (PASSING.has(code)) return "retriable"
    if (FOR_A_PERSON.has(code)) return "fatal"
    if (ABOUT_THE_RECORD.has(code) && (looks || stage === "TASK_PUT" || stage === "TASK_POLL")) return "poison"
  }
  // Elsewhere it is a mistake of ours: to go on might lose records in silence.
  return looks ? "poison" : "fatal"
}

function* codesOf(error: unknown): Generator<string> {
  const all = [error]
  for (let at = 0; at < all.length && at < DEEPEST; at++) {
    const one = all[at]
    if (typeof one !== "object" || one === null) continue
    if (one instanceof KafkaError && at > 0) {
      // A cause that was judged already decides.
      if (one.kind === "retriable") yield "EAGAIN"
      continue
    }
    const { code, name, cause, errors } = one as { code?: unknown; name?: unknown; cause?: unknown; errors?: unknown }
    if (typeof code === "string") yield code
    if (name === "AbortError") yield "ABORT_ERR"
    if (cause !== undefined) all.push(cause)
    if (Array.isArray(errors)) all.push(...errors.slice(0, DEEPEST))
  }
}

/** What a connector does with a failure. */
export type Decision = "retry" | "dead-letter" | "drop" | "stop" | "give-up"

export interface Tolerance {
  readonly errorsTolerance: "none" | "all"
  readonly errorsDeadletterqueueTopicName: string | null
  readonly errorsDeadletterqueueSubject: string | null
}

/**
 * `errors.tolerance` by kind: retry with back-off for ever; set the record aside (`drop` = counted, nobody wants dead letters);
 * stop before it; give the shard up, somebody else has it.
 */
export function decide({ kind }: Pick<Failure, "kind">, tolerance: Tolerance): Decision {
  if (kind === "retriable") return "retry"
  if (kind === "fenced") return "give-up"
  if (kind === "fatal" || tolerance.errorsTolerance === "none") return "stop"
  const wanted = tolerance.errorsDeadletterqueueTopicName !== null || tolerance.errorsDeadletterqueueSubject !== null
  return wanted ? "dead-letter" : "drop"
}

/** A name of the error's class for people and labels: HeddleErrors by their code, since they share one class. */
export function classOf(error: unknown): string {
  if (error instanceof KafkaError && error.protocolName !== undefined) return error.protocolName
  if (error instanceof HeddleError) return error.code
  if (error instanceof Error) return error.constructor?.name || error.name
  return typeof error
}

/** What it says; of things thrown that are no errors, what they are. */
export function messageOf(error: unknown): string {
  if (error instanceof Error) return error.message
  try {
    return String(error)
  } catch {
    return "(something that cannot be printed)"
  }
}
