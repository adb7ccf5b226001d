import { Chains } from "./prefix-chains.ts"
import { ANSWER, Level, REFERENCE } from "./prefix-level.ts"

/**
 * A map from keys to two numbers each, an answer and a reference. A key is 32-bit words (the last one filled up with zeros), its
 * length in bytes, and its hash. To find one among a million misses the processor's cache once: the key lies beside its answer.
 * A table with labels has a third number for each key.
 */
export class WordTable {
  /** Keys in it. */
  count = 0
  private readonly chains = new Chains()
  /** By length in bytes. */
  private readonly levels: (Level | undefined)[] = []
  // The key that was found or inserted last.
  private level: Level = NO_LEVEL
  private offset = 0
  private readonly labels: 0 | 1

  constructor(labels: 0 | 1 = 0) {
    this.labels = labels
  }

  /** Memory held, in bytes. */
  get bytes(): number {
    return this.levels.reduce((sum, level) => sum + (level === undefined ? 0 : level.bytes), this.chains.bytes)
  }

  /** True when the key is here; it becomes the one at hand, until the next one is inserted or removed. */
  find(words: Int32Array, length: number, hash: number): boolean {
    const { levels } = this
    const level = length < levels.length ? levels[length] : undefined
    if (level === undefined) return false
    const offset = level.find(words, hash)
    if (offset < 0) return false
    this.level = level
    this.offset = offset
    return true
  }

  /** `find` for a key that most likely is here, in a table where no reference is 0. */
  findLikely(words: Int32Array, length: number, hash: number): boolean {
    const { levels } = this
    const level = length < levels.length ? levels[length] : undefined
    if (level === undefined) return false
    const offset = level.findLikely(words, hash)
    if (offset < 0) return false
    this.level = level
    this.offset = offset
    return true
  }

  /** The reference that `find` would most likely find, or that of another key; 0 = none. */
  likelyReference(length: number, hash: number): number {
    const level = length < this.levels.length ? this.levels[length] : undefined
    return level === undefined ? 0 : level.likelyReference(hash)
  }

  /** Of the key at hand. */
  get answer(): number {
    return this.level.table[this.offset + ANSWER]
  }

  get reference(): number {
    return this.level.table[this.offset + REFERENCE]
  }

  /** Of the key at hand, in a table with labels: 0 until it is set. */
  get label(): number {
    return this.level.label(this.offset)
  }

  set label(label: number) {
    this.level.setLabel(this.offset, label)
  }

  update(answer: number, reference: number): void {
    this.level.table[this.offset + ANSWER] = answer
    this.level.table[this.offset + REFERENCE] = reference
  }

  /** Adds a key that is not here; it becomes the one at hand. */
  insert(words: Int32Array, length: number, hash: number, answer: number, reference: number): void {
    const { levels } = this
    while (levels.length <= length) levels.push(undefined)
    levels[length] ??= new Level(length, this.chains, this.labels)
    const level = levels[length]
    this.count++
    this.level = level
    this.offset = level.insert(words, hash, answer, reference)
  }

  /** Takes the key at hand out. */
  remove(): void {
    const { level } = this
    this.count--
    level.removeAt(this.offset)
    if (level.count === 0) this.levels[level.length] = undefined
    this.level = NO_LEVEL
    this.offset = 0
  }
}

const NO_LEVEL = new Level(0, new Chains())
