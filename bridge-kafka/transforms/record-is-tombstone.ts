import type { PredicateClass } from "./transform.ts"

export const RECORD_IS_TOMBSTONE: PredicateClass = {
  name: "RecordIsTombstone",
  aliases: ["org.apache.kafka.connect.transforms.predicates.RecordIsTombstone"],
  doc: "True where the record has no value.",
  keys: [],
  create: () => ({ test: ({ value }) => value === null }),
}
