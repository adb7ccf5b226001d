import { EncodedPayload } from "../core/codec.ts"
import { HeddleError } from "../core/errors.ts"
import type { Fabric } from "../patterns/fabric/fabric.ts"
import { excerptOf, isErrorHeader } from "./dead-letter.ts"
import type { KafkaHeader } from "./driver.ts"
import { CODEC, SUBJECT, textOf } from "./mapping/headers.ts"

/** Bytes of a payload in a notice; of a longer one it has the beginning. Whoever needs all of it reads the dead letter. */
const LONGEST = 64 * 1024

/**
 * `errors.deadletterqueue.subject`: publishes a dead letter, payload and headers. Plain `publish`: who is slow misses some. False: it was a
 * notice already, which must not come back as another one, or it cannot be published.
 */
export function publishNotice(
  fabric: Fabric,
  to: string,
  { value, headers: before }: { readonly value: Buffer | null; readonly headers: readonly KafkaHeader[] },
  letterHeaders: readonly KafkaHeader[],
): boolean {
  if (fabric.closed || before.some(([name]) => isErrorHeader(name))) return false
  const [body, headers] = excerptOf(value, letterHeaders, LONGEST)
  const whole = body?.length === value?.length
  const codec = body === null ? "none" : whole ? (textOf(headers, CODEC) ?? "bytes") : "bytes"
  const send = (some: readonly KafkaHeader[]): void => {
    const data = new EncodedPayload(body ?? Buffer.alloc(0), codec)
    fabric.publish(to, data, { headers: some.map(([name, bytes]): [string, Buffer] => [name, bytes]) })
  }
  const own = headers.filter(([name]) => name !== CODEC)
  try {
    send(own)
  } catch {
    try {
      // Its headers are more than a message can have, or none that it can have: perhaps that is why it is a dead letter.
      send(own.filter(([name]) => isErrorHeader(name) || name === SUBJECT))
    } catch (error) {
      if (error instanceof HeddleError) return false
      throw error
    }
  }
  return true
}
