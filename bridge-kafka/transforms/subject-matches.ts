import { checkPattern, matches } from "../../core/subject.ts"
import { badMapping } from "../mapping/failure.ts"
import type { PredicateClass } from "./transform.ts"

export const SUBJECT_MATCHES: PredicateClass = {
  name: "SubjectMatches",
  aliases: [],
  doc: "True where the subject matches a pattern of the fabric (`*` one token, a final `>` the rest). Connect has nothing like it.",
  keys: [{ name: "pattern", type: "string", required: true, doc: "The pattern: `orders.*.created`.", check: wrong }],
  create: ({ pattern }) => {
    const text = String(pattern)
    const problem = wrong(text)
    if (problem !== null) throw badMapping(`pattern ${problem}`)
    return { test: ({ subject }) => matches(text, subject) }
  },
}

function wrong(value: unknown): string | null {
  try {
    checkPattern(String(value))
    return null
  } catch (error) {
    return `cannot be: ${(error as Error).message}`
  }
}
