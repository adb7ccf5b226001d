import { HeddleError } from "../../../core/errors.ts"

/** What a handler throws to tell the client more than a text. Any other error arrives with its name and message. */
export class ServiceError extends Error {
  override readonly name = "ServiceError"
  /** For programs; `RemoteError.remoteCode` at the client. */
  readonly code: string
  /** Anything that JSON can carry; `RemoteError.details` at the client. */
  readonly details: unknown

  constructor(code: string, message: string, details?: unknown) {
    super(message)
    this.code = code
    this.details = details
  }
}

/** An error of the server's handler, as its client sees it; `code` is ERR_REMOTE. */
export class RemoteError extends HeddleError {
  /** `name` of the error that was thrown there. */
  readonly remoteName: string
  /** `code` of the error that was thrown there; "" = it had none. */
  readonly remoteCode: string
  readonly details: unknown
  /** Name of the node that answered. */
  readonly server: string

  constructor(what: string, server: string, failure: Failure) {
    super("ERR_REMOTE", `${what} failed at ${server}: ${failure.message}`)
    this.remoteName = failure.name
    this.remoteCode = failure.code
    this.details = failure.details
    this.server = server
  }
}

/** An error on its way: JSON in the payload of a reply. */
export interface Failure {
  readonly name: string
  readonly code: string
  readonly message: string
  readonly details?: unknown
}

/** Longest text of an error that is sent: it is for people. */
const MAX_TEXT = 4_096

export function encodeFailure(error: unknown): Buffer {
  const { name, code, details } = error as { name?: unknown; code?: unknown; details?: unknown }
  const message = error instanceof Error ? error.message : String(error)
  const failure = {
    name: typeof name === "string" ? name.slice(0, MAX_TEXT) : "Error",
    code: typeof code === "string" ? code.slice(0, MAX_TEXT) : "",
    message: message.slice(0, MAX_TEXT),
  }
  try {
    return Buffer.from(JSON.stringify({ ...failure, details }))
  } catch {
    // Details that JSON cannot carry.
    return Buffer.from(JSON.stringify(failure))
  }
}

/** Never throws: it comes from the network. */
export function decodeFailure(bytes: Buffer): Failure {
  try {
    const value = JSON.parse(bytes.toString()) as Partial<Failure> | null
    const text = (one: unknown): string => (typeof one === "string" ? one : "")
    return {
      name: text(value?.name) || "Error",
      code: text(value?.code),
      message: text(value?.message),
      details: value?.details,
    }
  } catch {
    return { name: "Error", code: "", message: "an error that could not be read" }
  }
}

/** Codes of failures that the fabric itself answers with: the client sees a HeddleError of the same code. */
export const OWN_FAILURES = new Set(["EBUSY", "ERR_NO_RESPONDERS", "ERR_CODEC", "ERR_VALIDATION"])
/** `name` of these, so that no handler's error is taken for one. */
export const OWN_NAME = "HeddleError:fabric"

export function ownFailure(
  code: "EBUSY" | "ERR_NO_RESPONDERS" | "ERR_CODEC" | "ERR_VALIDATION",
  message: string,
): Failure {
  return { name: OWN_NAME, code, message }
}

export function toError(what: string, server: string, bytes: Buffer): HeddleError {
  const failure = decodeFailure(bytes)
  if (failure.name === OWN_NAME && OWN_FAILURES.has(failure.code)) {
    return new HeddleError(failure.code as "EBUSY", `${what}: ${failure.message} (at ${server})`)
  }
  return new RemoteError(what, server, failure)
}

export function timedOut(what: string, milliseconds: number): HeddleError {
  return new HeddleError(
    "ETIMEDOUT",
    `${what}: no answer within ${milliseconds} ms; raise the option timeout, or see what the servers do with "heddle top"`,
  )
}

export function cancelled(what: string, cause: unknown): HeddleError {
  return new HeddleError("ECANCELED", `${what} was cancelled`, { cause })
}

export function noResponders(subject: string): HeddleError {
  return new HeddleError(
    "ERR_NO_RESPONDERS",
    `Nobody serves ${subject}; start a server for it, or wait with fabric.ready({ subject: "${subject}", servers: 1 })`,
  )
}
