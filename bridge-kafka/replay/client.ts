import { type Codec, Codecs } from "../../core/codec.ts"
import { HeddleError } from "../../core/errors.ts"
import type { Fabric } from "../../patterns/fabric/fabric.ts"
import { RemoteError } from "../../patterns/fabric/requests/failures.ts"
import { AGAIN, type ReplayEnd, type ReplayProgress, type ReplayStart, subjectOf } from "./answers.ts"
import { encodeCursor } from "./cursor.ts"
import { END, FrameReader, PART, PROGRESS, RECORDS, readJsonFrame, START } from "./frames.ts"
import { type Place, ReplayMessage } from "./message.ts"
import { sleep } from "./pace.ts"
import { parseRequest, type ReplayOptions } from "./request.ts"

export interface ReplayClientOptions extends ReplayOptions {
  signal?: AbortSignal
  /**
   * Milliseconds without any answer after which it gives up; until then it goes on at any instance of the bridge that there is. Default
   * 30,000.
   */
  retryTimeout?: number
  /** Codecs of your own, as given to `join`. */
  codecs?: readonly Codec[]
  /** Bytes of the largest record. Default 64 MiB. */
  maxRecordBytes?: number
}

/** A day and more; a replay that takes longer is taken up again. */
const LONGEST_STREAM = 2 ** 31 - 1
/** Back-off between two attempts, milliseconds. */
const FIRST_DELAY = 20
const LONGEST_DELAY = 2_000

/** Errors after which another instance, or the same one later, may answer. */
const TRY_AGAIN = new Set(["ERR_NO_RESPONDERS", "ECONNRESET", "EBUSY", "ETIMEDOUT", "EAGAIN"])

interface Range extends Place {
  next: number
  until: number
}

/**
 * Stored messages of a bridge, as `for await` takes them. The asker's speed is the replay's. When the instance that answers dies, it goes on through
 * another, after the last message that was handed out: none is missing and none comes twice. (With `to: "subjects"` what was published since the last
 * word of the instance that died is published again.)
 */
export class Replay<T = unknown> implements AsyncIterable<ReplayMessage<T>> {
  /** What the bridge said first; null until it has. */
  started: ReplayStart | null = null
  /** What it said last; null until it has. */
  ended: ReplayEnd | null = null
  /** Messages handed out. */
  count = 0
  /** Records that were asked for and that the store has no longer, or lost on the way (retention). */
  skipped = 0
  /** Offsets that the bridge passed over, because a batch takes more memory than it may; `ended.because` says which. What an instance passed over that died is not in it. */
  unreadable = 0
  /** Times that it was taken up again. */
  resumed = 0
  private readonly fabric: Fabric
  private readonly bridge: string
  private readonly options: ReplayClientOptions
  private readonly codecs: Codecs
  private ranges: Range[] = []
  /** Of the cursor that it began with. */
  private readonly before: number
  private readonly store: string | undefined

  /** Throws EINVAL. */
  constructor(fabric: Fabric, bridge: string, options: ReplayClientOptions) {
    const { signal, retryTimeout, codecs, maxRecordBytes, ...request } = options
    const { cursor } = parseRequest(request)
    this.fabric = fabric
    this.bridge = bridge
    this.options = options
    this.codecs = new Codecs(codecs ?? [])
    this.before = cursor?.count ?? 0
    this.store = cursor?.store
  }

