import { type Audience, Audiences } from "./audiences.ts"
import { appendHeld, countHeld, type Held, holds, listHeld, withoutValue, withValue } from "./one-or-many.ts"
import { isLiteral } from "./subject.ts"
import { SubjectHits } from "./subject-hits.ts"
import { SubjectKey } from "./subject-key.ts"
import { SubjectTrie } from "./subject-trie.ts"
import { WordTable } from "./word-table.ts"

/** Of what is matched at the moment; matches call nobody, so that all indexes share them. */
const key = new SubjectKey()
const hits = new SubjectHits()

/**
 * Who wants a subject: values (any but `undefined`) under patterns. Literal patterns, which are most, lie in one flat table; only
 * those with wildcards go to a trie, which nobody asks while it is empty. Patterns must have passed `checkPattern`, and
 * their number is for the owner to bound.
 *
 * With `memberOf`, which must always say the same of a value, the index also knows which set of members wants each pattern. Sets
 * are few, where patterns are a million: `audiences` finds them without looking at a single value. With `labelOf`, which says a
 * number of a value and always the same, it knows that, too, where a literal pattern has one value.
 */
export class SubjectIndex<T, M extends object = never> {
  private readonly literals: WordTable
  private readonly wild = new SubjectTrie()
  // By the reference of a pattern.
  private readonly held: Held<T>[] = [undefined]
  private readonly free: number[] = []
  private readonly memberOf: ((value: T) => M) | null
  private readonly labelOf: ((value: T) => number) | null
  private readonly sets = new Audiences<M>()
  private count = 0
  private changes = 0
  /**
   * What `audiences` found last, if that is one value under a literal pattern: its label. 0 = it is something else.
   */
  label = 0

  /** `labelOf` says whole numbers below 2^31, 0 for a value that has none. */
  constructor(memberOf: ((value: T) => M) | null = null, labelOf: ((value: T) => number) | null = null) {
    this.memberOf = memberOf
    this.labelOf = labelOf
    this.literals = new WordTable(labelOf === null ? 0 : 1)
  }

  /** Values, each counted once for every time it was added. */
  get size(): number {
    return this.count
  }

  /**
   * Another number after each change: results of `match` may be kept while it stays the same. It counts changes, so it
   * would take 285 years of a million a second to come to numbers that are no longer exact.
   */
  get generation(): number {
    return this.changes
  }

  /** The same value may stand under several patterns, and several times under one. */
  add(pattern: string, value: T): void {
    const { memberOf, labelOf, sets, held } = this
    key.setText(pattern)
    const table = isLiteral(pattern) ? this.literals : this.wild
    this.count++
    this.changes++
    if (this.find(table)) {
      const { reference } = table
      held[reference] = withValue(held[reference], value)
      if (memberOf !== null) table.update(sets.add(table.answer, memberOf(value)), reference)
      if (labelOf !== null && table === this.literals) this.literals.label = 0
      return
    }
    const reference = this.free.pop() ?? held.length
    held[reference] = value
    const answer = memberOf === null ? 0 : sets.add(0, memberOf(value))
    if (table === this.wild) this.wild.insert(key, answer, reference)
    else {
      this.literals.insert(key.words, key.length, key.hash, answer, reference)
      if (labelOf !== null) this.literals.label = labelOf(value)
    }
  }

  /** Takes the value out once (compared by `===`). Returns false, and does nothing, when the pattern does not have it. */
  remove(pattern: string, value: T): boolean {
    const { memberOf, labelOf, sets, held } = this
    key.setText(pattern)
    const table = isLiteral(pattern) ? this.literals : this.wild
    if (!this.find(table)) return false
    const { reference } = table
    const before = held[reference]
    if (!holds(before, value)) return false
    this.count--
    this.changes++
    if (countHeld(before) > 1) {
      held[reference] = withoutValue(before, value)
      const left = listHeld(held[reference])
      if (labelOf !== null && table === this.literals && left.length === 1) this.literals.label = labelOf(left[0])
      if (memberOf === null) return true
      const members = new Set(left.map(memberOf))
      table.update(sets.replace(table.answer, [...members]), reference)
      return true
    }
    if (memberOf !== null) sets.replace(table.answer, [])
    if (table === this.wild) this.wild.remove(key)
    else this.literals.remove()
    if (this.count === 0) this.forget()
    else {
      held[reference] = undefined
      this.free.push(reference)
    }
    return true
  }

  /**
   * Appends every value whose pattern matches, as often as it was added, and returns how many. Values of one pattern come in
   * the order of their adding; patterns come in no particular order. To use `into` again, take the values out with `pop`:
   * `length = 0` frees its memory, and to get it back costs half as much as the match.
   */
  match(subject: string, into: T[]): number {
    key.setText(subject)
    return this.matchKey(key, into)
  }

  /** `match` for a subject that is a key already. */
  matchKey(subject: SubjectKey, into: T[]): number {
    const before = into.length
    this.search(subject)
    for (let i = 0; i < hits.count; i++) appendHeld(this.held[hits.references[i]], into)
    return into.length - before
  }

  /** Whether `matchKey` would find any. */
  hasMatch(subject: SubjectKey): boolean {
    if (this.count === 0) return false
    this.search(subject)
    return hits.count > 0
  }

  /** With `memberOf`: appends the set of members of each pattern that matches, and returns how many; see `label`. */
  audiences(subject: SubjectKey, into: Audience<M>[]): number {
    this.label = 0
    const literal = this.search(subject)
    if (literal && hits.count === 1 && this.labelOf !== null) this.label = this.literals.label
    for (let i = 0; i < hits.count; i++) into.push(this.sets.get(hits.answers[i]))
    return hits.count
  }

  /**
   * Reads what matches of these subjects would read, given by hash and length in bytes: the reads of one do not wait for those of
   * another, so that all wait for memory together. `touch` reads what will be needed of a value, and says something that
   * depends on it; what it is given is most likely what will be found, if that stands alone. Returns the sum of what it says,
   * or the compiler would leave out what nobody needs.
   */
  bringNear(hashes: Int32Array, lengths: Int32Array, count: number, touch: (value: unknown) => number): number {
    const { literals, held } = this
    let sum = 0
    for (let i = 0; i < count; i++) sum += touch(held[literals.likelyReference(lengths[i], hashes[i])])
    return sum
  }

  /** A copy of what is held, each value as often as it was added, in no particular order. */
  values(): T[] {
    return this.held.flatMap(held => listHeld(held))
  }

  /** True when a literal pattern is among what it found. */
  private search(subject: SubjectKey): boolean {
    const { literals, wild } = this
    hits.count = 0
    const literal = literals.findLikely(subject.words, subject.length, subject.hash)
    if (literal) hits.push(literals.answer, literals.reference)
    if (wild.mayMatch(subject.tokens)) wild.match(subject, hits)
    return literal
  }

  private find(table: WordTable | SubjectTrie): boolean {
    return table === this.wild ? this.wild.find(key) : this.literals.find(key.words, key.length, key.hash)
  }

  /** Nothing is left: the lists let their memory go. */
  private forget(): void {
    this.held.length = 1
    this.free.length = 0
  }
}
