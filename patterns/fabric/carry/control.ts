/** What publishers and subscribers of a group say to each other by their link: CARRY records (SPEC.md, docs/wire.md). */
import { copyInto } from "../../../core/bytes.ts"
import { varintSize, writeVarint } from "../../../core/varint.ts"
import type { Link } from "../link/link.ts"
import { CARRY } from "../link/records.ts"
import { writeBytes } from "../link/write.ts"
import type { CarriedBatch } from "./window.ts"

/** From who subscribes. */
export const LISTEN = 0
export const DEAF = 1
export const HEAR = 2
export const FETCH = 3
export const LOST = 4
/** From who publishes. */
export const OFFER = 5
export const ON = 6
export const OFF = 7
export const END = 8
export const BATCH = 9
export const MISSING = 10
export const FETCHED = 11
export const TAIL = 12
export const MARK = 13
export const STILL = 14

/** Why a subscriber wants no more by the group (LOST), or a publisher gives it up (END). */
export const SILENT = 0
export const ASKED = 1
export const UNWANTED = 2
export const DISTURBED = 3
export const LOSSY = 4
export const FEW = 5
export const SLOW = 6
export const LEAVING = 7
export const BROKEN = 8
export const ANEW = 9

const REASONS: readonly string[] = [
  "no datagram came within the probe time",
  "the publisher asked for it",
  "nothing of it is subscribed to any more",
  "messages came that the publisher has not sent",
  "more was lost than came",
  "too few peers hear the group",
  "the group took no more",
  "the publisher leaves",
  "the group's port failed",
  "the link was away for too long",
]

/** For events. */
export function reasonText(reason: number): string {
  return REASONS[reason] ?? "unknown"
}

/** One record: varint kind, text group, varints, rest. */
export function writeControl(
  { outgoing }: Link,
  kind: number,
  group: Buffer,
  numbers: readonly number[] = [],
  rest: Buffer | null = null,
): void {
  let size = 1 + varintSize(kind) + varintSize(group.length) + group.length
  for (const number of numbers) size += varintSize(number)
  if (rest !== null) size += rest.length
  let at = outgoing.reserve(size)
  const { buffer } = outgoing
  buffer[at++] = CARRY
  at = writeVarint(kind, buffer, at)
  at = writeBytes(group, buffer, at)
  for (const number of numbers) at = writeVarint(number, buffer, at)
  if (rest !== null) copyInto(buffer, rest, at)
}

/** A batch of the group once more, by link. */
export function writeBatch(link: Link, group: Buffer, { bytes, payload }: CarriedBatch): void {
  writeControl(link, BATCH, group, [], bytes)
  if (payload !== null) link.outgoing.attach(payload)
}
