import { announcedSize, Interest, QUEUE, SUBSCRIBE } from "./interest.ts"
import type { Taker } from "./node.ts"
import type { Subscription } from "./subscription.ts"
import type { Topics } from "./topics.ts"

/** What this node itself wants: its subscriptions, services and workers by number. */
export class Wishes {
  private readonly topics: Topics
  private readonly byId = new Map<number, Interest>()
  /** What it takes to tell a newcomer of all of them, roughly. */
  bytes = 0

  constructor(topics: Topics) {
    this.topics = topics
  }

  get size(): number {
    return this.byId.size
  }

  get(id: number): Interest | undefined {
    return this.byId.get(id)
  }

  [Symbol.iterator](): IterableIterator<Interest> {
    return this.byId.values()
  }

  add(taker: Taker): Interest {
    const { spec } = taker
    const interest = new Interest(spec, null, taker)
    this.byId.set(spec.id, interest)
    this.bytes += announcedSize(spec)
    if (isPlain(interest)) this.topics.local.add(spec.pattern, taker as Subscription)
    else this.topics.interests.add(spec.pattern, interest)
    return interest
  }

  /** Null: it had been removed before. */
  remove(taker: Taker): Interest | null {
    const { spec } = taker
    const interest = this.byId.get(spec.id)
    if (interest === undefined) return null
    this.byId.delete(spec.id)
    this.bytes -= announcedSize(spec)
    if (isPlain(interest)) this.topics.local.remove(spec.pattern, taker as Subscription)
    else this.topics.interests.remove(spec.pattern, interest)
    return interest
  }

  *takers(): Generator<Taker> {
    for (const { owner } of this.byId.values()) yield owner as Taker
  }
}

/** Found by subject, not named by messages. */
function isPlain({ spec }: Interest): boolean {
  return spec.kind === SUBSCRIBE && !spec.targeted
}

export function isSubscription(interest: Interest): boolean {
  return interest.spec.kind === SUBSCRIBE || interest.spec.kind === QUEUE
}
