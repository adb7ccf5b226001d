import { JavaRegex } from "./java-regex.ts"
import { regexProblem } from "./rename.ts"
import type { PredicateClass } from "./transform.ts"

export const TOPIC_NAME_MATCHES: PredicateClass = {
  name: "TopicNameMatches",
  aliases: ["org.apache.kafka.connect.transforms.predicates.TopicNameMatches"],
  doc: "True where the topic matches a regular expression, which must match the whole of it.",
  keys: [
    {
      name: "pattern",
      type: "string",
      required: true,
      doc: "The expression (Java's syntax, as far as JavaScript has it).",
      check: value => (value === "" ? "must not be empty" : regexProblem(value)),
    },
  ],
  create: ({ pattern }) => {
    const regex = new JavaRegex(String(pattern))
    return { test: ({ topic }) => regex.match(topic) !== null }
  },
}
