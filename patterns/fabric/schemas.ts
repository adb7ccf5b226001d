import { EncodedPayload } from "../../core/codec.ts"
import { checkSchema, type StandardSchema, validate } from "../../core/schema.ts"
import { checkPattern } from "../../core/subject.ts"
import { SubjectIndex } from "../../core/subject-index.ts"

/** Validators by subject pattern. Where several match, a payload must satisfy all of them. */
export class Schemas {
  private readonly index = new SubjectIndex<StandardSchema>()
  private readonly found: StandardSchema[] = []

  /** Throws EINVAL. */
  constructor(schemas: Readonly<Record<string, StandardSchema>> = {}) {
    for (const [pattern, schema] of Object.entries(schemas)) {
      checkPattern(pattern)
      checkSchema(schema)
      this.index.add(pattern, schema)
    }
  }

  get size(): number {
    return this.index.size
  }

  /** The value, as the validators give it back; payloads that came encoded are left to receivers. Throws ERR_VALIDATION. */
  check(subject: string, value: unknown): unknown {
    if (value instanceof EncodedPayload) return value
    const { found } = this
    found.length = 0
    this.index.match(subject, found)
    let checked = value
    for (const schema of found) checked = validate(schema, checked, subject)
    return checked
  }
}
