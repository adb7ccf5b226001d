import type { KafkaHeader } from "../driver.ts"
import { CODEC, SUBJECT } from "../mapping/headers.ts"

/** Codec of a payload of which nobody has said any. */
const BYTES = "bytes"

const result = { codec: BYTES, headers: [] as readonly KafkaHeader[] }

/**
 * The codec of a record's payload, and the headers without those that a replay gives in fields of their own. The result is used anew by the
 * next call.
 */
export function payloadOf(headers: readonly KafkaHeader[]): typeof result {
  result.codec = BYTES
  let own = 0
  for (let i = 0; i < headers.length; i++) {
    const name = headers[i][0]
    if (name === CODEC) result.codec = headers[i][1].toString("latin1")
    else if (name !== SUBJECT) continue
    own++
  }
  result.headers = own === 0 ? headers : headers.filter(([name]) => name !== CODEC && name !== SUBJECT)
  return result
}

/** The subject that a record of the bridge has in its headers, or null. */
export function subjectIn(headers: readonly KafkaHeader[]): string | null {
  for (let i = 0; i < headers.length; i++) if (headers[i][0] === SUBJECT) return headers[i][1].toString()
  return null
}
