import { HeddleError } from "../../core/errors.ts"
import { MAX_VARINT_SIZE, Reader, writeVarint } from "../../core/varint.ts"
import type { KafkaHeader, StoredAt } from "../driver.ts"

/**
 * What goes to `$BRIDGE.<bridge>.store.<connector>.<shard>` and comes back (DUR-2): messages of one publisher and one shard in order, and
 * what became of each. Texts and bytes have their length before them; all lengths and numbers are varints.
 *
 *     request: u8 version, u8 ack, text publisher, epoch, floor, count, messages
 *     message: number, text id, text subject, timestamp, u8 flags, header count, (text name, bytes value)..., [bytes value]
 *     reply:   u8 version, count, outcomes
 *     outcome: u8 flags, [text topic, partition, offset], [text code, text message, milliseconds]
 *
 * The offset is one higher than it is; 0 = the broker was not asked.
 */
const VERSION = 1

export type Ack = "spooled" | "stored"

export interface StoreMessage {
  /** Of this publisher, epoch and shard, from 1. */
  readonly number: number
  /** The user's own; "" without one. */
  readonly id: string
  readonly subject: string
  /** Milliseconds since 1970. */
  readonly timestamp: number
  readonly headers: readonly KafkaHeader[]
  /** null = tombstone. */
  readonly value: Buffer | null
}

export interface StoreRequest {
  readonly ack: Ack
  readonly publisher: string
  readonly epoch: number
  /** The lowest number of this shard that the publisher waits for. */
  readonly floor: number
  readonly messages: readonly StoreMessage[]
}

export type StoreOutcome =
  | { readonly stored: true; readonly duplicate: boolean; readonly place: StoredAt | null }
  | {
      readonly stored: false
      /** MOVED and EBUSY: try again; others: the message is refused for good. */
      readonly code: string
      readonly text: string
      /** Milliseconds after which it makes sense to try again; 0 = at once. */
      readonly retryAfter: number
    }

/** Messages in one request at most: an answer comes when the last of them is stored. */
export const MAX_MESSAGES = 4_096

const TOMBSTONE = 1
const DUPLICATE = 1
const PLACE = 2
const REFUSED = 4

/** Bytes that a message will take at most. */
export function sizeOf({ id, subject, headers, value }: StoreMessage): number {
  let size = 6 * MAX_VARINT_SIZE + 1 + 3 * (id.length + subject.length) + (value?.length ?? 0)
  for (let i = 0; i < headers.length; i++) size += 2 * MAX_VARINT_SIZE + 3 * headers[i][0].length + headers[i][1].length
  return size
}

export function encodeRequest({ ack, publisher, epoch, floor, messages }: StoreRequest): Buffer {
  let size = 2 + 4 * MAX_VARINT_SIZE + 3 * publisher.length
  for (let i = 0; i < messages.length; i++) size += sizeOf(messages[i])
  const bytes = Buffer.allocUnsafe(size)
  bytes[0] = VERSION
  bytes[1] = ack === "stored" ? 1 : 0
  let at = writeText(publisher, bytes, 2)
  at = writeVarint(epoch, bytes, at)
  at = writeVarint(floor, bytes, at)
  at = writeVarint(messages.length, bytes, at)
  for (let i = 0; i < messages.length; i++) {
    const { number, id, subject, timestamp, headers, value } = messages[i]
    at = writeVarint(number, bytes, at)
    at = writeText(id, bytes, at)
    at = writeText(subject, bytes, at)
    at = writeVarint(timestamp, bytes, at)
    bytes[at++] = value === null ? TOMBSTONE : 0
    at = writeVarint(headers.length, bytes, at)
    for (let j = 0; j < headers.length; j++) {
      at = writeText(headers[j][0], bytes, at)
      at = writeBytes(headers[j][1], bytes, at)
    }
    if (value !== null) at = writeBytes(value, bytes, at)
  }
  return bytes.subarray(0, at)
}

