import { pairsOf, pairsProblem } from "./pairs.ts"
import { bothSides, decoded, fieldsOf, REPLACE_NULL, withSide } from "./transform.ts"

export const REPLACE_FIELD = bothSides(
  "ReplaceField",
  "Keeps, drops and renames fields. Null stays null.",
  [
    { name: "exclude", type: "list", default: [], doc: "Fields to drop; counts before `include`." },
    { name: "include", type: "list", default: [], doc: "The only fields to keep; empty = all." },
    {
      name: "renames",
      type: "list",
      default: [],
      doc: "New names: `from:to,other:name`.",
      check: value => pairsProblem(value),
    },
    REPLACE_NULL,
  ],
  (settings, side) => {
    const exclude = new Set(settings.exclude as readonly string[])
    const include = new Set(settings.include as readonly string[])
    const renames = pairsOf(settings.renames)
    const purpose = "replace fields"
    return {
      reads: [side],
      apply: record => {
        if (decoded(record, side, purpose) === null) return record
        const kept = Object.entries(fieldsOf(record, side, purpose))
          .filter(([name]) => !exclude.has(name) && (include.size === 0 || include.has(name)))
          .map(([name, value]) => [renames.get(name) ?? name, value] as const)
        return withSide(record, side, Object.fromEntries(kept))
      },
    }
  },
)
