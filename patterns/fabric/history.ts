import { HeddleError } from "../../core/errors.ts"
import { matches } from "../../core/subject.ts"
import type { SubjectIndex } from "../../core/subject-index.ts"
import type { Parcel } from "./link/write.ts"

export interface KeepOptions {
  /** Newest messages kept for each subject. Default 1. */
  last?: number
  /** Subjects at most; the one that has been silent longest goes. Default 10,000. */
  subjects?: number
  /**
   * Bytes of payload and headers at most, all subjects together; first the subjects go that have been silent longest, then the
   * oldest messages. The newest message stays in any case. Default 64 MiB.
   */
  bytes?: number
}

/** One kept message. */
export interface Kept {
  readonly subject: string
  readonly parcel: Parcel
  /** Bytes of payload and headers. */
  readonly size: number
  /** Place in the order of publishing over all subjects and keepers. */
  readonly order: number
}

let published = 0

/** The number of a message in the order of publishing, over all nodes of the process; from 1. */
export function nextNumber(): number {
  return ++published
}

const DEFAULTS = { last: 1, subjects: 10_000, bytes: 64 * 1024 * 1024 }

/** What a publisher keeps of the subjects of one pattern, for subscribers that come late and ask for it. */
export class Keeper {
  readonly pattern: string
  private readonly last: number
  private readonly maxSubjects: number
  private readonly maxBytes: number
  private readonly bySubject = new Map<string, Kept[]>()
  private held = 0

  /** Throws EINVAL. */
  constructor(pattern: string, options: KeepOptions = {}) {
    for (const name of Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[]) {
      const value = options[name]
      if (value !== undefined && !(Number.isSafeInteger(value) && value > 0)) {
        throw new HeddleError(
          "EINVAL",
          `Invalid argument: keep("${pattern}"): ${name} is ${String(value)}; it takes a whole number from 1`,
        )
      }
    }
    this.pattern = pattern
    this.last = options.last ?? DEFAULTS.last
    this.maxSubjects = options.subjects ?? DEFAULTS.subjects
    this.maxBytes = options.bytes ?? DEFAULTS.bytes
  }

  /** Subjects of which something is kept. */
  get subjects(): number {
    return this.bySubject.size
  }

  get bytes(): number {
    return this.held
  }

  /** `order`: from `nextNumber`. */
  store({ subject }: { readonly subject: string }, parcel: Parcel, order = nextNumber()): void {
    let kept = this.bySubject.get(subject)
    // The order of the Map is that of the last message: the first is the one that has been silent longest.
    if (kept === undefined) kept = []
    else this.bySubject.delete(subject)
    this.bySubject.set(subject, kept)
    // The caller may use its memory again; what is kept must not change.
    const payload = Buffer.from(parcel.payload)
    const size = payload.length + (parcel.headers?.length ?? 0)
    kept.push({ subject, parcel: parcel.with(payload), size, order })
    this.held += size
    if (kept.length > this.last) this.held -= (kept.shift() as Kept).size
    if (this.bySubject.size > this.maxSubjects) this.forgetOldest()
    while (this.held > this.maxBytes && this.bySubject.size > 1) this.forgetOldest()
    while (this.held > this.maxBytes && kept.length > 1) this.held -= (kept.shift() as Kept).size
  }

  /** Messages that are kept of one subject. */
  count(subject: string): number {
    return this.bySubject.get(subject)?.length ?? 0
  }

  /** The newest `most` of each subject that matches, oldest first over all. */
  recall(pattern: string, most: number): Kept[] {
    const found: Kept[] = []
    for (const [subject, kept] of this.bySubject) {
      if (matches(pattern, subject)) found.push(...kept.slice(-most))
    }
    return found.sort((a, b) => a.order - b.order)
  }

  /** Forgets what is kept of a subject, or of all. */
  clear(subject?: string): void {
    if (subject === undefined) {
      this.bySubject.clear()
      this.held = 0
    } else if (this.bySubject.has(subject)) this.forget(subject)
  }

  private forgetOldest(): void {
    this.forget(this.bySubject.keys().next().value as string)
  }

  private forget(subject: string): void {
    for (const { size } of this.bySubject.get(subject) as Kept[]) this.held -= size
    this.bySubject.delete(subject)
  }
}

/** The newest `most` of each subject that matches, by all keepers, oldest first. */
export function recall(keepers: SubjectIndex<Keeper>, pattern: string, most: number): Kept[] {
  const all = keepers.values()
  if (all.length === 1) return all[0].recall(pattern, most)
  // A subject may have had several keepers, one after the other.
  const counts = new Map<string, number>()
  return all
    .flatMap(keeper => keeper.recall(pattern, most))
    .sort((a, b) => b.order - a.order)
    .filter(({ subject }) => {
      const count = (counts.get(subject) ?? 0) + 1
      counts.set(subject, count)
      return count <= most
    })
    .reverse()
}
