import type { SubjectIndex } from "../../../core/subject-index.ts"
import { SubjectKey } from "../../../core/subject-key.ts"
import type { Subscription } from "../subscription.ts"
import type { Wishes } from "../wishes.ts"
import { FOR_ONE, INLINE_SUBJECT, PUBLISH_MORE } from "./records.ts"

/** Messages at a time: as many reads as a processor has under way at once. */
const AHEAD = 16

/** Reads of a subscription what lies in the middle and at the end of all that a message needs: two to three lines of the cache. */
function deliveredBy(value: unknown): number {
  if (value === undefined) return 0
  const { delivered, spec } = value as Subscription
  return spec === undefined ? 1 : delivered
}

/**
 * Where subscriptions are a million, each message waits for memory several times in a row: slot, list, subscription. A batch
 * has many messages, and these can wait together. Nothing is found out here, memory is only read, so that it is near when the
 * messages are delivered; what a peer sends is not checked.
 */
export class Lookahead {
  private readonly keys = Array.from({ length: AHEAD }, () => new SubjectKey())
  /** Where the subjects begin. */
  private readonly starts = new Int32Array(AHEAD)
  private readonly valid = new Uint8Array(AHEAD)
  private readonly hashes = new Int32Array(AHEAD)
  private readonly lengths = new Int32Array(AHEAD)
  /** Subscriptions that messages name. */
  private readonly ids = new Int32Array(AHEAD)
  private bytes: Buffer | null = null
  private count = 0
  private next = 0
  /** Of what was read: reads that nobody could need would be left out by the compiler. */
  sum = 0

  /** Records lie in `bytes` from `at` to `end`. Returns where it has stopped, which is behind the first one. */
  look(index: SubjectIndex<Subscription>, wishes: Wishes, bytes: Buffer, at: number, end: number): number {
    const { keys, starts, valid, hashes, lengths, ids } = this
    this.bytes = bytes
    this.next = 0
    let count = 0
    let named = 0
    while (at < end && count < AHEAD && named < AHEAD) {
      let length = bytes[at++]
      if (length >= 0x80) {
        // Of 16 KiB and more: there are few in a batch.
        if (bytes[at] >= 0x80) {
          at = end
          break
        }
        length = (length & 127) | (bytes[at++] << 7)
      }
      if ((bytes[at] & 15) === PUBLISH_MORE) {
        const options = bytes[at + 1]
        const size = bytes[at + 2]
        const start = at + 3
        if (options === FOR_ONE && start + 3 < end) ids[named++] = shortVarint(bytes, start)
        else if (options === INLINE_SUBJECT && size < 0x80 && start + size <= end) {
          const key = keys[count]
          valid[count] = key.setBytes(bytes, start, start + size) ? 1 : 0
          starts[count] = start
          hashes[count] = key.hash
          lengths[count++] = size
        }
      }
      at += length
    }
    this.count = count
    let sum = 0
    if (named > 1) sum = wishes.bringNear(ids, named, deliveredBy)
    if (count > 1) sum += index.bringNear(hashes, lengths, count, deliveredBy)
    this.sum = sum & 1
    return at
  }

  /** The subject at `start`, if that is the next one that was looked at and is one in ASCII. */
  take(bytes: Buffer, start: number): SubjectKey | null {
    const { next } = this
    if (next >= this.count || this.bytes !== bytes || this.starts[next] !== start) return null
    this.next = next + 1
    return this.valid[next] === 1 ? this.keys[next] : null
  }

  /** Nothing that was looked at counts any more. */
  clear(): void {
    this.count = 0
    this.bytes = null
  }
}

/** A number of at most four bytes; of longer ones their lower part, which is as good as any that is not there. */
function shortVarint(bytes: Buffer, at: number): number {
  let value = bytes[at]
  if (value < 0x80) return value
  value = (value & 127) | (bytes[at + 1] << 7)
  if (value < 1 << 14) return value
  value = (value & 0x3fff) | (bytes[at + 2] << 14)
  if (value < 1 << 21) return value
  return (value & 0x1fffff) | ((bytes[at + 3] & 127) << 21)
}
