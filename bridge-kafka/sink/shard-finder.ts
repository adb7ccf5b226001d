import { slotOf } from "../mapping/partition.ts"

/** Subjects whose shard is remembered; then all are forgotten, which costs a hash each. */
const MOST = 50_000

/** Shard of a subject (SINK-1), remembered: a map of strings is faster than their UTF-8. */
export class ShardFinder {
  readonly shards: number
  private readonly known = new Map<string, number>()

  constructor(shards: number) {
    this.shards = shards
  }

  of(subject: string): number {
    const known = this.known.get(subject)
    if (known !== undefined) return known
    const shard = slotOf(Buffer.from(subject), this.shards)
    if (this.known.size >= MOST) this.known.clear()
    this.known.set(subject, shard)
    return shard
  }
}