/** Values and headers are views. Throws EPROTO: it comes from the network. */
export function decodeRequest(bytes: Buffer): StoreRequest {
  const reader = new Reader(bytes)
  checkVersion(reader.byte())
  const ack = reader.byte() === 1 ? "stored" : "spooled"
  const publisher = reader.utf8(reader.varint())
  const epoch = reader.varint()
  const floor = reader.varint()
  const count = reader.varint()
  if (count > MAX_MESSAGES) throw malformed(`${count} messages in one request; at most ${MAX_MESSAGES} are taken`)
  const messages: StoreMessage[] = []
  for (let left = count; left > 0; left--) {
    const number = reader.varint()
    const id = reader.utf8(reader.varint())
    const subject = reader.utf8(reader.varint())
    const timestamp = reader.varint()
    const flags = reader.byte()
    const headers: KafkaHeader[] = []
    for (let more = reader.varint(); more > 0; more--) {
      const name = reader.utf8(reader.varint())
      headers.push([name, reader.view(reader.varint())])
    }
    const value = (flags & TOMBSTONE) !== 0 ? null : reader.view(reader.varint())
    messages.push({ number, id, subject, timestamp, headers, value })
  }
  if (reader.left > 0) throw malformed(`${reader.left} bytes after the last message`)
  return { ack, publisher, epoch, floor, messages }
}

export function encodeReply(outcomes: readonly StoreOutcome[]): Buffer {
  let size = 1 + MAX_VARINT_SIZE
  for (const one of outcomes) {
    if (!one.stored) size += 1 + 3 * MAX_VARINT_SIZE + 3 * (one.code.length + one.text.length)
    else size += 1 + (one.place === null ? 0 : 3 * MAX_VARINT_SIZE + 3 * one.place.topic.length)
  }
  const bytes = Buffer.allocUnsafe(size)
  bytes[0] = VERSION
  let at = writeVarint(outcomes.length, bytes, 1)
  for (const one of outcomes) {
    if (one.stored) {
      bytes[at++] = (one.duplicate ? DUPLICATE : 0) | (one.place === null ? 0 : PLACE)
      if (one.place === null) continue
      at = writeText(one.place.topic, bytes, at)
      at = writeVarint(one.place.partition, bytes, at)
      at = writeVarint(one.place.offset + 1, bytes, at)
    } else {
      bytes[at++] = REFUSED
      at = writeText(one.code, bytes, at)
      at = writeText(one.text, bytes, at)
      at = writeVarint(one.retryAfter, bytes, at)
    }
  }
  return bytes.subarray(0, at)
}

/** Throws EPROTO: it comes from the network. `count`: messages that were asked about. */
export function decodeReply(bytes: Buffer, count: number): StoreOutcome[] {
  const reader = new Reader(bytes)
  checkVersion(reader.byte())
  const said = reader.varint()
  if (said !== count) throw malformed(`${said} outcomes for ${count} messages`)
  const outcomes: StoreOutcome[] = []
  for (let left = count; left > 0; left--) {
    const flags = reader.byte()
    if ((flags & REFUSED) !== 0) {
      const code = reader.utf8(reader.varint())
      const text = reader.utf8(reader.varint())
      outcomes.push({ stored: false, code, text, retryAfter: reader.varint() })
      continue
    }
    let place: StoredAt | null = null
    if ((flags & PLACE) !== 0) {
      const topic = reader.utf8(reader.varint())
      const partition = reader.varint()
      place = { topic, partition, offset: reader.varint() - 1 }
    }
    outcomes.push({ stored: true, duplicate: (flags & DUPLICATE) !== 0, place })
  }
  return outcomes
}

function checkVersion(version: number): void {
  if (version !== VERSION) throw malformed(`version ${version}; version ${VERSION} is spoken here`)
}

function malformed(what: string): HeddleError {
  return new HeddleError("EPROTO", `A message about storing is malformed: ${what}`)
}

function writeText(text: string, into: Buffer, start: number): number {
  const length = Buffer.byteLength(text)
  const at = writeVarint(length, into, start)
  return at + into.write(text, at)
}

function writeBytes(bytes: Buffer, into: Buffer, start: number): number {
  const at = writeVarint(bytes.length, into, start)
  into.set(bytes, at)
  return at + bytes.length
}
