import { parseFieldPath } from "./field-path.ts"
import { bothSides, decoded, field, fieldsOf, poison, REPLACE_NULL, withSide } from "./transform.ts"

export const EXTRACT_FIELD = bothSides(
  "ExtractField",
  "Puts one field in the place of the whole key or value; null where it is absent. Null stays null.",
  [
    { name: "field", type: "string", required: true, doc: "Name of the field, or its path." },
    {
      name: "field.syntax.version",
      type: "string",
      default: "V1",
      doc: "`V1`: a name. `V2`: dots lead into nested objects, names with dots stand in backticks.",
      check: value => (/^v[12]$/i.test(String(value)) ? null : "must be V1 or V2"),
    },
    REPLACE_NULL,
  ],
  (settings, side) => {
    const version = String(settings.fieldSyntaxVersion).toUpperCase() === "V2" ? "V2" : "V1"
    const path = parseFieldPath(String(settings.field), version)
    const purpose = `extract the field ${String(settings.field)}`
    return {
      reads: [side],
      apply: record => {
        if (decoded(record, side, purpose) === null) return record
        let found: unknown = field(fieldsOf(record, side, purpose), path[0])
        for (let i = 1; i < path.length && found !== null; i++) {
          if (typeof found !== "object" || Array.isArray(found))
            throw poison(`To ${purpose}, ${path.slice(0, i).join(".")} must be an object, but it is a ${typeof found}`)
          found = field(found as Record<string, unknown>, path[i])
        }
        return withSide(record, side, found)
      },
    }
  },
)
