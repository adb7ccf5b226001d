import type { KafkaHeader } from "../driver.ts"
import type { RecordShape } from "../record-shape.ts"
import { type Span, spanOf } from "../span.ts"
import { encodedBody } from "./record-format.ts"

/**
 * What the plain messages of one subject and codec have in common as records: those without headers of their own, an id, or a publisher
 * who waits. Made once, so that each of them is written down as copies of bytes, and looked at by nobody on its way to Kafka.
 */
export class PlainForm {
  readonly subject: string
  readonly shard: number
  readonly headers: readonly KafkaHeader[]
  /** A record's body on the disk, up to its value. */
  readonly body: Span
  /** What the routes make of it, and of nothing else; null = they look at each. Undefined: they were not asked. */
  shape: RecordShape | null | undefined = undefined

  constructor(subject: string, shard: number, headers: readonly KafkaHeader[]) {
    this.subject = subject
    this.shard = shard
    this.headers = headers
    this.body = spanOf(encodedBody(subject, shard, headers))
  }
}