  /** Where a later replay, with the same request otherwise, goes on after the last message handed out; null before the bridge has answered. */
  get cursor(): string | null {
    if (this.started === null) return null
    const ranges = this.ranges.map(({ topic, partition, next, until }) => ({ topic, partition, next, until }))
    return encodeCursor({ store: this.started.store, count: this.before + this.count, ranges })
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ReplayMessage<T>, undefined> {
    for await (const [messages, ranges] of this.answers()) {
      for (let i = 0; i < messages.length; i++) {
        // Before it is handed out: whoever looks at the cursor in the loop's body has this message.
        ranges[i].next = messages[i].offset + 1
        this.count++
        yield messages[i]
      }
    }
  }

  /** The same, as many at a time as came together: for those to whom a promise for each message is too much. */
  async *batches(): AsyncGenerator<readonly ReplayMessage<T>[], undefined> {
    for await (const [messages, ranges] of this.answers()) {
      for (let i = 0; i < messages.length; i++) ranges[i].next = messages[i].offset + 1
      this.count += messages.length
      yield messages
    }
  }

  /** Messages, with the range of each. All that were given count as handed out when it is asked for the next. */
  private async *answers(): AsyncGenerator<[ReplayMessage<T>[], Range[]]> {
    const { signal, retryTimeout = 30_000 } = this.options
    let heard = performance.now()
    let delay = FIRST_DELAY
    while (this.ended === null) {
      const attempt = new AbortController()
      try {
        for await (const batch of this.attempt(attempt.signal, () => {
          heard = performance.now()
          delay = FIRST_DELAY
        })) {
          yield batch
          // The time that the caller takes is not the bridge's.
          heard = performance.now()
        }
      } catch (error) {
        if (signal?.aborted === true) throw cancelled(this.bridge, signal.reason)
        if (!mayTryAgain(error) || performance.now() - heard > retryTimeout) throw error
        if (this.started !== null) this.resumed++
        await sleep(delay * (0.5 + Math.random() / 2), signal ?? attempt.signal)
        delay = Math.min(delay * 2, LONGEST_DELAY)
      } finally {
        attempt.abort()
      }
    }
  }

  private async *attempt(signal: AbortSignal, heard: () => void): AsyncGenerator<[ReplayMessage<T>[], Range[]]> {
    const { fabric, codecs } = this
    const request = this.request()
    if (request === null) return
    const signals = this.options.signal === undefined ? signal : AbortSignal.any([signal, this.options.signal])
    const subject = subjectOf(this.bridge, this.started?.store ?? this.store)
    const replies = fabric.stream(subject, request, { wait: LONGEST_STREAM, signal: signals, codec: "json" })
    const reader = new FrameReader(this.options.maxRecordBytes ?? 64 * 1024 * 1024)
    const before = this.count
    let places: Range[] = []
    for await (const reply of replies) {
      heard()
      const frame = reply.bytes
      switch (frame[0]) {
        case RECORDS: {
          const messages: ReplayMessage<T>[] = []
          const ranges: Range[] = []
          reader.open(frame)
          for (let record = reader.next(); record !== null; record = reader.next()) {
            const range = places[record.partition]
            if (range === undefined) throw malformed("a record of a partition that it has not named")
            messages.push(new ReplayMessage<T>(record, range, codecs))
            ranges.push(range)
          }
          yield [messages, ranges]
          break
        }
        case PART:
          reader.part(frame)
          break
        case START:
          places = this.begin(readJsonFrame(frame) as ReplayStart)
          break
        case PROGRESS: {
          const { positions, count } = readJsonFrame(frame) as ReplayProgress
          if (this.options.to === "subjects") this.count = before + count
          for (let i = 0; i < places.length; i++) places[i].next = Math.max(places[i].next, positions[i] ?? 0)
          break
        }
        case END:
          this.finish(readJsonFrame(frame) as ReplayEnd, places)
          return
        default:
          throw malformed(`an answer of the unknown kind ${frame[0]}`)
      }
    }
    throw new HeddleError("ECONNRESET", `Replay of ${this.bridge}: the answers ended before the end was said`)
  }

  /** Null: there is nothing left to ask for. */
  private request(): ReplayOptions | null {
    const { signal, retryTimeout, codecs, maxRecordBytes, ...request } = this.options
    const { limit = 0 } = request
    if (this.started === null) return request
    const { cursor } = this
    if (limit > 0 && this.count >= limit) {
      this.ended = { count: this.before + this.count, cursor: cursor as string, limited: true, passes: 0 }
      return null
    }
    return { ...request, from: { cursor: cursor as string }, limit: limit === 0 ? 0 : limit - this.count }
  }

  private begin(start: ReplayStart): Range[] {
    const { cluster } = start
    // What it says when it is taken up again is what is left; the first says it all.
    this.started ??= start
    this.skipped += start.skipped
    this.ranges = start.ranges.map(([topic, partition, next, until]) => ({ cluster, topic, partition, next, until }))
    return this.ranges
  }

  private finish(end: ReplayEnd, places: Range[]): void {
    if (!end.limited) for (const range of places) range.next = range.until
    this.ended = end
    this.unreadable += end.unreadable ?? 0
    // Published anew: nothing was handed out here, but it is done.
    if (this.options.to === "subjects") this.count = end.count - this.before
  }
}

/** Asks a bridge for stored messages. Throws EINVAL; what else is wrong the iteration throws. */
export function replay<T = unknown>(fabric: Fabric, bridge: string, options: ReplayClientOptions = {}): Replay<T> {
  return new Replay<T>(fabric, bridge, options)
}

function mayTryAgain(error: unknown): boolean {
  if (error instanceof RemoteError) return error.remoteCode === AGAIN
  return error instanceof HeddleError && TRY_AGAIN.has(error.code)
}

function malformed(what: string): HeddleError {
  return new HeddleError("EPROTO", `A bridge answered a replay with ${what}; is it of another version?`)
}

function cancelled(bridge: string, reason: unknown): HeddleError {
  return new HeddleError("ECANCELED", `Replay of ${bridge} was cancelled`, { cause: reason })
}
