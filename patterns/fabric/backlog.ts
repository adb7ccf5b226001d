import { HeddleError } from "../../core/errors.ts"

/**
 * What happens when a lane is full:
 * - `block`: nothing more is taken, whoever publishes waits
 * - `drop-new`: what comes is dropped
 * - `drop-old`: the oldest of the lane is dropped
 * - `conflate`: one message per subject; the newest stands in the place of the one that it replaces
 * - `keep-last`: the newest `keep` messages per subject, each in the order of its own arrival
 *
 * `conflate` and `keep-last` drop the oldest of the lane when all subjects together reach the limit.
 */
export type PolicyName = "block" | "drop-new" | "drop-old" | "conflate" | "keep-last"

export interface LanePolicy {
  readonly policy: PolicyName
  /** Messages that may wait in this lane, at least 1. */
  readonly limit: number
  /** `keep-last` only: newest messages kept per subject, at least 1. */
  readonly keep: number
  /** Milliseconds that a message may wait; 0 = any. */
  readonly ttl: number
}

export type DropReason = "full" | "conflated" | "stale"

/**
 * A waiting message. The lists run through the messages themselves: one can be removed anywhere in constant time without
 * leaving a hole, and nothing else is allocated.
 */
class Item<T> {
  readonly lane: Lane
  readonly subject: string
  value: T
  size: number
  /** When it came. */
  at: number
  /** Neighbours in the order of arrival over all lanes. */
  before: Item<T> | null = null
  after: Item<T> | null = null
  /** Neighbours in the lane. */
  older: Item<T> | null = null
  newer: Item<T> | null = null
  /** `keep-last`: the next newer message of the subject; after the newest comes the oldest. */
  same: Item<T> = this
  /** `keep-last`, in the newest message of a subject only: how many there are of it. */
  count = 1

  constructor(lane: Lane, subject: string, value: T, size: number, now: number) {
    this.lane = lane
    this.subject = subject
    this.value = value
    this.size = size
    this.at = now
  }
}

/** The state of one subscription in one backlog. */
export class Lane {
  readonly policy: PolicyName
  readonly limit: number
  readonly keep: number
  readonly ttl: number
  /** @internal */
  oldest: Item<unknown> | null = null
  /** @internal */
  newest: Item<unknown> | null = null
  /** @internal Newest message of each subject, for the policies that go by subject. */
  subjects: Map<string, Item<unknown>> | null = null
  /** @internal */
  waiting = 0

  /** @throws HeddleError EINVAL for limits that are not whole numbers from 1, or a `ttl` below 0. */
  constructor({ policy, limit, keep, ttl }: LanePolicy) {
    if (!Number.isSafeInteger(limit) || limit < 1) throw invalid("limit", limit, "a whole number from 1")
    if (policy === "keep-last" && (!Number.isSafeInteger(keep) || keep < 1))
      throw invalid("keep", keep, "a whole number from 1")
    if (!(ttl >= 0)) throw invalid("ttl", ttl, "milliseconds, 0 for no limit")
    this.policy = policy
    this.limit = limit
    this.keep = keep
    this.ttl = ttl
  }

  get length(): number {
    return this.waiting
  }
}

function invalid(name: string, value: unknown, wanted: string): HeddleError {
  return new HeddleError("EINVAL", `A subscription's ${name} must be ${wanted}; got ${String(value)}`)
}

/**
 * Messages that wait because a link or a subscriber is slow: one order of arrival over all lanes, and per lane a limit
 * with a policy. All operations take constant time, but for stale messages, each of which is looked at once.
 */
export class Backlog<T> {
  /** Messages that wait. */
  length = 0
  /** Their sizes, as given to `push`. */
  bytes = 0
  /** The lane of what `shift` gave last; null when it gave nothing. */
  from: Lane | null = null
  private first: Item<T> | null = null
  private last: Item<T> | null = null
  private readonly dropped: (lane: Lane, value: T, reason: DropReason) => void
  private readonly replaced: ((old: T, value: T) => void) | undefined

  /**
   * @param dropped told of every message that is lost here; it must not call this backlog.
   * @param replaced told before that of one whose place another takes ("conflate")
   */
  constructor(dropped: (lane: Lane, value: T, reason: DropReason) => void, replaced?: (old: T, value: T) => void) {
    this.dropped = dropped
    this.replaced = replaced
  }

  /** Whether `push` would be refused without a drop: a blocking lane that is full. */
  blocked(lane: Lane): boolean {
    return lane.waiting >= lane.limit && lane.policy === "block"
  }

