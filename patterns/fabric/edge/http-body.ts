import { HeddleError } from "../../../core/errors.ts"
import type { WebRequest } from "../../../core/web.ts"

const BYTES = 0
const STRING = 1
const JSON_CODEC = 2
const MSGPACK = 3
const NOTHING = 5

/**
 * The body as a payload, by its media type: JSON, MessagePack, text, and bytes for all else. What curl sends unless told otherwise
 * (a form) is JSON if it can be read as such, otherwise text. Throws EINVAL for JSON that is none.
 */
export function bodyOf({ headers, body }: WebRequest): { readonly codec: number; readonly bytes: Buffer } {
  const type = (headers.get("content-type") ?? "").split(";", 1)[0].trim().toLowerCase()
  if (body.length === 0) return { codec: NOTHING, bytes: body }
  if (type === "application/json" || type.endsWith("+json")) {
    const wrong = jsonFault(body)
    if (wrong !== null) throw new HeddleError("EINVAL", `The body is not JSON: ${wrong}`)
    return { codec: JSON_CODEC, bytes: body }
  }
  if (type === "application/x-www-form-urlencoded")
    return { codec: jsonFault(body) === null ? JSON_CODEC : STRING, bytes: body }
  if (/^application\/(?:vnd\.|x-)?msgpack$/.test(type)) return { codec: MSGPACK, bytes: body }
  return { codec: type.startsWith("text/") ? STRING : BYTES, bytes: body }
}

function jsonFault(body: Buffer): string | null {
  try {
    JSON.parse(body.toString())
    return null
  } catch (error) {
    return (error as Error).message
  }
}

/** A payload of any codec as JSON on one line: bytes as `{ "base64": ... }`, big integers as text, what JSON has no form for as null. */
export function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value, shown) ?? "null"
  } catch {
    // A payload of a codec of the user's may hold anything.
    return "null"
  }
}

function shown(this: unknown, key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString()
  if (value instanceof Map) return Object.fromEntries(value)
  if (value instanceof Set) return [...value]
  // Buffers have been turned into something longer already: look at what was there before.
  const before = (this as Record<string, unknown>)[key]
  return before instanceof Uint8Array ? { base64: Buffer.from(before).toString("base64") } : value
}
