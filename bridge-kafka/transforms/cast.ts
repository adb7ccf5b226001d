import { badMapping } from "../mapping/failure.ts"
import { CAST_TYPES, type CastType, castTo } from "./cast-value.ts"
import { pairsOf, pairsProblem } from "./pairs.ts"
import { bothSides, decoded, fieldsOf, poison, REPLACE_NULL, withSide } from "./transform.ts"

export const CAST = bothSides(
  "Cast",
  "Changes types: of fields, or of the whole key or value. Null stays null. Whole numbers keep their low bits when they do not fit, others are cut and kept within bounds, as in Java. JavaScript has one kind of numbers: 1.0 becomes the text 1 (Java: 1.0).",
  [
    {
      name: "spec",
      type: "list",
      required: true,
      min: 1,
      doc: "`field:type,other:type`, or one type for the whole. Types: int8, int16, int32, int64, float32, float64, boolean, string.",
      check: specProblem,
    },
    REPLACE_NULL,
  ],
  (settings, side) => {
    const spec = settings.spec as readonly string[]
    const problem = specProblem(spec)
    if (problem !== null) throw badMapping(`spec ${problem}`)
    const whole = spec[0].includes(":") ? null : (spec[0].toLowerCase() as CastType)
    const fields = whole === null ? pairsOf(spec) : new Map<string, string>()
    const purpose = "cast types"
    return {
      reads: [side],
      apply: record => {
        const value = decoded(record, side, purpose)
        if (value === null) return record
        if (whole !== null) return withSide(record, side, castOf(value, whole, side))
        const made = Object.entries(fieldsOf(record, side, purpose)).map(([name, one]) => {
          const type = fields.get(name)
          return [name, type === undefined ? one : castOf(one, type.toLowerCase() as CastType, name)] as const
        })
        return withSide(record, side, Object.fromEntries(made))
      },
    }
  },
)

function castOf(value: unknown, type: CastType, name: string): unknown {
  if (value === null || value === undefined) return null
  const made = castTo(value, type)
  if (made !== undefined) return made
  const shown = typeof value === "string" ? ` ${JSON.stringify(value.slice(0, 80))}` : ""
  throw poison(`${name}: a ${typeof value}${shown} cannot be cast to ${type}`)
}

function specProblem(value: unknown): string | null {
  const spec = value as readonly string[]
  const pairs = pairsProblem(spec, true)
  if (pairs !== null) return pairs
  if (spec.length === 0) return "must name at least one field"
  if (spec.length > 1 && spec.some(entry => !entry.includes(":")))
    return "must be one type for the whole, or a type for each field"
  const wrong = spec.map(entry => entry.slice(entry.indexOf(":") + 1)).find(type => !isType(type.toLowerCase()))
  return wrong === undefined ? null : `has the type ${JSON.stringify(wrong)}; there are ${CAST_TYPES.join(", ")}`
}

function isType(name: string): boolean {
  return (CAST_TYPES as readonly string[]).includes(name)
}
