import { HeddleError } from "../../core/errors.ts"
import { checkPattern } from "../../core/subject.ts"
import { decodeCursor, type ReplayCursor } from "./cursor.ts"

/** Where a replay begins. Offsets of single partitions are named "topic/partition"; others begin at their first record. */
export type ReplayFrom =
  | "earliest"
  | "latest"
  | { readonly offset: number }
  | { readonly offsets: Readonly<Record<string, number>> }
  /** Milliseconds since 1970. */
  | { readonly timestamp: number }
  /** Milliseconds before now. */
  | { readonly duration: number }
  /** Where another replay of the same request was. */
  | { readonly cursor: string }

/** Where it ends: before this. "latest" = what is there when it begins. */
export type ReplayUntil =
  | "latest"
  | { readonly offset: number }
  | { readonly offsets: Readonly<Record<string, number>> }
  | { readonly timestamp: number }

export interface ReplayOptions {
  /** Which connector's topics; default: the first of the bridge. */
  connector?: string
  /** One of its topics; default: all. */
  topic?: string
  /** Default "earliest". */
  from?: ReplayFrom
  /** Default "latest". */
  until?: ReplayUntil
  /** Pattern of subjects. Default ">". */
  subject?: string
  /**
   * "last-per-subject": of each subject the last record of the range, in each partition by itself: with the key of the subject,
   * as is the default, a subject lies in one partition. Default "all".
   */
  mode?: "all" | "last-per-subject"
  /** "original": with the pauses between the records' times. A number: records a second. Default "max". */
  speed?: "max" | "original" | number
  /**
   * "inbox": to the asker. "subjects": published anew, to everybody who is subscribed, with the header `hd.replay`; the asker gets
   * the counts. Default "inbox".
   */
  to?: "inbox" | "subjects"
  /** Records at most. Default 0: all. */
  limit?: number
  /** Bytes that may be on the way to the asker and wait there. Default 8 MiB. */
  credit?: number
}

/** A request that has been checked. */
export interface ReplayRequest {
  readonly connector: string | undefined
  readonly topic: string | undefined
  readonly from: Exclude<ReplayFrom, { cursor: string }>
  readonly cursor: ReplayCursor | null
  readonly until: ReplayUntil
  readonly subject: string
  readonly mode: "all" | "last-per-subject"
  /** Records a second; infinite = as fast as it goes. */
  readonly rate: number
  /** With the pauses between the records' times. */
  readonly original: boolean
  readonly to: "inbox" | "subjects"
  readonly limit: number
  readonly credit: number
}

const NAMES = new Set<string>([
  "connector",
  "topic",
  "from",
  "until",
  "subject",
  "mode",
  "speed",
  "to",
  "limit",
  "credit",
] satisfies (keyof ReplayOptions)[])

/** Less would make every record a message of its own; more would hold up the other traffic of the link. */
const LEAST_CREDIT = 64 * 1024
const MOST_CREDIT = 1024 * 1024 * 1024
const CREDIT = 8 * 1024 * 1024

/** Checks what came from the network (or from a caller). Throws EINVAL that names the field. */
export function parseRequest(data: unknown): ReplayRequest {
  const given = data === null || data === undefined ? {} : data
  if (typeof given !== "object" || Array.isArray(given)) throw invalid("it is an object", data)
  const options = given as Record<string, unknown>
  for (const name of Object.keys(options))
    if (!NAMES.has(name)) throw invalid(`it has no option ${JSON.stringify(name.slice(0, 40))}`, [...NAMES].join(", "))
  const { connector, topic, subject = ">", mode = "all", speed = "max", to = "inbox" } = options
  if (connector !== undefined && typeof connector !== "string") throw invalid("connector is a name", connector)
  if (topic !== undefined && typeof topic !== "string") throw invalid("topic is a name", topic)
  checkPattern(subject as string)
  if (mode !== "all" && mode !== "last-per-subject") throw invalid('mode is "all" or "last-per-subject"', mode)
  if (speed !== "max" && speed !== "original" && !(typeof speed === "number" && speed > 0 && speed < 1e9))
    throw invalid('speed is "max", "original" or records a second', speed)
  if (to !== "inbox" && to !== "subjects") throw invalid('to is "inbox" or "subjects"', to)
  const from = options.from === undefined ? "earliest" : options.from
  const cursor = isObject(from) && "cursor" in from ? decodeCursor(from.cursor) : null
  return {
    connector,
    topic,
    from: cursor === null ? checkFrom(from) : "earliest",
    cursor,
    until: checkUntil(options.until === undefined ? "latest" : options.until),
    subject: subject as string,
    mode,
    rate: typeof speed === "number" ? speed : Number.POSITIVE_INFINITY,
    original: speed === "original",
    to,
    limit: options.limit === undefined ? 0 : whole("limit", options.limit, 0),
    credit: Math.min(
      options.credit === undefined ? CREDIT : whole("credit (bytes)", options.credit, LEAST_CREDIT),
      MOST_CREDIT,
    ),
  }
}

function checkFrom(from: unknown): Exclude<ReplayFrom, { cursor: string }> {
  if (from === "earliest" || from === "latest") return from
  if (isObject(from)) {
    if ("offset" in from) return { offset: whole("from.offset", from.offset, 0) }
    if ("offsets" in from) return { offsets: offsetsOf("from.offsets", from.offsets) }
    if ("timestamp" in from) return { timestamp: whole("from.timestamp (ms since 1970)", from.timestamp, 0) }
    if ("duration" in from) return { duration: whole("from.duration (ms)", from.duration, 0) }
  }
  throw invalid('from is "earliest", "latest" or one of {offset}, {offsets}, {timestamp}, {duration}, {cursor}', from)
}

function checkUntil(until: unknown): ReplayUntil {
  if (until === "latest") return until
  if (isObject(until)) {
    if ("offset" in until) return { offset: whole("until.offset", until.offset, 0) }
    if ("offsets" in until) return { offsets: offsetsOf("until.offsets", until.offsets) }
    if ("timestamp" in until) return { timestamp: whole("until.timestamp (ms since 1970)", until.timestamp, 0) }
  }
  throw invalid('until is "latest" or one of {offset}, {offsets}, {timestamp}', until)
}

function offsetsOf(name: string, value: unknown): Record<string, number> {
  if (!isObject(value)) throw invalid(`${name} is an object of offsets by "topic/partition"`, value)
  for (const [key, offset] of Object.entries(value)) whole(`${name}[${key.slice(0, 260)}]`, offset, 0)
  return value as Record<string, number>
}

function whole(name: string, value: unknown, least: number): number {
  if (!Number.isSafeInteger(value) || (value as number) < least)
    throw invalid(`${name} is a whole number from ${least}`, value)
  return value as number
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

function invalid(what: string, value: unknown): HeddleError {
  const shown = typeof value === "string" ? value : (JSON.stringify(value) ?? String(value))
  return new HeddleError("EINVAL", `Invalid replay request: ${what}; got ${shown.slice(0, 200)}`)
}
