import { HeddleError } from "../../../core/errors.ts"
import { encodeThrown, type Failure, MAX_TEXT, RemoteError } from "./remote-error.ts"

export { type Failure, RemoteError, ServiceError } from "./remote-error.ts"

/** Never throws, whatever was thrown. */
export function encodeFailure(error: unknown): Buffer {
  return encodeThrown(error, text => Buffer.from(text))
}

/** The worker or server ended before it began: another may have it, and nothing was tried in vain. */
export function isUntouched(error: HeddleError): boolean {
  return error.code === "ERR_NO_RESPONDERS"
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

/** The longest time that a handler may name, in milliseconds: timers of Node overflow beyond this. */
export const MOST_RETRY = 2 ** 31 - 1

/** `failure` with the word of a task's handler: false = never again, a number = after so many milliseconds. */
export function withRetry(failure: Buffer, retry: number | false): Buffer {
  return Buffer.from(`${failure.toString().slice(0, -1)},"retry":${retry}}`)
}

/** What `withRetry` said; null = nothing, or nothing sensible: it comes from the network. */
export function retryOf(failure: Buffer): number | false | null {
  try {
    const { retry } = JSON.parse(failure.toString()) as { retry?: unknown }
    if (retry === false) return false
    return Number.isSafeInteger(retry) && (retry as number) >= 0 && (retry as number) <= MOST_RETRY
      ? (retry as number)
      : null
  } catch {
    return null
  }
}

/** Codes of failures that the fabric itself answers with: the client sees a HeddleError of the same code. */
const OWN_FAILURES = new Set(["EBUSY", "ERR_NO_RESPONDERS", "ERR_CODEC", "ERR_VALIDATION"])
/** `name` of these, so that no handler's error is taken for one. */
const OWN_NAME = "HeddleError:fabric"

export type OwnCode = "EBUSY" | "ERR_NO_RESPONDERS" | "ERR_CODEC" | "ERR_VALIDATION"

/** A failure that the fabric itself answers with. */
export function ownFailure(code: OwnCode, message: string): Buffer {
  return Buffer.from(JSON.stringify({ name: OWN_NAME, code, message: message.slice(0, MAX_TEXT) }))
}

export function toError(what: string, server: string, bytes: Buffer): HeddleError {
  const failure = decodeFailure(bytes)
  if (failure.name === OWN_NAME && OWN_FAILURES.has(failure.code)) {
    return new HeddleError(failure.code as OwnCode, `${what}: ${failure.message} (at ${server})`)
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
