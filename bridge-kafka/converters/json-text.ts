import { Buffer } from "node:buffer"
import { jsonCodec } from "../../core/codecs/json.ts"
import { poison, wordsOf } from "./failures.ts"

/** Levels that are looked through; deeper values have a cycle or no place in a record. */
const MAX_DEPTH = 512

/**
 * The JSON text of a plain value. Bytes become Base64 as in Connect's JsonConverter, Date becomes ISO 8601. Throws poison for
 * what JSON has no form for: a bigint beyond 2^53 would arrive as another number in most languages, so the publisher decides.
 */
export function jsonText(value: unknown): string {
  let text: string | undefined
  try {
    text = JSON.stringify(hasSpecial(value, 0) ? plainForJson(value, 0) : value)
  } catch (error) {
    throw poison(`A value has no form in JSON: ${wordsOf(error)}`, error)
  }
  if (text === undefined) throw poison(`A value of the type ${typeof value} has no form in JSON`)
  return text
}

/** Parses and checks. Throws poison. */
export function parseJson(bytes: Buffer): unknown {
  try {
    return jsonCodec.decode(bytes)
  } catch (error) {
    throw poison(`${bytes.length} bytes are no JSON: ${wordsOf(error)}`, error)
  }
}

/** Most values need no copy; those that do have bytes or a bigint in them. */
function hasSpecial(value: unknown, depth: number): boolean {
  if (typeof value === "bigint") return true
  if (typeof value !== "object" || value === null) return false
  if (depth > MAX_DEPTH) throw new Error(`it is nested more than ${MAX_DEPTH} deep, or has a cycle`)
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) if (hasSpecial(value[i], depth + 1)) return true
    return false
  }
  if (ArrayBuffer.isView(value)) return true
  for (const key in value) if (hasSpecial((value as Record<string, unknown>)[key], depth + 1)) return true
  return false
}

function plainForJson(value: unknown, depth: number): unknown {
  if (typeof value === "bigint") {
    const number = Number(value)
    if (Number.isSafeInteger(number)) return number
    throw new Error(`the whole number ${value} is beyond 2^53; publish it as text`)
  }
  if (typeof value !== "object" || value === null) return value
  if (depth > MAX_DEPTH) throw new Error(`it is nested more than ${MAX_DEPTH} deep, or has a cycle`)
  if (Array.isArray(value)) return value.map(one => plainForJson(one, depth + 1))
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64")
  if (typeof (value as { toJSON?: unknown }).toJSON === "function") return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plainForJson(one, depth + 1)]))
}
