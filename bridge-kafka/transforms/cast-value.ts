/** Java's conversions between its types, on JavaScript's values. */
import { Buffer } from "node:buffer"

export const CAST_TYPES = ["int8", "int16", "int32", "int64", "float32", "float64", "boolean", "string"] as const
export type CastType = (typeof CAST_TYPES)[number]

const BITS: Partial<Record<CastType, number>> = { int8: 8, int16: 16, int32: 32, int64: 64 }

const LOWEST = -(2n ** 63n)
const HIGHEST = 2n ** 63n - 1n
const INT_LOWEST = -(2 ** 31)
const INT_HIGHEST = 2 ** 31 - 1

/** Undefined where there is no way. Whole numbers beyond 2^53 are BigInt. */
export function castTo(value: unknown, type: CastType): unknown {
  const bits = BITS[type]
  if (bits !== undefined) return toInteger(value, bits)
  if (type === "string") return toText(value)
  if (type === "boolean") return toBoolean(value)
  const number = toFloat(value)
  return number === undefined || type === "float64" ? number : Math.fround(number)
}

function toInteger(value: unknown, bits: number): number | bigint | undefined {
  if (typeof value === "boolean") return value ? 1 : 0
  if (typeof value === "string") {
    if (!/^[+-]?\d{1,40}$/.test(value)) return undefined
    const parsed = BigInt(value.replace("+", ""))
    return BigInt.asIntN(bits, parsed) === parsed ? small(parsed) : undefined
  }
  if (typeof value === "bigint") return small(BigInt.asIntN(bits, value))
  if (typeof value !== "number") return undefined
  if (Number.isNaN(value)) return 0
  // A Long in Java, which keeps its low bits; what no Long can be is a Double there, which is cut and kept within bounds.
  const long = Number.isInteger(value) && Math.abs(value) < 2 ** 63
  if (long) return small(BigInt.asIntN(bits, BigInt(value)))
  if (bits === 64) return small(bounded(value))
  const int = Math.trunc(Math.min(Math.max(value, INT_LOWEST), INT_HIGHEST))
  return small(BigInt.asIntN(bits, BigInt(int)))
}

function bounded(value: number): bigint {
  if (value >= 2 ** 63) return HIGHEST
  if (value <= -(2 ** 63)) return LOWEST
  return BigInt(Math.trunc(value))
}

function small(value: bigint): number | bigint {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

/** Java takes hexadecimal floating point numbers besides. */
const FLOAT = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|NaN|Infinity)$/

function toFloat(value: unknown): number | undefined {
  if (typeof value === "number") return value
  if (typeof value === "bigint") return Number(value)
  if (typeof value === "boolean") return value ? 1 : 0
  if (typeof value !== "string" || value.length > 400) return undefined
  const text = value.trim().replace(/(?<=[\d.])[fFdD]$/, "")
  return FLOAT.test(text) ? Number(text) : undefined
}

function toBoolean(value: unknown): boolean | undefined {
  if (typeof value === "boolean") return value
  // By the whole number in it, as Java: 0.1 is false.
  if (typeof value === "number") return Math.abs(value) >= 1
  if (typeof value === "bigint") return value !== 0n
  return typeof value === "string" ? value.toLowerCase() === "true" : undefined
}

function toText(value: unknown): string | undefined {
  if (typeof value === "string") return value
  if (Buffer.isBuffer(value)) return value.toString("base64")
  return typeof value === "number" || typeof value === "bigint" || typeof value === "boolean"
    ? String(value)
    : undefined
}
