import { TopicTable } from "./prefix-topics.ts"

/**
 * What a subscriber wants, and how often it said so: a topic is on until every `increment` had its `decrement`. It is also
 * the subscriber's filter.
 */
export class TopicCounter {
  private readonly topics = new TopicTable()

  /** Distinct topics. */
  get size(): number {
    return this.topics.count
  }

  /** Returns how often the topic is wanted now; 1 = it is new. */
  increment(topic: Buffer): number {
    const count = this.topics.find(topic) + 1
    if (count === 1) this.topics.insert(topic, count, 0)
    else this.topics.update(count, 0)
    return count
  }

  /** Returns how often the topic is wanted now; 0 = no more. Returns -1, and does nothing, when it was not wanted. */
  decrement(topic: Buffer): number {
    const count = this.topics.find(topic) - 1
    if (count === 0) this.topics.remove()
    else if (count > 0) this.topics.update(count, 0)
    return count
  }

  /** How often the topic itself is wanted. */
  countOf(topic: Buffer): number {
    return this.topics.find(topic)
  }

  /** True when some prefix of the topic is wanted. Never allocates. */
  has(topic: Buffer): boolean {
    return this.topics.search(topic, 1) !== 0
  }

  /** `has` for a topic that lies in `bytes` from `start` up to `end`. */
  hasAt(bytes: Buffer, start: number, end: number): boolean {
    return this.topics.search(bytes, 1, start, end) !== 0
  }

  /** Copies of the topics with how often each is wanted, in no particular order. */
  entries(): [topic: Buffer, count: number][] {
    const entries: [Buffer, number][] = []
    this.topics.forEach((topic, count) => {
      entries.push([topic, count])
    })
    return entries
  }
}
