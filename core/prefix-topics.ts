import { Chains } from "./prefix-chains.ts"
import { HASH_START, hashWord } from "./prefix-hash.ts"
import { ANSWER, CHECKPOINT_ONLY, Level, REFERENCE } from "./prefix-level.ts"

/**
 * A map from topics to two numbers each, an answer (never 0) and a reference, that finds every prefix of a message.
 *
 * There is one hash table per length that some topic has. A search takes the message's bytes into the hash once, and asks
 * at each of these lengths. Its cost depends on how many lengths there are, not on how many topics.
 *
 * So that one long topic does not make every long message expensive, a topic leaves a checkpoint in the tables at 64, 128,
 * 256... bytes, as far as it reaches. A search that finds no checkpoint there stops. At worst it looks at, and hashes,
 * max(64, twice the longest prefix that the message shares with any topic) bytes, and asks at as many lengths.
 */
export class TopicTable {
  /** Topics in it. */
  count = 0
  /** What `search` found: the answers of prefixes of the message, shortest first. */
  hits = new Int32Array(8)

  private readonly levels: Level[] = []
  private readonly chains = new Chains()
  /** The slot of the empty topic. */
  private readonly root = new Int32Array(2)
  /** The bytes of the topic at hand, as words. */
  private words = new Int32Array(16)

  // The topic that the last `find` or `locate` was about.
  private length = 0
  private level: Level | null = null
  private offset = -1

  /** Memory held, in bytes. */
  get bytes(): number {
    return this.levels.reduce((sum, level) => sum + level.bytes, this.chains.bytes)
  }

  /**
   * Finds the topics that are prefixes of `topic`, at most `limit`; returns how many. Their answers are in `hits`, which
   * has room for all. `start` and `end`: the part of `topic` that is meant.
   */
  search(topic: Buffer, limit: number, start = 0, end = topic.length): number {
    const { levels, words, hits, root } = this
    let found = 0
    if (root[ANSWER] !== 0) {
      hits[0] = root[ANSWER]
      found = 1
    }
    const size = end - start
    let hash = HASH_START
    let at = 0
    for (let i = 0; i < levels.length && found < limit; i++) {
      const level = levels[i]
      const length = level.length
      if (length > size) break
      for (const whole = length & ~3; at < whole; at += 4) {
        const word = wordAt(topic, start + at)
        words[at >>> 2] = word
        hash = hashWord(hash, word)
      }
      let answer: number
      if (at === length) answer = level.answer(words, hash)
      else {
        const word = lastWord(topic, start + at, start + length)
        words[at >>> 2] = word
        answer = level.answer(words, hashWord(hash, word))
      }
      if (answer === 0) {
        if (isCheckpoint(length)) break
      } else if (answer !== CHECKPOINT_ONLY) hits[found++] = answer
    }
    return found
  }

  /**
   * The answer of a topic, 0 when it is not here. When it is, it becomes the topic at hand: `reference`, `update` and
   * `remove` are about it, until the next topic is inserted or removed.
   */
  find(topic: Buffer): number {
    this.length = topic.length
    if (topic.length === 0) return this.root[ANSWER]
    const level = this.levelOf(topic.length)
    if (level === null) return 0
    const hash = this.take(topic)
    this.level = level
    this.offset = level.find(this.words, hash)
    if (this.offset < 0) return 0
    const answer = level.table[this.offset + ANSWER]
    return answer === CHECKPOINT_ONLY ? 0 : answer
  }

  /** Makes the topic the one at hand that has this length and hash, and `value` in `word` (ANSWER or REFERENCE). */
  locate(length: number, hash: number, word: number, value: number): void {
    this.length = length
    if (length === 0) return
    this.level = this.levelOf(length) as Level
    this.offset = this.level.locate(hash, word, value)
  }

  /** Adds a topic that is not here. Returns its hash, for `locate`. */
  insert(topic: Buffer, answer: number, reference: number): number {
    this.count++
    this.length = topic.length
    if (topic.length === 0) {
      this.update(answer, reference)
      return 0
    }
    const hash = this.take(topic)
    if (topic.length > FIRST_CHECKPOINT) this.passCheckpoints(topic.length, 1)
    const level = this.levelOf(topic.length) ?? this.addLevel(topic.length)
    this.level = level
    this.offset = isCheckpoint(topic.length) ? level.find(this.words, hash) : -1
    if (this.offset >= 0) this.update(answer, reference)
    else this.offset = level.insert(this.words, hash, answer, reference)
    return hash
  }

  get reference(): number {
    return this.length === 0 ? this.root[REFERENCE] : (this.level as Level).table[this.offset + REFERENCE]
  }

