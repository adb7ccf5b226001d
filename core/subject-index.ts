import { appendHeld, countHeld, type Held, holds, listHeld, withoutValue, withValue } from "./one-or-many.ts"
import { isLiteral, matches } from "./subject.ts"
import { SubjectTrie } from "./subject-trie.ts"

/**
 * Who wants a subject: values (any but `undefined`) under patterns. Literal patterns, which are most, lie in one flat Map; only
 * those with wildcards go to a trie, which nobody asks while it is empty. Patterns must have passed `checkPattern`, and
 * their number is for the owner to bound; a Map ends at 16.7 million.
 */
export class SubjectIndex<T> {
  private readonly literals = new Map<string, Held<T>>()
  private readonly wild = new SubjectTrie<T>()
  private count = 0
  private changes = 0

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
    if (isLiteral(pattern)) this.literals.set(pattern, withValue(this.literals.get(pattern), value))
    else this.wild.add(pattern, value)
    this.count++
    this.changes++
  }

  /** Takes the value out once (compared by `===`). Returns false, and does nothing, when the pattern does not have it. */
  remove(pattern: string, value: T): boolean {
    const removed = isLiteral(pattern) ? this.removeLiteral(pattern, value) : this.wild.remove(pattern, value)
    if (!removed) return false
    this.count--
    this.changes++
    return true
  }

  /**
   * Appends every value whose pattern matches, as often as it was added, and returns how many. Values of one pattern come in
   * the order of their adding; patterns come in no particular order. To use `into` again, take the values out with `pop`:
   * `length = 0` frees its memory, and to get it back costs half as much as the match.
   */
  match(subject: string, into: T[]): number {
    const before = into.length
    appendHeld(this.literals.get(subject), into)
    if (!this.wild.isEmpty) this.wild.match(subject, into)
    return into.length - before
  }

  /** Whether `match` would find any; stops at the first. */
  hasMatch(subject: string): boolean {
    return this.literals.has(subject) || (!this.wild.isEmpty && this.wild.match(subject, null))
  }

  clear(): void {
    if (this.count === 0) return
    this.literals.clear()
    this.wild.clear()
    this.count = 0
    this.changes++
  }

  /** A copy of what is held, in no particular order. */
  entries(): [pattern: string, value: T][] {
    const entries: [string, T][] = []
    const each = (held: Held<T>, pattern: string): void => {
      for (const value of listHeld(held)) entries.push([pattern, value])
    }
    this.literals.forEach(each)
    this.wild.forEach(each)
    return entries
  }

  /**
   * Every value whose pattern could match a subject that `pattern` matches too. For a pattern with wildcards this looks at each
   * literal: a millisecond for some ten thousand. `each` may change the index; it is told what was there at the start.
   */
  forOverlaps(pattern: string, each: (value: T, pattern: string) => void): void {
    const found: [T, string][] = []
    const keep = (held: Held<T>, name: string): void => {
      for (const value of listHeld(held)) found.push([value, name])
    }
    if (isLiteral(pattern)) {
      keep(this.literals.get(pattern), pattern)
    } else {
      this.literals.forEach((held, literal) => {
        if (matches(pattern, literal)) keep(held, literal)
      })
    }
    this.wild.forOverlaps(pattern, keep)
    for (const [value, name] of found) each(value, name)
  }

  private removeLiteral(pattern: string, value: T): boolean {
    const held = this.literals.get(pattern)
    if (!holds(held, value)) return false
    if (countHeld(held) === 1) this.literals.delete(pattern)
    else this.literals.set(pattern, withoutValue(held, value))
    return true
  }
}
