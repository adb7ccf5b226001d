import type { KafkaHeader } from "./driver.ts"
import type { SharedHeaders } from "./shared-headers.ts"

/** What flows through the bridge, in both directions (REC-1). Parts that change one make a new one. */
export interface BridgeRecord {
  /** "" for a record of Kafka that has not been given one yet. */
  readonly subject: string
  /** "" before a route has chosen one. */
  readonly topic: string
  /** -1: by the key. */
  readonly partition: number
  readonly key: Buffer | null
  /** null = tombstone. */
  readonly value: Buffer | null
  readonly headers: readonly KafkaHeader[]
  /** Headers that come before `headers`: on the last way to Kafka only, where nobody looks at them. */
  readonly shared?: SharedHeaders
  /** Value of the header `shared.numbered`: no header of its own for each record. */
  readonly number?: number
  /** Milliseconds since 1970. */
  readonly timestamp: number
}
