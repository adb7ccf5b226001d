import { HeddleError } from "../../core/errors.ts"
import { matches } from "../../core/subject.ts"
import type { Fabric } from "../../patterns/fabric/fabric.ts"
import { ServiceError } from "../../patterns/fabric/requests/failures.ts"
import type { RequestMessage } from "../../patterns/fabric/requests/request-message.ts"
import { CREDIT_AHEAD } from "../../patterns/fabric/requests/requests.ts"
import type { Service } from "../../patterns/fabric/requests/service.ts"
import { KafkaError } from "../errors.ts"
import { AGAIN, type ReplayEnd, type ReplayProgress, type ReplayStart, subjectOf } from "./answers.ts"
import { encodeCursor } from "./cursor.ts"
import { END, FrameWriter, jsonFrame, PROGRESS, START } from "./frames.ts"
import { Budget, markLast, OffsetSet } from "./last-per-subject.ts"
import { Merge } from "./merge.ts"
import { Pace, sleep } from "./pace.ts"
import { type ReplayRange, rangesOf } from "./ranges.ts"
import { payloadOf } from "./record-headers.ts"
import type { RecordStore, StoreRecord } from "./record-store.ts"
import { parseRequest, type ReplayRequest } from "./request.ts"

export interface ReplayServiceOptions {
  readonly fabric: Pick<Fabric, "serve">
  /** Name of the bridge: one token of a subject. */
  readonly bridge: string
  /** What may be replayed, by connector; the first is the default. */
  readonly stores: ReadonlyMap<string, RecordStore>
  /** Publishes a record to subscribers, for `to: "subjects"`; null = done, otherwise it waits. Without it such requests are refused. */
  readonly republish?: (record: StoreRecord, cluster: string) => Promise<void> | null
  /** Replays at a time; more are refused with EBUSY. Default 16. */
  readonly maxReplays?: number
  /** Partitions that one replay reads at once; see `Merge`. Default 32. */
  readonly mergeWidth?: number
  /** Bytes that one replay may hold of what it has read. Default 16 MiB. */
  readonly fetchBytes?: number
  /** Subjects that one "last-per-subject" remembers at a time. Default 200,000: about 40 MB. */
  readonly maxSubjects?: number
  /** Bytes of marks of one "last-per-subject", one bit for each offset. Default 64 MiB: 500 million offsets. */
  readonly maxMarkBytes?: number
}

/** Answers may be so far apart before one says where the replay is. */
const PROGRESS_INTERVAL = 1_000
/** Between two looks at the clock, and two chances for others, while nothing is sent. */
const STRIDE = 4_096

/** Counters of all replays of one bridge. */
export interface ReplayStats {
  started: number
  failed: number
  active: number
  records: number
  bytes: number
}

/** Serves `$BRIDGE.<bridge>.replay`: stored records on request, as a stream whose speed the asker decides. */
export class ReplayService {
  readonly stats: ReplayStats = { started: 0, failed: 0, active: 0, records: 0, bytes: 0 }
  private readonly options: Required<Omit<ReplayServiceOptions, "republish">> & Pick<ReplayServiceOptions, "republish">
  private readonly services: Service[] = []

  constructor(options: ReplayServiceOptions) {
    this.options = {
      ...options,
      maxReplays: options.maxReplays ?? 16,
      mergeWidth: options.mergeWidth ?? 32,
      fetchBytes: options.fetchBytes ?? 16 * 1024 * 1024,
      maxSubjects: options.maxSubjects ?? 200_000,
      maxMarkBytes: options.maxMarkBytes ?? 64 * 1024 * 1024,
    }
  }

  /** Resolves when the peers know of it. */
  async start(): Promise<void> {
    const { fabric, bridge, maxReplays, stores } = this.options
    const subjects = new Set([subjectOf(bridge)])
    for (const store of stores.values()) subjects.add(subjectOf(bridge, store.id))
    for (const subject of subjects) {
      const service = fabric.serve(subject, message => this.answer(message), { concurrency: maxReplays, limit: 0 })
      this.services.push(service)
    }
    await Promise.all(this.services.map(service => service.ready))
  }

  /** Askers go on at other instances. Idempotent. */
  close(): void {
    for (const service of this.services.splice(0)) service.close()
  }

  private async *answer(message: RequestMessage): AsyncGenerator<Buffer> {
    const { stats } = this
    stats.started++
    stats.active++
    const ended = new AbortController()
    const stop = (): void => ended.abort(message.signal.reason)
    if (message.signal.aborted) stop()
    else message.signal.addEventListener("abort", stop, { once: true })
    try {
      yield* this.run(parseRequest(message.data), ended.signal)
    } catch (error) {
      stats.failed++
      throw message.signal.aborted ? new ServiceError(AGAIN, "this instance of the bridge ends") : toClient(error)
    } finally {
      stats.active--
      message.signal.removeEventListener("abort", stop)
      ended.abort()
    }
  }

