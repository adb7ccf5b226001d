import { Buffer } from "node:buffer"
import { HeddleError } from "../../core/errors.ts"
import type { KafkaHeader } from "../driver.ts"
import { ownHeader } from "./header-name.ts"
import { bothSides, field, fieldsOf, REPLACE_NULL, withSide } from "./transform.ts"

export const HEADER_FROM = bothSides(
  "HeaderFrom",
  "Copies or moves fields into headers. Text goes out as it is, numbers and booleans as text, objects and lists as JSON; a field that is null or absent gives an empty header (in Connect: one without a value).",
  [
    { name: "fields", type: "list", required: true, min: 1, doc: "Names of the fields." },
    {
      name: "headers",
      type: "list",
      required: true,
      min: 1,
      doc: "Names of the headers, in the order of the fields.",
      check: ownHeader,
    },
    {
      name: "operation",
      type: "string",
      required: true,
      values: ["move", "copy"],
      doc: "`move` takes the fields out of the record, `copy` leaves them.",
    },
    REPLACE_NULL,
  ],
  (settings, side) => {
    const fields = settings.fields as readonly string[]
    const headers = settings.headers as readonly string[]
    if (fields.length !== headers.length)
      throw new HeddleError("ERR_CONFIG", `${fields.length} fields need as many headers, not ${headers.length}`)
    const moved = settings.operation === "move" ? new Set(fields) : null
    const purpose = `${String(settings.operation)} fields to headers`
    return {
      reads: [side],
      apply: record => {
        const from = fieldsOf(record, side, purpose)
        const made = fields.map((name, index): KafkaHeader => [headers[index], asHeader(field(from, name))])
        const result = { ...record, headers: [...record.headers, ...made] }
        if (moved === null) return result
        return withSide(result, side, Object.fromEntries(Object.entries(from).filter(([name]) => !moved.has(name))))
      },
    }
  },
)

function asHeader(value: unknown): Buffer {
  if (value === null) return Buffer.alloc(0)
  if (Buffer.isBuffer(value)) return value
  if (typeof value === "object") return Buffer.from(JSON.stringify(value))
  return Buffer.from(String(value))
}
