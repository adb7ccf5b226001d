import { Buffer } from "node:buffer"
import { checkSubject } from "../../core/subject.ts"
import type { KafkaHeader } from "../driver.ts"
import { SUBJECT } from "../mapping/headers.ts"
import { RENAME_KEYS, Rename } from "./rename.ts"
import { poison, type TransformClass } from "./transform.ts"

export const SUBJECT_ROUTER: TransformClass = {
  name: "SubjectRouter",
  aliases: [],
  doc: "As RegexRouter, for the subject: where a source publishes, and what `hd.subject` says. A sink has chosen topic, key and shard before. Connect has nothing like it.",
  keys: RENAME_KEYS,
  create: settings => {
    const rename = new Rename(settings)
    return {
      reads: [],
      subjects: rename.reshape,
      apply: record => {
        const subject = rename.of(record.subject)
        if (subject === record.subject) return record
        try {
          checkSubject(subject)
        } catch (error) {
          throw poison((error as Error).message, error)
        }
        const bytes = Buffer.from(subject)
        const headers = record.headers.map((one): KafkaHeader => (one[0] === SUBJECT ? [SUBJECT, bytes] : one))
        return { ...record, subject, headers }
      },
    }
  },
}
