import { HeddleError } from "../../core/errors.ts"

/** What is left of one partition: from `next` up to, not including, `until`. */
export interface CursorRange {
  readonly topic: string
  readonly partition: number
  readonly next: number
  readonly until: number
}

/** A place in a replay. The end is kept with it, so that a replay that is taken up again ends where the first would have. */
export interface ReplayCursor {
  /** Of the store whose offsets these are. */
  readonly store: string
  /** Records given so far. */
  readonly count: number
  readonly ranges: readonly CursorRange[]
}

/** 100,000 partitions and their names; it is the asker's memory that comes back. */
const LONGEST = 8 * 1024 * 1024

/** A text for URLs, files and messages; what is in it may change with the version. */
export function encodeCursor({ store, count, ranges }: ReplayCursor): string {
  const parts = ranges.map(({ topic, partition, next, until }) => [topic, partition, next, until])
  return Buffer.from(JSON.stringify([1, store, count, parts])).toString("base64url")
}

/** Throws EINVAL. */
export function decodeCursor(text: unknown): ReplayCursor {
  if (typeof text !== "string" || text.length > LONGEST) throw invalid("it is no text, or too long")
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(text, "base64url").toString())
  } catch {
    throw invalid("it cannot be read")
  }
  if (!Array.isArray(value) || value[0] !== 1) throw invalid("it is of another version")
  const [, store, count, parts] = value as unknown[]
  if (typeof store !== "string" || !isOffset(count) || !Array.isArray(parts)) throw invalid("it cannot be read")
  const ranges = parts.map((part: unknown): CursorRange => {
    const [topic, partition, next, until] = Array.isArray(part) ? (part as unknown[]) : []
    if (typeof topic !== "string" || !isOffset(partition) || !isOffset(next) || !isOffset(until))
      throw invalid("one of its ranges cannot be read")
    return { topic, partition, next, until }
  })
  return { store, count, ranges }
}

function isOffset(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function invalid(why: string): HeddleError {
  return new HeddleError("EINVAL", `Invalid replay cursor: ${why}; give back what a replay gave, unchanged`)
}
