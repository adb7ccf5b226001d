import { HeddleError } from "../../core/errors.ts"
import type { RecordStore, StoreRange } from "./record-store.ts"

/** Offsets of one page: 8 KiB of bits, so that a compacted topic, whose offsets lie far apart, does not take much. */
const PAGE = 65_536

/** Bytes that sets of offsets may take together. */
export class Budget {
  left: number
  private readonly most: number

  constructor(most: number) {
    this.most = most
    this.left = most
  }

  take(bytes: number): void {
    this.left -= bytes
    if (this.left >= 0) return
    throw new HeddleError(
      "EMSGSIZE",
      `last-per-subject: the range is too large for ${this.most} bytes of marks (maxMarkBytes); ask for one topic, or for a part of the time`,
    )
  }
}

/** A set of offsets, one bit each. */
export class OffsetSet {
  private readonly pages = new Map<number, Uint8Array>()
  private readonly budget: Budget

  constructor(budget: Budget) {
    this.budget = budget
  }

  /** Throws EMSGSIZE. */
  add(offset: number): void {
    const number = Math.floor(offset / PAGE)
    let page = this.pages.get(number)
    if (page === undefined) {
      this.budget.take(PAGE / 8)
      page = new Uint8Array(PAGE / 8)
      this.pages.set(number, page)
    }
    const bit = offset % PAGE
    page[bit >>> 3] |= 1 << (bit & 7)
  }

  has(offset: number): boolean {
    const page = this.pages.get(Math.floor(offset / PAGE))
    const bit = offset % PAGE
    return page !== undefined && (page[bit >>> 3] & (1 << (bit & 7))) !== 0
  }
}

export interface ScanOptions {
  readonly wants: (subject: string) => boolean
  /** Subjects that are remembered at a time; with more, the range is read again for the others. */
  readonly maxSubjects: number
  readonly maxBytes: number
  readonly signal: AbortSignal
}

/** Which subjects a pass is about: those whose hash has `bits` in its lowest `depth` bits. */
interface Share {
  readonly depth: number
  readonly bits: number
}

/**
 * Marks in `into` the last record of each subject of a range. Memory is bounded, whatever the number of subjects: a pass that meets too many forgets
 * one half of them, by a bit of their hash, and leaves it to another pass over the same range. Nothing is written to disk: what
 * would be written there is in the store already. Resolves with the number of passes.
 */
export async function markLast(
  store: RecordStore,
  { topic, partition, first, end }: StoreRange,
  into: OffsetSet,
  { wants, maxSubjects, maxBytes, signal }: ScanOptions,
): Promise<number> {
  const shares: Share[] = [{ depth: 0, bits: 0 }]
  let passes = 0
  for (let share = shares.pop(); share !== undefined; share = shares.pop()) {
    passes++
    const last = new Map<string, number>()
    let { depth, bits } = share
    let mask = maskOf(depth)
    for await (const records of store.read({ topic, partition, from: first, until: end, maxBytes, signal })) {
      for (const { subject, offset } of records) {
        if (!wants(subject) || (depth > 0 && (hash(subject) & mask) !== bits)) continue
        last.set(subject, offset)
        if (last.size <= maxSubjects) continue
        const other = splitOff(last, maxSubjects, { depth, bits }, shares)
        depth = other.depth
        bits = other.bits
        mask = maskOf(depth)
      }
    }
    signal.throwIfAborted()
    for (const offset of last.values()) into.add(offset)
  }
  return passes
}

/** Forgets half after half until what is left fits; returns whose it is. */
function splitOff(last: Map<string, number>, most: number, share: Share, shares: Share[]): Share {
  let { depth, bits } = share
  while (last.size > most) {
    // So many subjects with the same hash come only from somebody who has made them so.
    if (depth >= 30)
      throw new HeddleError("EMSGSIZE", `last-per-subject: more than ${most} subjects with one hash (maxSubjects)`)
    const bit = 1 << depth++
    for (const subject of last.keys()) if ((hash(subject) & bit) !== 0) last.delete(subject)
    shares.push({ depth, bits: bits | bit })
  }
  return { depth, bits }
}

function maskOf(depth: number): number {
  return (1 << depth) - 1
}

/** FNV-1a, and then mixed (murmur3's finaliser): its lowest bits alone are too regular. */
function hash(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}
