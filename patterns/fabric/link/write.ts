/** Records with more than a subject and a payload: from their parts to the bytes of an open batch. */

import { copyInto } from "../../../core/bytes.ts"
import type { MessageHeaders } from "../../../core/headers.ts"
import { varintSize, writeVarint } from "../../../core/varint.ts"
import type { Outgoing } from "./outgoing.ts"
import type { Parcel } from "./parcel.ts"
import { APART, APART_FROM, HEADERS, INLINE_SUBJECT, REPLY, REQUEST } from "./records.ts"

export type { Parcel } from "./parcel.ts"

export const OWN_CODEC = 15
const NONE: readonly number[] = []

/**
 * One record: head, options, then `numbers` as varints, then (by option) targets, subject, codec name, headers, payload.
 * `subject` is a number on this link, a text, or null.
 */
export function writeRecord(
  out: Outgoing,
  type: number,
  options: number,
  numbers: readonly number[],
  subject: number | Buffer | null,
  parcel: Parcel,
  targets: readonly number[] = NONE,
): void {
  const { codec, codecName, headers } = parcel
  const apart = parcel.size > APART_FROM
  let flags = options
  let size = 2 + (apart ? 0 : parcel.size)
  for (let i = 0; i < numbers.length; i++) size += varintSize(numbers[i])
  if (targets.length > 0) {
    size += varintSize(targets.length)
    for (let i = 0; i < targets.length; i++) size += varintSize(targets[i])
  }
  if (typeof subject === "number") size += varintSize(subject)
  else if (subject !== null) {
    flags |= INLINE_SUBJECT
    size += varintSize(subject.length) + subject.length
  }
  const name = codec === OWN_CODEC ? Buffer.from(codecName) : null
  if (name !== null) size += varintSize(name.length) + name.length
  if (headers !== null) {
    flags |= HEADERS
    size += varintSize(headers.length) + headers.length
  }
  if (apart) flags |= APART
  let at = out.reserve(size)
  const { buffer } = out
  buffer[at++] = type | (codec << 4)
  buffer[at++] = flags
  for (let i = 0; i < numbers.length; i++) at = writeVarint(numbers[i], buffer, at)
  if (targets.length > 0) {
    at = writeVarint(targets.length, buffer, at)
    for (let i = 0; i < targets.length; i++) at = writeVarint(targets[i], buffer, at)
  }
  if (typeof subject === "number") at = writeVarint(subject, buffer, at)
  else if (subject !== null) at = writeBytes(subject, buffer, at)
  if (name !== null) at = writeBytes(name, buffer, at)
  if (headers !== null) at = writeBytes(headers, buffer, at)
  if (apart) out.attach(parcel.payload)
  else parcel.copyTo(buffer, at)
}

/**
 * The usual request, as `writeRecord` would write it: a numbered subject, neither headers nor a codec of its own, and at most
 * APART_FROM bytes of payload.
 */
export function writeRequest(
  out: Outgoing,
  id: number,
  server: number,
  timeout: number,
  credit: number,
  subject: number,
  parcel: Parcel,
): void {
  const numbers = varintSize(id) + varintSize(server) + varintSize(timeout) + varintSize(credit) + varintSize(subject)
  let at = out.reserve(2 + numbers + parcel.size)
  const { buffer } = out
  buffer[at] = REQUEST | (parcel.codec << 4)
  buffer[at + 1] = 0
  at = writeVarint(server, buffer, writeVarint(id, buffer, at + 2))
  at = writeVarint(credit, buffer, writeVarint(timeout, buffer, at))
  parcel.copyTo(buffer, writeVarint(subject, buffer, at))
}

/** The usual reply, as `writeRecord` would write it: as for `writeRequest`. */
export function writeReply(out: Outgoing, options: number, id: number, parcel: Parcel): void {
  let at = out.reserve(2 + varintSize(id) + parcel.size)
  const { buffer } = out
  buffer[at++] = REPLY | (parcel.codec << 4)
  buffer[at++] = options
  parcel.copyTo(buffer, writeVarint(id, buffer, at))
}

/** A record of whole numbers: control, all of them. */
export function writeNumbers(out: Outgoing, type: number, numbers: readonly number[]): void {
  let size = 1
  for (let i = 0; i < numbers.length; i++) size += varintSize(numbers[i])
  let at = out.reserve(size)
  const { buffer } = out
  buffer[at++] = type
  for (let i = 0; i < numbers.length; i++) at = writeVarint(numbers[i], buffer, at)
  out.isControl(size)
}

/** A record of one number and some bytes. */
export function writeNamed(out: Outgoing, type: number, number: number, bytes: Buffer): void {
  let at = out.reserve(1 + varintSize(number) + bytes.length)
  const { buffer } = out
  buffer[at++] = type
  at = writeVarint(number, buffer, at)
  copyInto(buffer, bytes, at)
}

export function encodeHeaders(headers: MessageHeaders): Buffer | null {
  if (headers.size === 0) return null
  const bytes = Buffer.allocUnsafe(headers.encodedSize())
  headers.encode(bytes, 0)
  return bytes
}

export function writeBytes(bytes: Buffer, into: Buffer, at: number): number {
  const start = writeVarint(bytes.length, into, at)
  into.set(bytes, start)
  return start + bytes.length
}

/** An unnumbered batch of one record. */
export function unnumbered(type: number, body: Buffer): Buffer {
  const length = 1 + body.length
  const batch = Buffer.allocUnsafe(1 + varintSize(length) + length)
  batch[0] = 0
  let at = writeVarint(length, batch, 1)
  batch[at++] = type
  batch.set(body, at)
  return batch
}
