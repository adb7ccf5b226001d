import { type ErrorCode, HeddleError } from "../../../core/errors.ts"
import { encodeThrown, RemoteError } from "../requests/remote-error.ts"

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/** An error that the node names by code and text. */
export function failureOf(code: string, text: string): HeddleError {
  return new HeddleError(code as ErrorCode, text)
}

/** The failure that answers a request. Never throws: it comes from the network. */
export function decodeFailure(what: string, payload: Uint8Array): HeddleError {
  let failure: Record<string, unknown> = {}
  try {
    failure = (JSON.parse(decoder.decode(payload)) as Record<string, unknown> | null) ?? {}
  } catch {
    // It says nothing that could be read.
  }
  const text = (name: string): string => (typeof failure[name] === "string" ? failure[name] : "")
  const code = text("code") || "ERR_REMOTE"
  const message = text("message") || "an error that could not be read"
  if (code !== "ERR_REMOTE") return failureOf(code, message)
  const remote = { name: text("name") || "Error", code: text("remoteCode"), message, details: failure.details }
  const error = new RemoteError(what, text("server"), remote)
  // It says already what failed where.
  error.message = message
  return error
}

/** What a handler threw, as JSON. Never throws, whatever it was. */
export function encodeFailure(error: unknown): Uint8Array {
  return encodeThrown(error, text => encoder.encode(text))
}

export function cancelled(what: string, cause: unknown): HeddleError {
  return new HeddleError("ECANCELED", `${what} was cancelled`, { cause })
}

export function timedOut(what: string, milliseconds: number): HeddleError {
  return new HeddleError("ETIMEDOUT", `${what}: no answer within ${milliseconds} ms; raise the option timeout`)
}