  private async *run(request: ReplayRequest, signal: AbortSignal): AsyncGenerator<Buffer> {
    const { stores, republish, mergeWidth, fetchBytes } = this.options
    const { name, store } = choose(stores, request.connector)
    if (request.to === "subjects" && republish === undefined)
      throw new HeddleError("EINVAL", 'This bridge does not replay to subjects; ask for to: "inbox"')
    const ranges = await rangesOf(store, request)
    const sum = (of: (range: ReplayRange) => number): number => ranges.reduce((all, range) => all + of(range), 0)
    yield jsonFrame(START, {
      connector: name,
      store: store.id,
      cluster: store.cluster,
      records: sum(({ first, end }) => end - first),
      skipped: sum(({ skipped }) => skipped),
      ranges: ranges.map(({ topic, partition, first, end }) => [topic, partition, first, end]),
    } satisfies ReplayStart)

    const last = request.mode === "all" ? null : await this.markAll(store, ranges, request, signal)
    const pace = new Pace(request.rate, request.original)
    const writer = new FrameWriter(Math.floor(request.credit / CREDIT_AHEAD))
    let unreadable = 0
    let because: string | undefined
    const refused = (offsets: number, error: Error): void => {
      unreadable += offsets
      because ??= error.message
    }
    const merge = new Merge(store, ranges, { signal, width: mergeWidth, bytes: fetchBytes, refused })
    let count = 0
    let limited = false
    let said = performance.now()
    let unsaid = 0
    try {
      while (!limited) {
        const record = merge.next()
        if (record === null || unsaid >= STRIDE) {
          unsaid = 0
          // What is there goes out before a wait, however short.
          for (const frame of writer.take()) yield frame
          const now = performance.now()
          if (now - said > PROGRESS_INTERVAL) {
            said = now
            yield jsonFrame(PROGRESS, { count, positions: positionsOf(merge, record) } satisfies ReplayProgress)
          }
          if (record === null) {
            if (!(await merge.load())) break
            continue
          }
        }
        unsaid++
        if (!wanted(record, merge.index, request.subject, last)) continue
        if (!pace.free) {
          const wait = pace.before(record.timestamp)
          if (wait > 0) {
            for (const frame of writer.take()) yield frame
            await sleep(wait, signal)
            signal.throwIfAborted()
          }
        }
        count++
        limited = count === request.limit
        if (request.to === "subjects") {
          const waiting = republish?.(record, store.cluster)
          if (waiting) await waiting
          continue
        }
        const { codec, headers } = payloadOf(record.headers)
        const { subject, offset, timestamp, key, value } = record
        const framed = { subject, offset, timestamp, key, value, headers }
        this.stats.bytes += value === null ? 0 : value.length
        if (writer.add(framed, merge.index, codec)) continue
        unsaid = 0
        for (const frame of writer.take()) yield frame
        writer.add(framed, merge.index, codec)
      }
      for (const frame of writer.take()) yield frame
    } finally {
      this.stats.records += count
      await merge.close()
    }
    const total = (request.cursor?.count ?? 0) + count
    const left = ranges.map(({ topic, partition, end }, i) => ({
      topic,
      partition,
      next: merge.positions[i],
      until: end,
    }))
    const cursor = encodeCursor({ store: store.id, count: total, ranges: left })
    const passes = last?.passes ?? 0
    yield jsonFrame(END, { count: total, cursor, limited, unreadable, because, passes } satisfies ReplayEnd)
  }

  private async markAll(
    store: RecordStore,
    ranges: readonly ReplayRange[],
    { subject }: ReplayRequest,
    signal: AbortSignal,
  ): Promise<{ sets: OffsetSet[]; passes: number }> {
    const { maxSubjects, maxMarkBytes, fetchBytes } = this.options
    const budget = new Budget(maxMarkBytes)
    const wants = subject === ">" ? () => true : (one: string) => matches(subject, one)
    const sets: OffsetSet[] = []
    let passes = 0
    for (const range of ranges) {
      const set = new OffsetSet(budget)
      const scan = { wants, maxSubjects, maxBytes: fetchBytes, signal }
      passes = Math.max(passes, await markLast(store, range, set, scan))
      sets.push(set)
    }
    return { sets, passes }
  }
}

function choose(
  stores: ReadonlyMap<string, RecordStore>,
  wanted: string | undefined,
): { name: string; store: RecordStore } {
  const name = wanted ?? stores.keys().next().value
  const store = name === undefined ? undefined : stores.get(name)
  if (name !== undefined && store !== undefined) return { name, store }
  const names = [...stores.keys()].join(", ") || "none"
  throw new HeddleError("EINVAL", `This bridge replays no connector ${JSON.stringify(wanted)}; it has ${names}`)
}

function wanted(record: StoreRecord, index: number, pattern: string, last: { sets: OffsetSet[] } | null): boolean {
  if (last !== null) return last.sets[index].has(record.offset) && matches(pattern, record.subject)
  return pattern === ">" || matches(pattern, record.subject)
}

/** `record` has been taken, and has not been given yet. */
function positionsOf(merge: Merge, record: StoreRecord | null): number[] {
  const positions = [...merge.positions]
  if (record !== null) positions[merge.index] = record.offset
  return positions
}

/** What the asker shall do is in the code: ask again, or change the request. */
function toClient(error: unknown): unknown {
  if (error instanceof KafkaError && error.kind === "retriable") return new ServiceError(AGAIN, error.message)
  return error
}