  update(answer: number, reference: number): void {
    const table = this.length === 0 ? this.root : (this.level as Level).table
    const offset = this.length === 0 ? 0 : this.offset
    table[offset + ANSWER] = answer
    table[offset + REFERENCE] = reference
  }

  /** Removes the topic at hand. */
  remove(): void {
    this.count--
    if (this.length === 0) {
      this.update(0, 0)
      return
    }
    const level = this.level as Level
    if (this.length > FIRST_CHECKPOINT) level.read(level.table, this.offset, this.words)
    if (level.passing(this.offset) > 0) this.update(CHECKPOINT_ONLY, 0)
    else this.removeSlot(level, this.offset)
    if (this.length > FIRST_CHECKPOINT) this.passCheckpoints(this.length, -1)
  }

  /** A copy of the topic at hand. */
  copy(): Buffer {
    if (this.length === 0) return Buffer.alloc(0)
    const level = this.level as Level
    return this.bytesAt(level, level.table, this.offset)
  }

  /** Calls with a copy of every topic, in no particular order. The table must not change meanwhile. */
  forEach(visit: (topic: Buffer, answer: number) => void): void {
    if (this.root[ANSWER] !== 0) visit(Buffer.alloc(0), this.root[ANSWER])
    for (const level of this.levels) {
      level.forEach((table, offset) => {
        const answer = table[offset + ANSWER]
        if (answer !== CHECKPOINT_ONLY) visit(this.bytesAt(level, table, offset), answer)
      })
    }
  }

  /** Takes a topic into `words`; returns its hash. */
  private take(topic: Buffer): number {
    const length = topic.length
    if (this.words.length * 4 < length) this.words = new Int32Array(1 << (32 - Math.clz32(length >>> 2)))
    const words = this.words
    let hash = HASH_START
    let at = 0
    for (const whole = length & ~3; at < whole; at += 4) {
      const word = wordAt(topic, at)
      words[at >>> 2] = word
      hash = hashWord(hash, word)
    }
    if (at === length) return hash
    const word = lastWord(topic, at, length)
    words[at >>> 2] = word
    return hashWord(hash, word)
  }

  private bytesAt(level: Level, table: Int32Array, offset: number): Buffer {
    const words = this.words
    level.read(table, offset, words)
    const bytes = Buffer.allocUnsafe(level.length)
    for (let i = 0; i < bytes.length; i++) bytes[i] = words[i >>> 2] >>> ((i & 3) * 8)
    return bytes
  }

  /** Counts the topic in `words` in or out at all checkpoints on its way. */
  private passCheckpoints(length: number, change: 1 | -1): void {
    let hash = HASH_START
    let taken = 0
    for (let checkpoint = FIRST_CHECKPOINT; checkpoint < length; checkpoint *= 2) {
      for (; taken < checkpoint >>> 2; taken++) hash = hashWord(hash, this.words[taken])
      const level = this.levelOf(checkpoint) ?? this.addLevel(checkpoint)
      let offset = level.find(this.words, hash)
      if (offset < 0) offset = level.insert(this.words, hash, CHECKPOINT_ONLY, 0)
      level.pass(offset, change)
      if (level.passing(offset) === 0 && level.table[offset + ANSWER] === CHECKPOINT_ONLY)
        this.removeSlot(level, offset)
    }
  }

  private removeSlot(level: Level, offset: number): void {
    level.removeAt(offset)
    if (level.count === 0) this.levels.splice(this.rank(level.length), 1)
  }

  private addLevel(length: number): Level {
    const level = new Level(length, this.chains)
    this.levels.splice(this.rank(length), 0, level)
    if (this.hits.length <= this.levels.length) this.hits = new Int32Array(this.hits.length * 2)
    return level
  }

  private levelOf(length: number): Level | null {
    const level = this.levels[this.rank(length)]
    return level !== undefined && level.length === length ? level : null
  }

  /** The number of levels with shorter topics. */
  private rank(length: number): number {
    let low = 0
    let high = this.levels.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.levels[middle].length < length) low = middle + 1
      else high = middle
    }
    return low
  }
}

/**
 * Below it, a search for nothing costs less than the checkpoints would. A power of two, and more than SHORT in
 * prefix-level.ts: only long slots count who passes.
 */
const FIRST_CHECKPOINT = 64

function isCheckpoint(length: number): boolean {
  return length >= FIRST_CHECKPOINT && (length & (length - 1)) === 0
}

function wordAt(topic: Buffer, at: number): number {
  return topic[at] | (topic[at + 1] << 8) | (topic[at + 2] << 16) | (topic[at + 3] << 24)
}

/** The one to three bytes at the end of a topic. */
function lastWord(topic: Buffer, at: number, length: number): number {
  let word = topic[at]
  if (at + 1 < length) word |= topic[at + 1] << 8
  if (at + 2 < length) word |= topic[at + 2] << 16
  return word
}
