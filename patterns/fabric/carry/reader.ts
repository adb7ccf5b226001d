import { Reader } from "../../../core/varint.ts"
import { NumberedSubject } from "../link/incoming.ts"
import type { Link } from "../link/link.ts"
import { MAX_SUBJECTS } from "../link/records.ts"
import { readSubject } from "../link/subjects.ts"
import { OWN_CODEC } from "../link/write.ts"
import { extraOf } from "../message.ts"
import { HEAD_SIZE, malformed, RECORD_APART, RECORD_HEADERS, RECORD_SUBJECT, recordEnd } from "./batch.ts"
import type { Batch } from "./held.ts"
import type { CarryPort } from "./port.ts"

/** Batches of one publisher to messages. */
export class BatchReader {
  /** What was found out about subjects, as of numbered subjects of a link. */
  readonly subjects = new Map<string, NumberedSubject>()
  private readonly link: Link
  private readonly port: CarryPort

  constructor(link: Link, port: CarryPort) {
    this.link = link
    this.port = port
  }

  /** Each message with a number that `take` agrees to is delivered. Throws EPROTO for what is malformed. */
  read({ first, count, bytes, payload }: Batch, take: (number: number) => boolean): void {
    const { port } = this
    const names: NumberedSubject[] = []
    const reader = new Reader(bytes, HEAD_SIZE)
    for (let number = first; number < first + count; number++) {
      const end = recordEnd(reader)
      reader.end = end
      const head = reader.byte()
      let subject: NumberedSubject | undefined
      if ((head & RECORD_SUBJECT) !== 0) {
        subject = this.subjectOf(reader)
        names.push(subject)
      } else {
        subject = names[reader.varint()]
        if (subject === undefined) throw malformed("a subject is used that was not named")
      }
      const codec = head >>> 4
      const name = codec === OWN_CODEC ? reader.latin1(reader.varint()) : ""
      const headers = (head & RECORD_HEADERS) !== 0 ? reader.view(reader.varint()) : null
      const apart = (head & RECORD_APART) !== 0
      if (apart && payload === null) throw malformed("a payload is announced that did not come")
      if (take(number)) {
        const source = apart ? (payload as Buffer) : bytes
        const from = apart ? 0 : reader.at
        const to = apart ? source.length : end
        subject.messages++
        subject.bytes += to - from
        port.published(subject, codec, source, from, to, extraOf(name, headers))
      }
      reader.at = end
      reader.end = bytes.length
    }
    if (reader.left > 0) throw malformed("bytes follow the last record")
  }

  private subjectOf(reader: Reader): NumberedSubject {
    const { origin } = this.link.incoming
    const text = reader.utf8(reader.varint())
    const known = this.subjects.get(text)
    if (known !== undefined && known.origin === origin) return known
    const bytes = Buffer.from(text)
    const subject = new NumberedSubject(readSubject(new Reader(bytes), bytes.length), origin)
    if (this.subjects.size >= MAX_SUBJECTS) this.subjects.clear()
    this.subjects.set(text, subject)
    return subject
  }
}
