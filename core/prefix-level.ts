import type { Chains } from "./prefix-chains.ts"
import { hashWords } from "./prefix-hash.ts"

/** Words at the start of every slot. */
export const ANSWER = 0
export const REFERENCE = 1

/** The answer of a slot that is no topic, only a checkpoint on the way to longer ones. */
export const CHECKPOINT_ONLY = -0x80000000

// A short slot goes on with the topic itself: one miss of the cache finds it and proves it. A long slot goes on with its
// hash, how many longer topics pass it, and the chain that has its bytes.
const KEY = 2
const HASH = 2
const PASSING = 3
const CHAIN = 4
const LONG_STRIDE = 5
// In tables that have one, the last word of each slot is a label, a third number of the caller's.

/** Topics of more bytes are long. One less than the first checkpoint, because only long slots count who passes. */
const SHORT = 63

/**
 * A table of so many slots is divided into PARTS, each with its own table. From then on a table that doubles stops the
 * event loop for a 64th of the time that the whole would take: well under a millisecond at a million topics.
 */
const UNDIVIDED_SLOTS = 1 << 16
const PARTS = 64

/** Slots of a new table. */
const MIN_SLOTS = 4

/**
 * All topics of one length, in open-addressing tables. A topic is given as 32-bit words (little-endian, the last one filled
 * up with zeros) and its hash. What a slot's answer and reference mean is the caller's business.
 *
 * Every slot has a tag: a byte of the hash, 0 = empty. The tags lie apart and dense: a million topics have 2 MB of them,
 * which the processor's caches hold when they cannot hold the slots. So a search for what is not here seldom misses.
 *
 * A slot moves whenever a topic is added or removed: `table` and an offset in it hold until then only.
 */
export class Level {
  /** Bytes of every topic here. */
  readonly length: number
  /** Topics and checkpoints in it. */
  count = 0
  /** The table that the last `find`, `locate` or `insert` looked into. */
  table: Int32Array

  private readonly words: number
  private readonly stride: number
  private readonly isLong: boolean
  private readonly chains: Chains
  // One or PARTS of each, chosen by the upper bits of the hash.
  private partMask = 0
  private tags: Uint8Array[]
  private tables: Int32Array[]
  private counts: number[]

  /** `labels`: words for a label in each slot. */
  constructor(length: number, chains: Chains, labels: 0 | 1 = 0) {
    this.length = length
    this.chains = chains
    this.isLong = length > SHORT
    this.words = (length + 3) >>> 2
    this.stride = (this.isLong ? LONG_STRIDE : KEY + this.words) + labels
    this.table = new Int32Array(MIN_SLOTS * this.stride)
    this.tags = [new Uint8Array(MIN_SLOTS)]
    this.tables = [this.table]
    this.counts = [0]
  }

  /** Memory of the tables, in bytes. */
  get bytes(): number {
    let bytes = 0
    for (let part = 0; part <= this.partMask; part++) bytes += this.tags[part].byteLength + this.tables[part].byteLength
    return bytes
  }

