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
