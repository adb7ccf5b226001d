import { type ErrorCode, HeddleError } from "../../../core/errors.ts"
import { RemoteError } from "../requests/remote-error.ts"

const decoder = new TextDecoder()
const encoder = new TextEncoder()

/** Longest text of an error that is sent: it is for people. */
const MAX_TEXT = 4_096
/** Largest error with its details, in bytes: who asked for little must not get more than it takes. */
const MAX_FAILURE = 64 * 1024

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
  const failure = { name: "Error", code: "", message: "an error that cannot be described" }
  try {
    const { name, code, message, details } = (error ?? {}) as Record<string, unknown>
    if (typeof name === "string") failure.name = name.slice(0, MAX_TEXT)
    if (typeof code === "string") failure.code = code.slice(0, MAX_TEXT)
    const text = error instanceof Error && typeof message === "string" ? message : String(error)
    failure.message = text.slice(0, MAX_TEXT)
    if (details !== undefined) {
      const whole = encoder.encode(JSON.stringify({ ...failure, details }))
      if (whole.length <= MAX_FAILURE) return whole
    }
  } catch {
    // Something of it throws when it is looked at, or JSON cannot carry the details.
  }
  return encoder.encode(JSON.stringify(failure))
}

export function cancelled(what: string, cause: unknown): HeddleError {
  return new HeddleError("ECANCELED", `${what} was cancelled`, { cause })
}

export function timedOut(what: string, milliseconds: number): HeddleError {
  return new HeddleError("ETIMEDOUT", `${what}: no answer within ${milliseconds} ms; raise the option timeout`)
}
