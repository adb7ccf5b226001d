import { HeddleError } from "../../../core/errors.ts"

/** Longest text of an error that is sent: it is for people. */
export const MAX_TEXT = 4_096
/** Largest error with its details, in bytes: who asked for little must not get more than it takes. */
const MAX_FAILURE = 64 * 1024

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

/** What was thrown, as JSON in the bytes that `encode` makes of text. Never throws, whatever it was. */
export function encodeThrown<B extends Uint8Array>(error: unknown, encode: (text: string) => B): B {
  const failure = { name: "Error", code: "", message: "an error that cannot be described" }
  try {
    const { name, code, message, details } = (error ?? {}) as Record<string, unknown>
    if (typeof name === "string") failure.name = name.slice(0, MAX_TEXT)
    if (typeof code === "string") failure.code = code.slice(0, MAX_TEXT)
    const text = error instanceof Error && typeof message === "string" ? message : String(error)
    failure.message = text.slice(0, MAX_TEXT)
    if (details !== undefined) {
      const whole = encode(JSON.stringify({ ...failure, details }))
      if (whole.length <= MAX_FAILURE) return whole
    }
  } catch {
    // Something of it throws when it is looked at, or JSON cannot carry the details.
  }
  return encode(JSON.stringify(failure))
}
