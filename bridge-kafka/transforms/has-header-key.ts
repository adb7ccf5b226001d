import type { PredicateClass } from "./transform.ts"

export const HAS_HEADER_KEY: PredicateClass = {
  name: "HasHeaderKey",
  aliases: ["org.apache.kafka.connect.transforms.predicates.HasHeaderKey"],
  doc: "True where the record has a header of that name.",
  keys: [
    {
      name: "name",
      type: "string",
      required: true,
      doc: "Name of the header; upper and lower case differ.",
      check: value => (value === "" ? "must not be empty" : null),
    },
  ],
  create: ({ name }) => ({ test: ({ headers }) => headers.some(([one]) => one === name) }),
}