  /**
   * False = refused: a blocking lane that is full (nothing is reported, ask `blocked` first), or `drop-new` (reported).
   *
   * @param size bytes, for `bytes`
   * @param now milliseconds of any clock that `shift` is given too
   */
  push(lane: Lane, subject: string, value: T, size: number, now: number): boolean {
    const bySubject = lane.policy === "conflate" || lane.policy === "keep-last"
    if (bySubject) {
      const newest = lane.subjects?.get(subject) as Item<T> | undefined
      if (newest !== undefined && lane.policy === "conflate") {
        this.replace(newest, value, size, now)
        return true
      }
      if (newest !== undefined && newest.count >= lane.keep) this.drop(newest.same, "conflated")
    }
    if (lane.waiting >= lane.limit && !this.makeRoom(lane, value, now)) return false
    const item = new Item(lane, subject, value, size, now)
    this.append(item)
    if (bySubject) addToSubject(lane, item)
    return true
  }

  /** The oldest message over all lanes; undefined = empty. Stale ones are dropped on the way. */
  shift(now: number): T | undefined {
    for (let item = this.first; item !== null; item = this.first) {
      const { lane, value } = item
      if (lane.ttl > 0 && now - item.at > lane.ttl) {
        this.drop(item, "stale")
        continue
      }
      this.remove(item)
      this.from = lane
      return value
    }
    this.from = null
    return undefined
  }

  /** The message of the lane that `shift` would give first; undefined = none waits. */
  oldest(lane: Lane): T | undefined {
    return (lane.oldest as Item<T> | null)?.value
  }

  /**
   * Forgets a lane: its messages are given back in order, and are not counted as dropped.
   *
   * @param which those that are meant; of one subject it must be all or none
   */
  take(lane: Lane, which?: (value: T) => boolean): T[] {
    const values: T[] = []
    for (let item = lane.oldest as Item<T> | null; item !== null; ) {
      const { newer, value } = item
      if (which === undefined || which(value)) {
        values.push(value)
        this.remove(item)
      }
      item = newer as Item<T> | null
    }
    return values
  }

  private replace(item: Item<T>, value: T, size: number, now: number): void {
    const old = item.value
    this.bytes += size - item.size
    this.replaced?.(old, value)
    item.value = value
    item.size = size
    item.at = now
    this.dropped(item.lane, old, "conflated")
  }

  /** False when the lane stays full, and `value` is not to be taken. */
  private makeRoom(lane: Lane, value: T, now: number): boolean {
    // What nobody would get any more must not keep out what is new.
    if (lane.ttl > 0) {
      let item = lane.oldest as Item<T> | null
      for (; item !== null && now - item.at > lane.ttl; item = lane.oldest as Item<T> | null) this.drop(item, "stale")
      if (lane.waiting < lane.limit) return true
    }
    if (lane.policy === "block") return false
    if (lane.policy === "drop-new") {
      this.dropped(lane, value, "full")
      return false
    }
    this.drop(lane.oldest as Item<T>, "full")
    return true
  }

  private drop(item: Item<T>, reason: DropReason): void {
    this.remove(item)
    this.dropped(item.lane, item.value, reason)
  }

  private append(item: Item<T>): void {
    const { lane } = item
    if (this.last === null) this.first = item
    else {
      item.before = this.last
      this.last.after = item
    }
    this.last = item
    if (lane.newest === null) lane.oldest = item
    else {
      item.older = lane.newest as Item<T>
      lane.newest.newer = item
    }
    lane.newest = item
    lane.waiting++
    this.length++
    this.bytes += item.size
  }

  /** It is the oldest of its subject: whatever removes a message takes the oldest of all, of a lane or of a subject. */
  private remove(item: Item<T>): void {
    const { lane, before, after, older, newer } = item
    if (before === null) this.first = after
    else before.after = after
    if (after === null) this.last = before
    else after.before = before
    if (older === null) lane.oldest = newer
    else older.newer = newer
    if (newer === null) lane.newest = older
    else newer.older = older
    lane.waiting--
    this.length--
    this.bytes -= item.size
    if (lane.subjects !== null) removeFromSubject(lane.subjects, item)
    // One that the collector has moved to its old space would keep all that came after it alive.
    item.before = item.after = item.older = item.newer = null
    item.same = item
  }
}

function addToSubject(lane: Lane, item: Item<unknown>): void {
  lane.subjects ??= new Map()
  const newest = lane.subjects.get(item.subject)
  if (newest !== undefined) {
    item.same = newest.same
    newest.same = item
    item.count = newest.count + 1
  }
  lane.subjects.set(item.subject, item)
}

function removeFromSubject(subjects: Map<string, Item<unknown>>, item: Item<unknown>): void {
  const newest = subjects.get(item.subject) as Item<unknown>
  if (newest !== item) {
    newest.same = item.same
    newest.count--
  } else subjects.delete(item.subject)
}