  /** The answer of a topic, 0 when it is not here. The hot path of every match: `find`, without noting where. */
  answer(words: Int32Array, hash: number): number {
    const part = (hash >>> 26) & this.partMask
    const tags = this.tags[part]
    const table = this.tables[part]
    const mask = tags.length - 1
    const wanted = tagOf(hash)
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const tag = tags[slot]
      if (tag === wanted) {
        const offset = slot * this.stride
        if (this.holds(table, offset, words, hash)) return table[offset + ANSWER]
      } else if (tag === 0) return 0
    }
  }

  /** The offset of a topic in `table`, -1 when it is not here. */
  find(words: Int32Array, hash: number): number {
    const part = (hash >>> 26) & this.partMask
    const tags = this.tags[part]
    const mask = tags.length - 1
    const wanted = tagOf(hash)
    this.table = this.tables[part]
    for (let slot = hash & mask; tags[slot] !== 0; slot = (slot + 1) & mask) {
      const offset = slot * this.stride
      if (tags[slot] === wanted && this.holds(this.table, offset, words, hash)) return offset
    }
    return -1
  }

  /**
   * `find` where no reference is 0, for a topic that most likely is here: it does not ask the tags, which among millions are a miss of
   * the cache, too. Three in four topics lie where the search begins, most others in the next slot, which is near.
   */
  findLikely(words: Int32Array, hash: number): number {
    if (this.isLong) return this.find(words, hash)
    const part = (hash >>> 26) & this.partMask
    const table = this.tables[part]
    const { stride } = this
    const { length } = table
    let offset = (hash & (this.tags[part].length - 1)) * stride
    for (;;) {
      if (this.holds(table, offset, words, hash)) {
        // An empty slot looks like a topic of zeros.
        if (table[offset + REFERENCE] === 0) return -1
        this.table = table
        return offset
      }
      if (table[offset + REFERENCE] === 0) return -1
      offset += stride
      if (offset === length) offset = 0
    }
  }

  /** The label of the slot at `offset`, in tables that have one. */
  label(offset: number): number {
    return this.table[offset + this.stride - 1]
  }

  setLabel(offset: number, label: number): void {
    this.table[offset + this.stride - 1] = label
  }

  /** The reference where a search begins, most likely the one that it would find: who reads it has it in the cache afterwards. */
  likelyReference(hash: number): number {
    const part = (hash >>> 26) & this.partMask
    return this.tables[part][(hash & (this.tags[part].length - 1)) * this.stride + REFERENCE]
  }

  /** The offset in `table` of the slot with this hash that has `value` in `word` (ANSWER or REFERENCE). It must be here. */
  locate(hash: number, word: number, value: number): number {
    const part = (hash >>> 26) & this.partMask
    const tags = this.tags[part]
    const mask = tags.length - 1
    const wanted = tagOf(hash)
    this.table = this.tables[part]
    let slot = hash & mask
    while (tags[slot] !== wanted || this.table[slot * this.stride + word] !== value) slot = (slot + 1) & mask
    return slot * this.stride
  }

  /** Adds a topic that is not here; `answer` is not 0. Returns its offset in `table`. */
  insert(words: Int32Array, hash: number, answer: number, reference: number): number {
    const part = this.makeRoom(hash)
    const offset = this.occupy(part, hash)
    const table = this.tables[part]
    table[offset + ANSWER] = answer
    table[offset + REFERENCE] = reference
    if (this.isLong) {
      table[offset + HASH] = hash
      table[offset + PASSING] = 0
      table[offset + CHAIN] = this.chains.store(words, this.words)
    } else {
      for (let i = 0; i < this.words; i++) table[offset + KEY + i] = words[i]
    }
    this.counts[part]++
    this.count++
    this.table = table
    return offset
  }

  /** Takes out the slot at `offset` of `table`. */
  removeAt(offset: number): void {
    const { table, stride } = this
    const part = (this.hashAt(table, offset) >>> 26) & this.partMask
    const tags = this.tags[part]
    const mask = tags.length - 1
    if (this.isLong) this.chains.discard(table[offset + CHAIN])
    // Close the gap: who had to pass over it to find a place moves up, and leaves the next gap. So no slot need be marked
    // as "removed", and searches stay short however much comes and goes.
    let gap = offset / stride
    for (let slot = (gap + 1) & mask; tags[slot] !== 0; slot = (slot + 1) & mask) {
      const passed = (slot - this.hashAt(table, slot * stride)) & mask
      if (passed < ((slot - gap) & mask)) continue
      table.copyWithin(gap * stride, slot * stride, (slot + 1) * stride)
      tags[gap] = tags[slot]
      gap = slot
    }
    tags[gap] = 0
    // Nobody may take it for what it was.
    table.fill(0, gap * stride, (gap + 1) * stride)
    this.counts[part]--
    this.count--
    this.shrink(part)
  }

  /** Copies the topic at `offset` of `table` into `words`. */
  read(table: Int32Array, offset: number, words: Int32Array): void {
    if (this.isLong) this.chains.read(table[offset + CHAIN], words, this.words)
    else for (let i = 0; i < this.words; i++) words[i] = table[offset + KEY + i]
  }

  /** How many longer topics pass this checkpoint. */
  passing(offset: number): number {
    return this.isLong ? this.table[offset + PASSING] : 0
  }

  /** One longer topic more, or less, passes this checkpoint. */
  pass(offset: number, change: 1 | -1): void {
    this.table[offset + PASSING] += change
  }

  /** Calls for every slot in use, checkpoints included. The level must not change meanwhile. */
  forEach(visit: (table: Int32Array, offset: number) => void): void {
    for (let part = 0; part < this.tags.length; part++) this.forEachIn(this.tags[part], this.tables[part], visit)
  }

  private forEachIn(tags: Uint8Array, table: Int32Array, visit: (table: Int32Array, offset: number) => void): void {
    for (let slot = 0; slot < tags.length; slot++) if (tags[slot] !== 0) visit(table, slot * this.stride)
  }

  /** True when the slot is the topic's. */
  private holds(table: Int32Array, offset: number, words: Int32Array, hash: number): boolean {
    if (this.isLong)
      return table[offset + HASH] === hash && this.chains.equals(table[offset + CHAIN], words, this.words)
    // Backwards, because topics differ at their ends.
    for (let i = this.words - 1; i >= 0; i--) if (table[offset + KEY + i] !== words[i]) return false
    return true
  }

  private hashAt(table: Int32Array, offset: number): number {
    return this.isLong ? table[offset + HASH] : hashWords(table, offset + KEY, this.words)
  }

  /** Finds an empty slot for the hash and tags it; returns its offset. */
  private occupy(part: number, hash: number): number {
    const tags = this.tags[part]
    const mask = tags.length - 1
    let slot = hash & mask
    while (tags[slot] !== 0) slot = (slot + 1) & mask
    tags[slot] = tagOf(hash)
    return slot * this.stride
  }

  // Size

  /** Returns the part for the hash, with room for one more: three quarters at most are in use, so that searches are short. */
  private makeRoom(hash: number): number {
    const part = (hash >>> 26) & this.partMask
    const slots = this.tags[part].length
    if ((this.counts[part] + 1) * 4 <= slots * 3) return part
    if (this.partMask === 0 && slots === UNDIVIDED_SLOTS) {
      this.divide(PARTS)
      return this.makeRoom(hash)
    }
    this.resize(part, slots * 2)
    return part
  }

  private shrink(part: number): void {
    const slots = this.tags[part].length
    // An eighth, far from three quarters: a topic that comes and goes must not resize the table each time.
    if (slots === MIN_SLOTS || this.counts[part] * 8 >= slots) return
    if (this.partMask !== 0 && this.count * 8 < UNDIVIDED_SLOTS) this.divide(1)
    else this.resize(part, slots / 2)
  }

  private resize(part: number, slots: number): void {
    const tags = this.tags[part]
    const table = this.tables[part]
    this.tags[part] = new Uint8Array(slots)
    this.tables[part] = new Int32Array(slots * this.stride)
    this.forEachIn(tags, table, this.move)
  }

  private divide(parts: number): void {
    const { tags, tables } = this
    this.partMask = parts - 1
    this.counts = new Array<number>(parts).fill(0)
    const count = (table: Int32Array, offset: number) => {
      this.counts[(this.hashAt(table, offset) >>> 26) & this.partMask]++
    }
    for (let i = 0; i < tags.length; i++) this.forEachIn(tags[i], tables[i], count)
    this.tags = this.counts.map(count => {
      let slots = MIN_SLOTS
      while (slots < count * 2) slots *= 2
      return new Uint8Array(slots)
    })
    this.tables = this.tags.map(tags => new Int32Array(tags.length * this.stride))
    for (let i = 0; i < tags.length; i++) this.forEachIn(tags[i], tables[i], this.move)
  }

  /** Copies a slot of an old table to its place in the new ones. */
  private readonly move = (table: Int32Array, offset: number) => {
    const hash = this.hashAt(table, offset)
    const part = (hash >>> 26) & this.partMask
    const to = this.occupy(part, hash)
    const target = this.tables[part]
    for (let i = 0; i < this.stride; i++) target[to + i] = table[offset + i]
  }
}

/** Bits of the hash that choose neither part nor slot, in all but huge tables; never 0, which is an empty slot's tag. */
function tagOf(hash: number): number {
  const tag = (hash >>> 18) & 255
  return tag | ((tag - 1) >>> 31)
}
