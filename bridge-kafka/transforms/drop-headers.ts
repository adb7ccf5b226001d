import { SUBJECT } from "../mapping/headers.ts"
import { UNKNOWN } from "../mapping/shape.ts"
import type { TransformClass } from "./transform.ts"

export const DROP_HEADERS: TransformClass = {
  name: "DropHeaders",
  aliases: ["org.apache.kafka.connect.transforms.DropHeaders"],
  doc: "Removes all headers of some names. Those of the bridge (`hd.`) may be dropped too, and with them what is known by them: subjects, duplicates, loops.",
  keys: [{ name: "headers", type: "list", required: true, min: 1, doc: "Names; upper and lower case differ." }],
  create: ({ headers }) => {
    const names = new Set(headers as readonly string[])
    return {
      reads: [],
      apply: record => ({ ...record, headers: record.headers.filter(([name]) => !names.has(name)) }),
      ...(names.has(SUBJECT) ? { subjects: () => [UNKNOWN] } : {}),
    }
  },
}
