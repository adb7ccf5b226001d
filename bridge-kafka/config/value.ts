import type { ConfigKey, ConfigValue } from "./keys.ts"
import { MASK } from "./secrets.ts"
import { didYouMean } from "./suggestion.ts"
import { formatBytes, formatDuration, parseBytes, parseDuration } from "./units.ts"

const LONGEST_SHOWN = 60
const INT_MAX = 2 ** 31 - 1

/** What the user wrote, for an error; never a password. `written` is the text before variables were put in. */
export function quote(key: ConfigKey, written: unknown): string {
  if (key.type === "password") return MASK
  if (typeof written === "object") return Array.isArray(written) ? "a list" : "an object"
  const text = typeof written === "string" ? JSON.stringify(written) : String(written)
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text
}

type Result = { readonly value: NonNullable<ConfigValue> } | { readonly wrong: string }

const NUMBER: Readonly<Record<string, (text: string) => number | null>> = {
  int: wholeNumber,
  long: wholeNumber,
  bytes: parseBytes,
  duration: parseDuration,
}

const EXPECTED: Readonly<Record<string, string>> = {
  int: "a whole number",
  long: "a whole number",
  bytes: 'a number of bytes such as 65536 or "64KiB"',
  duration: 'a number of milliseconds, or text such as "5ms", "30s", "7d"',
}

function wholeNumber(text: string): number | null {
  const value = Number(text)
  return /^\s*[+-]?\d+\s*$/.test(text) && Number.isSafeInteger(value) ? value : null
}

/** A value by its definition. `wrong` ends a sentence that begins with what was written. */
export function parseValue(key: ConfigKey, raw: unknown): Result {
  switch (key.type) {
    case "string":
    case "class":
    case "password":
      return isScalar(raw) ? checked(key, String(raw)) : { wrong: "must be text" }
    case "boolean":
      return boolean(raw)
    case "list":
      return list(key, raw)
    default:
      return number(key, raw)
  }
}

function isScalar(raw: unknown): raw is string | number | boolean {
  return typeof raw === "string" || typeof raw === "number" || typeof raw === "boolean"
}

function boolean(raw: unknown): Result {
  const text = typeof raw === "string" ? raw.trim().toLowerCase() : raw
  if (text === true || text === "true") return { value: true }
  if (text === false || text === "false") return { value: false }
  return { wrong: "must be true or false" }
}

function number(key: ConfigKey, raw: unknown): Result {
  const value = typeof raw === "string" ? NUMBER[key.type](raw) : Number.isSafeInteger(raw) ? (raw as number) : null
  if (value === null) return { wrong: `must be ${EXPECTED[key.type]}` }
  const min = key.min ?? (key.type === "bytes" || key.type === "duration" ? 0 : Number.MIN_SAFE_INTEGER)
  const max = key.max ?? (key.type === "int" ? INT_MAX : Number.MAX_SAFE_INTEGER)
  if (value < min) return { wrong: `must be at least ${sized(key, min)}` }
  if (value > max) return { wrong: `must be at most ${sized(key, max)}` }
  return checked(key, value)
}

function sized(key: ConfigKey, value: number): string {
  if (key.type === "bytes") return formatBytes(value)
  return key.type === "duration" ? formatDuration(value) : String(value)
}

function list(key: ConfigKey, raw: unknown): Result {
  const entries = Array.isArray(raw) ? raw : isScalar(raw) ? String(raw).split(",") : null
  if (entries?.every(isScalar) !== true) return { wrong: "must be a list of text, or text with commas between" }
  const value = entries.map(entry => String(entry).trim()).filter(entry => entry !== "")
  if (value.length < (key.min ?? 0)) return { wrong: `must name at least ${key.min}` }
  if (value.length > (key.max ?? Number.POSITIVE_INFINITY)) return { wrong: `must name at most ${key.max}` }
  const stranger = key.values === undefined ? undefined : value.find(entry => !key.values?.includes(entry))
  if (stranger !== undefined) return { wrong: oneOf(key, stranger) }
  return checkedBy(key, Object.freeze(value))
}

function checked(key: ConfigKey, value: string | number): Result {
  const text = String(value)
  if (key.values !== undefined && !key.values.includes(text)) return { wrong: oneOf(key, text) }
  return checkedBy(key, value)
}

function checkedBy(key: ConfigKey, value: NonNullable<ConfigValue>): Result {
  const wrong = key.check?.(value) ?? null
  return wrong === null ? { value } : { wrong }
}

function oneOf(key: ConfigKey, given: string): string {
  return `must be one of ${key.values?.join(", ")}${key.type === "password" ? "" : didYouMean(given, key.values ?? [])}`
}
