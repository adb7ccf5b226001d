import { IdTable } from "../../core/id-table.ts"
import { announcedSize, Interest, QUEUE, SUBSCRIBE } from "./interest.ts"
import type { Taker } from "./node.ts"
import { Subscription } from "./subscription.ts"
import type { Topics } from "./topics.ts"

/** What this node itself wants: its subscriptions, services and workers by number. */
export class Wishes {
  private readonly topics: Topics
  /** Plain subscriptions stand for themselves: there may be a million, and nothing has to be kept of them besides. */
  private readonly byId = new IdTable<Interest | Subscription>()
  /** What it takes to tell a newcomer of all of them, roughly. */
  bytes = 0

  constructor(topics: Topics) {
    this.topics = topics
  }

  get size(): number {
    return this.byId.size
  }

  get(id: number): Interest | undefined {
    const found = this.byId.get(id)
    return found === undefined ? undefined : interestOf(found)
  }

  /** The plain subscription of that number. */
  plain(id: number): Subscription | undefined {
    const found = this.byId.get(id)
    return found instanceof Subscription ? found : undefined
  }

  /** As `IdTable` does, for numbers that a batch of messages names. */
  bringNear(ids: Int32Array, count: number, touch: (value: unknown) => number): number {
    return this.byId.bringNear(ids, count, touch)
  }

  *[Symbol.iterator](): IterableIterator<Interest> {
    for (const found of this.byId) yield interestOf(found)
  }

  add(taker: Taker): Interest {
    const { spec } = taker
    const interest = new Interest(spec, null, taker)
    this.bytes += announcedSize(spec)
    if (isPlain(interest)) {
      this.byId.set(spec.id, taker as Subscription)
      this.topics.local.add(spec.pattern, taker as Subscription)
    } else {
      this.byId.set(spec.id, interest)
      this.topics.interests.add(spec.pattern, interest)
    }
    return interest
  }

  /** Null: it had been removed before. */
  remove(taker: Taker): Interest | null {
    const { spec } = taker
    const interest = this.get(spec.id)
    if (interest === undefined) return null
    this.byId.delete(spec.id)
    this.bytes -= announcedSize(spec)
    if (isPlain(interest)) this.topics.local.remove(spec.pattern, taker as Subscription)
    else this.topics.interests.remove(spec.pattern, interest)
    return interest
  }

  *takers(): Generator<Taker> {
    for (const found of this.byId) yield found instanceof Subscription ? found : (found.owner as Taker)
  }
}

function interestOf(found: Interest | Subscription): Interest {
  return found instanceof Subscription ? new Interest(found.spec, null, found) : found
}

/** Found by subject, not named by messages. */
function isPlain({ spec }: Interest): boolean {
  return spec.kind === SUBSCRIBE && !spec.targeted
}

export function isSubscription(interest: Interest): boolean {
  return interest.spec.kind === SUBSCRIBE || interest.spec.kind === QUEUE
}
