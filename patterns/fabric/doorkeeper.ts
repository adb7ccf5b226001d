/** A subject is forgotten when another one takes its place: twice as many places as there are topics, 64 KiB. */
const PLACES = 1 << 14

/** 32 for each topic, so that all but one in 32 of the others are told apart: 32 KiB, which the processor's second cache holds. */
const BITS = 1 << 18

/**
 * Tells subjects that come again soon from those that pass. Only the former are worth what it costs to keep a topic: where
 * publishers go through a million subjects, all topics would be made in vain, and drive out those that recur.
 */
export class Doorkeeper {
  private readonly hashes = new Int32Array(PLACES)
  /** A bit for each hash of a topic. */
  private readonly topics = new Int32Array(BITS / 32)

  /** False: no topic has this hash. True: one may have it. */
  hasTopic(hash: number): boolean {
    return (this.topics[(hash & (BITS - 1)) >>> 5] & (1 << hash)) !== 0
  }

  addTopic(hash: number): void {
    this.topics[(hash & (BITS - 1)) >>> 5] |= 1 << hash
  }

  forgetTopics(): void {
    this.topics.fill(0)
  }

  /** True when a subject of this hash has come lately. Two subjects with one hash are let in too early, which does no harm. */
  knows(hash: number): boolean {
    const { hashes } = this
    const place = hash & (PLACES - 1)
    if (hashes[place] === hash) return true
    hashes[place] = hash
    return false
  }
}
