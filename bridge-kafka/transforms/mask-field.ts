import { Buffer } from "node:buffer"
import { bothSides, field, fieldsOf, poison, REPLACE_NULL, withSide } from "./transform.ts"

export const MASK_FIELD = bothSides(
  "MaskField",
  "Puts nothing in the place of fields: empty text, 0, false, an empty list or object, 1970; or `replacement`. Fields that are null or absent become null; bytes cannot be masked. A number is replaced by any number, as JavaScript has one kind of them.",
  [
    { name: "fields", type: "list", required: true, min: 1, doc: "Names of the fields." },
    {
      name: "replacement",
      type: "string",
      doc: "What text and numbers become instead of nothing; for numbers it must be one.",
      check: value => (value === "" ? "must not be empty" : null),
    },
    REPLACE_NULL,
  ],
  (settings, side) => {
    const names = settings.fields as readonly string[]
    const replacement = settings.replacement === null ? null : String(settings.replacement)
    return {
      reads: [side],
      apply: record => {
        const from = fieldsOf(record, side, "mask fields")
        const masked = names.map(name => [name, mask(name, field(from, name), replacement)] as const)
        // Entries, not a spread with assignments: a field may be called __proto__.
        return withSide(record, side, Object.fromEntries([...Object.entries(from), ...masked]))
      },
    }
  },
)

function mask(name: string, value: unknown, replacement: string | null): unknown {
  if (value === null) return null
  if (replacement !== null) return replaced(name, value, replacement)
  if (typeof value === "string") return ""
  if (typeof value === "number") return 0
  if (typeof value === "bigint") return 0n
  if (typeof value === "boolean") return false
  if (Array.isArray(value)) return []
  if (value instanceof Date) return new Date(0)
  if (Buffer.isBuffer(value) || typeof value !== "object")
    throw poison(`The field ${name} cannot be masked: it is bytes`)
  return {}
}

function replaced(name: string, value: unknown, replacement: string): unknown {
  if (typeof value === "string") return replacement
  const fits = typeof value === "bigint" ? /^[+-]?\d{1,19}$/ : /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/
  if (typeof value !== "number" && typeof value !== "bigint")
    throw poison(`The field ${name} cannot be masked by a replacement: it is no text and no number`)
  if (!fits.test(replacement))
    throw poison(`The field ${name} is a number, which ${JSON.stringify(replacement)} is not`)
  return typeof value === "bigint" ? BigInt(replacement.replace("+", "")) : Number(replacement)
}
