import { HeddleError } from "../../core/errors.ts"
import { type ErrorKind, KafkaError, type KafkaErrorDetails } from "../errors.ts"

/**
 * What to do about an error code of Kafka's protocol. Codes that are not named here go by the client's own table: those that it calls
 * retriable are, all others are fatal (Kafka, clients/.../protocol/Errors.java).
 */
const KINDS: Readonly<Record<number, readonly [name: string, kind: ErrorKind]>> = {
  2: ["CORRUPT_MESSAGE", "retriable"],
  3: ["UNKNOWN_TOPIC_OR_PARTITION", "retriable"],
  5: ["LEADER_NOT_AVAILABLE", "retriable"],
  6: ["NOT_LEADER_OR_FOLLOWER", "retriable"],
  7: ["REQUEST_TIMED_OUT", "retriable"],
  8: ["BROKER_NOT_AVAILABLE", "retriable"],
  9: ["REPLICA_NOT_AVAILABLE", "retriable"],
  10: ["MESSAGE_TOO_LARGE", "poison"],
  13: ["NETWORK_EXCEPTION", "retriable"],
  14: ["COORDINATOR_LOAD_IN_PROGRESS", "retriable"],
  15: ["COORDINATOR_NOT_AVAILABLE", "retriable"],
  16: ["NOT_COORDINATOR", "retriable"],
  17: ["INVALID_TOPIC_EXCEPTION", "poison"],
  18: ["RECORD_LIST_TOO_LARGE", "poison"],
  19: ["NOT_ENOUGH_REPLICAS", "retriable"],
  20: ["NOT_ENOUGH_REPLICAS_AFTER_APPEND", "retriable"],
  // A member of a group that is none any more: another has its partitions.
  22: ["ILLEGAL_GENERATION", "fenced"],
  25: ["UNKNOWN_MEMBER_ID", "fenced"],
  27: ["REBALANCE_IN_PROGRESS", "retriable"],
  29: ["TOPIC_AUTHORIZATION_FAILED", "fatal"],
  30: ["GROUP_AUTHORIZATION_FAILED", "fatal"],
  31: ["CLUSTER_AUTHORIZATION_FAILED", "fatal"],
  32: ["INVALID_TIMESTAMP", "poison"],
  35: ["UNSUPPORTED_VERSION", "fatal"],
  // Not enough brokers are there, or all are fenced: so it is while a cluster starts, or comes back (StripedReplicaPlacer.java).
  38: ["INVALID_REPLICATION_FACTOR", "retriable"],
  41: ["NOT_CONTROLLER", "retriable"],
  43: ["UNSUPPORTED_FOR_MESSAGE_FORMAT", "poison"],
  // The broker has lost what it knew of a producer: a new one may send again.
  45: ["OUT_OF_ORDER_SEQUENCE_NUMBER", "retriable"],
  // Brokers before 2.7, and produce requests of all, say 47 where the coordinator says 90.
  47: ["INVALID_PRODUCER_EPOCH", "fenced"],
  // The coordinator has given the transaction up: a new producer of the same id may try again.
  48: ["INVALID_TXN_STATE", "retriable"],
  49: ["INVALID_PRODUCER_ID_MAPPING", "retriable"],
  51: ["CONCURRENT_TRANSACTIONS", "retriable"],
  52: ["TRANSACTION_COORDINATOR_FENCED", "retriable"],
  53: ["TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "fatal"],
  // Something else of the same request was refused, with a code of its own.
  55: ["OPERATION_NOT_ATTEMPTED", "retriable"],
  56: ["KAFKA_STORAGE_ERROR", "retriable"],
  58: ["SASL_AUTHENTICATION_FAILED", "fatal"],
  59: ["UNKNOWN_PRODUCER_ID", "retriable"],
  74: ["FENCED_LEADER_EPOCH", "retriable"],
  75: ["UNKNOWN_LEADER_EPOCH", "retriable"],
  78: ["OFFSET_NOT_AVAILABLE", "retriable"],
  82: ["FENCED_INSTANCE_ID", "fenced"],
  87: ["INVALID_RECORD", "poison"],
  88: ["UNSTABLE_OFFSET_COMMIT", "retriable"],
  89: ["THROTTLING_QUOTA_EXCEEDED", "retriable"],
  90: ["PRODUCER_FENCED", "fenced"],
  110: ["FENCED_MEMBER_EPOCH", "fenced"],
  // The member has a newer epoch by now: it commits again with that one.
  113: ["STALE_MEMBER_EPOCH", "retriable"],
  120: ["TRANSACTION_ABORTABLE", "retriable"],
}

const ADVICE: Readonly<Record<number, string>> = {
  3: "create the topic, or let the connector create it",
  10: "raise max.message.bytes of the topic, or send less in one record",
  19: "the topic's min.insync.replicas is not met",
  29: "the principal lacks the right to use the topic",
  30: "the principal lacks the right to use the group",
  38: "start more brokers, or ask for fewer replicas",
  32: "timestamps may be at most one hour ahead of the broker's clock",
  53: "the principal lacks the right to use the transactional id",
}

/** Broken trust and refused names do not mend themselves. */
const TLS_FAULT = /^(ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH)/

interface Named {
  code?: unknown
  message?: string
  apiCode?: number
  apiId?: string
  canRetry?: boolean
  closed?: boolean
  serverErrorMessage?: string | null
  errors?: unknown[]
  cause?: unknown
}

/** An error code of the protocol as an error of ours. `what` was being done ("Storing records in orders/3"). */
export function protocolError(code: number, what: string, details: KafkaErrorDetails & { said?: string | null } = {}) {
  const [name, kind] = KINDS[code] ?? [`error ${code}`, "fatal"]
  return named(name, kind, code, what, details)
}

function named(
  name: string,
  kind: ErrorKind,
  code: number,
  what: string,
  details: KafkaErrorDetails & { said?: string | null },
): KafkaError {
  const advice = ADVICE[code]
  const said = details.said ? ` (${details.said})` : ""
  const text = `${what}: Kafka says ${name}${said}${advice === undefined ? "" : `; ${advice}`}`
  return new KafkaError(kind, text, { ...details, protocolName: name })
}

/** All errors that one is made of, outermost first. */
function* parts(error: unknown, depth = 0): Generator<Named> {
  if (error === null || typeof error !== "object" || depth > 8) return
  const found = error as Named
  yield found
  for (const inner of found.errors ?? []) yield* parts(inner, depth + 1)
  yield* parts(found.cause, depth + 1)
}

/** Says nothing where another part of the error does. */
const NOT_ATTEMPTED = 55

/** The code of Kafka's protocol that an error of the client carries, or 0. */
export function codeOf(error: unknown): number {
  let found = 0
  for (const { apiCode } of parts(error)) {
    if (typeof apiCode !== "number" || apiCode <= 0) continue
    found = apiCode
    if (found !== NOT_ATTEMPTED) break
  }
  return found
}

/** Any error of the client as one that says what to do about it. */
export function classify(error: unknown, what: string, details: KafkaErrorDetails = {}): HeddleError {
  if (error instanceof HeddleError) return error
  let deepest: Named = {}
  const decisive = codeOf(error)
  for (const part of parts(error)) {
    deepest = part
    const code = part.apiCode
    if (typeof code === "number" && code > 0) {
      if (code !== decisive) continue
      const [name, kind] = KINDS[code] ?? [part.apiId ?? `error ${code}`, part.canRetry ? "retriable" : "fatal"]
      return named(name, kind, code, what, { cause: error, ...details, said: part.serverErrorMessage })
    }
    if (part.code === "PLT_KFK_AUTHENTICATION")
      return refused(part, "check sasl.username and sasl.password, or the token")
    if (part.closed === true) return refused(part, "the driver was closed")
    if (part.code === "PLT_KFK_UNSUPPORTED_API") return refused(part, "the broker is too old; Kafka 2.8 is needed")
    if (part.code === "PLT_KFK_UNSUPPORTED_COMPRESSION")
      return refused(part, "zstd needs Node 22.15; choose lz4 or gzip")
    if (part.code === "PLT_KFK_USER")
      return refused(part, "check security.protocol and the properties of the connection")
    if (typeof part.code === "string" && TLS_FAULT.test(part.code))
      return refused(part, "check ssl.ca and the certificates")
  }
  const text = `${what}: ${deepest.message || String(deepest.code ?? error)}`
  return new KafkaError("retriable", text, { cause: error, ...details })

  function refused(part: Named, advice: string): KafkaError {
    return new KafkaError("fatal", `${what}: ${part.message}; ${advice}`, { cause: error, ...details })
  }
}
