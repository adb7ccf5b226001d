import type { BridgeRecord } from "../record.ts"
import type { SpoolRecord } from "../spool/record-format.ts"
import { encodeRecord, HEAD_SIZE, RecordDecoder, roomFor, sequenceAt, sizeAt } from "../spool/record-format.ts"

/** Bytes of a block. Old messages go a block at a time: one of 64 at the default size. */
const BLOCK = 256 * 1024

/** Blocks that have gone and are still counted; the oldest of more are added up. */
const MOST_GONE = 1_024

interface Block {
  /** Null: only counted. */
  bytes: Buffer | null
  used: number
  end: number
  readonly counts: Uint32Array
}

export interface StandbyRingOptions {
  readonly shards: number
  /** Bytes of messages that are kept; 0 = they are counted only. */
  readonly bytes: number
  /** Milliseconds after which they are of no use. */
  readonly age: number
}

/**
 * The newest messages of shards that others own, encoded (no objects), in the order in which they came. Of each shard it is known up to where its
 * owner has them. Times are those of `performance.now`.
 */
export class StandbyRing {
  private readonly options: StandbyRingOptions
  /** Messages that ever came. */
  private next = 0
  private bytes = 0
  private readonly blocks: Block[] = []
  private readonly gone: Block[] = []
  /** Of each shard: messages of blocks that are not even counted one by one any more. */
  private readonly rest: Float64Array
  private restEnd = 0
  /** Of each shard: all below is with its owner. */
  private readonly covered: Float64Array
  /** How many had come when. */
  private readonly marks: { readonly time: number; readonly next: number }[] = []
  private readonly decoder = new RecordDecoder()

  constructor(options: StandbyRingOptions) {
    this.options = options
    this.rest = new Float64Array(options.shards)
    this.covered = new Float64Array(options.shards)
  }

  /** Bytes of memory for messages. */
  get size(): number {
    return this.bytes
  }

  /** Throws EINVAL for a timestamp that is none. */
  add(record: BridgeRecord, shard: number): void {
    const keeps = this.options.bytes > 0
    const room = keeps ? roomFor(record, "", null) : 0
    let block = this.blocks[this.blocks.length - 1]
    if (block === undefined || (keeps && room > (block.bytes?.length ?? 0) - block.used)) block = this.begin(room)
    if (block.bytes !== null)
      block.used = encodeRecord(block.bytes, block.used, this.next, record, shard, "", null, false)
    block.counts[shard]++
    block.end = ++this.next
  }

  /** To be called several times a second: time is known as finely as that. */
  tick(now: number): void {
    const { marks, blocks, options } = this
    marks.push({ time: now, next: this.next })
    const old = this.cameBefore(now - options.age)
    while (marks.length > 1 && marks[1].time <= now - options.age) marks.shift()
    while (blocks.length > 0 && (blocks[0].end <= old || blocks[0].bytes === null)) this.dropOldest()
    while (this.gone.length > 0 && (this.gone[0].end <= old || this.gone.length > MOST_GONE)) this.addUp()
  }

  /** The owner of that shard has all that came before that time. */
  cover(shard: number, time: number): void {
    this.coverTo(shard, this.cameBefore(time))
  }

  /** So does this instance, all that came until now. */
  coverAll(shard: number): void {
    this.coverTo(shard, this.next)
    const block = this.blocks[this.blocks.length - 1]
    if (block !== undefined) block.counts[shard] = 0
  }

  /**
   * Gives out what came of a shard and is not known to be with an owner, in order; then it is. Returns how many more there were, which are not
   * here any more.
   */
  take(shard: number, now: number, each: (record: SpoolRecord) => void): number {
    const from = this.covered[shard]
    const old = this.cameBefore(now - this.options.age)
    let lost = from < this.restEnd ? this.rest[shard] : 0
    for (const block of this.gone) if (block.end > from) lost += block.counts[shard]
    for (const { bytes, used, end, counts } of this.blocks) {
      if (end <= from || counts[shard] === 0) continue
      if (bytes === null) {
        lost += counts[shard]
        continue
      }
      for (let at = 0; at < used; at += sizeAt(bytes, at, used)) {
        if (shardAt(bytes, at) !== shard) continue
        const sequence = sequenceAt(bytes, at)
        if (sequence < from) continue
        if (sequence < old) lost++
        else each(this.decoder.decode(bytes, at))
      }
    }
    this.coverAll(shard)
    return lost
  }

  private coverTo(shard: number, position: number): void {
    if (position <= this.covered[shard]) return
    this.covered[shard] = position
    if (position >= this.restEnd) this.rest[shard] = 0
  }

  private cameBefore(time: number): number {
    const { marks } = this
    for (let i = marks.length - 1; i >= 0; i--) if (marks[i].time <= time) return marks[i].next
    return 0
  }

  private begin(room: number): Block {
    const { bytes: limit, shards } = this.options
    const size = Math.max(room, Math.min(BLOCK, Math.floor(limit / 4)))
    while (this.blocks.length > 0 && this.bytes + size > limit) this.dropOldest()
    const fits = limit > 0 && size <= limit
    const bytes = fits ? Buffer.allocUnsafeSlow(size) : null
    if (fits) this.bytes += size
    const block = { bytes, used: 0, end: this.next, counts: new Uint32Array(shards) }
    this.blocks.push(block)
    return block
  }

  private dropOldest(): void {
    const block = this.blocks.shift() as Block
    this.bytes -= block.bytes?.length ?? 0
    block.bytes = null
    this.gone.push(block)
  }

  private addUp(): void {
    const { end, counts } = this.gone.shift() as Block
    this.restEnd = end
    for (let shard = 0; shard < counts.length; shard++)
      this.rest[shard] = this.covered[shard] >= end ? 0 : this.rest[shard] + counts[shard]
  }
}

/** The first field after the head is a varint: 7 bits a byte. */
function shardAt(bytes: Buffer, at: number): number {
  let shard = 0
  for (let i = at + HEAD_SIZE, shift = 0; ; i++, shift += 7) {
    shard |= (bytes[i] & 0x7f) << shift
    if (bytes[i] < 0x80) return shard
  }
}
