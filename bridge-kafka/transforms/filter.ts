import type { TransformClass } from "./transform.ts"

export const FILTER: TransformClass = {
  name: "Filter",
  aliases: ["org.apache.kafka.connect.transforms.Filter"],
  doc: "Drops records. Of use with a predicate only: without one it drops all.",
  keys: [],
  create: () => ({ reads: [], apply: () => null }),
}
