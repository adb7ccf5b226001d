import { HeddleError } from "../../core/errors.ts"
import type { RecordStore, StoreRange } from "./record-store.ts"
import type { ReplayRequest } from "./request.ts"

/** What is read of a partition: from `first` up to, not including, `end`. */
export interface ReplayRange extends StoreRange {
  /** Offsets that were asked for and are there no longer (retention). */
  readonly skipped: number
}

/** What a request means for the store as it is now. Throws EINVAL. */
export async function rangesOf(store: RecordStore, request: ReplayRequest): Promise<ReplayRange[]> {
  const held = await store.ranges(request.topic)
  if (request.topic !== undefined && held.length === 0)
    throw new HeddleError("EINVAL", `Invalid replay request: this connector has no topic ${short(request.topic)}`)
  if (request.cursor !== null) return goOn(store, held, request.cursor)
  const [from, until] = await Promise.all([fromOf(store, held, request.from), untilOf(store, held, request.until)])
  return held.map((range, i) => cut(range, from[i], until[i]))
}

function goOn(
  store: RecordStore,
  held: readonly StoreRange[],
  cursor: ReplayRequest["cursor"] & object,
): ReplayRange[] {
  if (cursor.store !== store.id)
    throw new HeddleError("EINVAL", `Invalid replay cursor: it is of ${short(cursor.store)}, and this is ${store.id}`)
  const now = new Map(held.map(range => [`${range.topic}/${range.partition}`, range]))
  return cursor.ranges.map(({ topic, partition, next, until }) => {
    const range = now.get(`${topic}/${partition}`)
    // Also the guard against cursors made by hand, for topics that are not to be read.
    if (range === undefined)
      throw new HeddleError("EINVAL", `Invalid replay cursor: this connector has no ${short(topic)}/${partition}`)
    return cut(range, next, until)
  })
}

function cut({ topic, partition, first, end }: StoreRange, from: number, until: number): ReplayRange {
  const stop = Math.min(until, end)
  const begin = Math.min(Math.max(from, first), Math.max(stop, first))
  const skipped = Math.max(0, Math.min(first, until) - from)
  return { topic, partition, first: begin, end: Math.max(begin, stop), skipped }
}

function fromOf(
  store: RecordStore,
  held: readonly StoreRange[],
  from: ReplayRequest["from"],
): number[] | Promise<number[]> {
  if (from === "earliest") return held.map(range => range.first)
  if (from === "latest") return held.map(range => range.end)
  if ("offset" in from) return held.map(() => from.offset)
  if ("offsets" in from) return byName(held, from.offsets, range => range.first)
  return store.offsetsAt(held, "timestamp" in from ? from.timestamp : Math.max(0, Date.now() - from.duration))
}

function untilOf(
  store: RecordStore,
  held: readonly StoreRange[],
  until: ReplayRequest["until"],
): number[] | Promise<number[]> {
  if (until === "latest") return held.map(range => range.end)
  if ("offset" in until) return held.map(() => until.offset)
  if ("offsets" in until) return byName(held, until.offsets, range => range.end)
  return store.offsetsAt(held, until.timestamp)
}

function byName(
  held: readonly StoreRange[],
  offsets: Readonly<Record<string, number>>,
  otherwise: (range: StoreRange) => number,
): number[] {
  const names = new Set(held.map(({ topic, partition }) => `${topic}/${partition}`))
  for (const name of Object.keys(offsets))
    if (!names.has(name))
      throw new HeddleError("EINVAL", `Invalid replay request: this connector has no partition ${short(name)}`)
  return held.map(range => {
    const name = `${range.topic}/${range.partition}`
    return Object.hasOwn(offsets, name) ? offsets[name] : otherwise(range)
  })
}

function short(text: string): string {
  return JSON.stringify(text.slice(0, 260))
}
