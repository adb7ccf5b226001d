import { Buffer } from "node:buffer"
import { ownHeader } from "./header-name.ts"
import type { TransformClass } from "./transform.ts"

export const INSERT_HEADER: TransformClass = {
  name: "InsertHeader",
  aliases: ["org.apache.kafka.connect.transforms.InsertHeader"],
  doc: "Adds a header to each record. The text of `value.literal` goes out as it is; Connect writes `null` as no value.",
  keys: [
    { name: "header", type: "string", required: true, doc: "Name of the header.", check: ownHeader },
    { name: "value.literal", type: "string", required: true, doc: "Its value: text." },
  ],
  create: ({ header, valueLiteral }) => {
    const made = [String(header), Buffer.from(String(valueLiteral))] as const
    return { reads: [], apply: record => ({ ...record, headers: [...record.headers, made] }) }
  },
}
