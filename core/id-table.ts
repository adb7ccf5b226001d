/** Numbers to a leaf, and leaves to a branch: a table of one number takes 8 KB, one of a million as much as a list of them. */
const BITS = 9
const WIDTH = 1 << BITS
const MASK = WIDTH - 1

/** Numbers from here on are kept in a Map: the list of branches must not grow without a bound. */
const LARGE = 2 ** 28

interface Fan<T> {
  readonly list: (T | undefined)[]
  /** Places of it in use. */
  count: number
}

const EMPTY: readonly undefined[] = new Array<undefined>(WIDTH).fill(undefined)

/**
 * Values by number, where numbers are given in order and never again. A Map of a million takes six words for each; here the one step that
 * misses the cache is the last. What nothing is left of goes.
 */
export class IdTable<T> {
  private readonly branches: (Fan<Fan<T>> | undefined)[] = []
  private readonly large = new Map<number, T>()
  private count = 0

  get size(): number {
    return this.count
  }

  /** Of any number: a peer may name what never was. */
  get(id: number): T | undefined {
    return id < LARGE ? this.leaf(id)?.list[id & MASK] : this.large.get(id)
  }

  /** `id`: a whole number from 0 on; `value` is not `undefined`. */
  set(id: number, value: T): void {
    if (this.get(id) === undefined) this.count++
    if (id >= LARGE) {
      this.large.set(id, value)
      return
    }
    const { branches } = this
    const number = id >>> (2 * BITS)
    while (branches.length <= number) branches.push(undefined)
    branches[number] ??= { list: EMPTY.slice(), count: 0 }
    const leaf = child(branches[number], (id >>> BITS) & MASK)
    if (leaf.list[id & MASK] === undefined) leaf.count++
    leaf.list[id & MASK] = value
  }

  delete(id: number): void {
    if (this.get(id) === undefined) return
    this.count--
    if (id >= LARGE) {
      this.large.delete(id)
      return
    }
    const number = id >>> (2 * BITS)
    const branch = this.branches[number] as Fan<Fan<T>>
    const leaf = branch.list[(id >>> BITS) & MASK] as Fan<T>
    leaf.list[id & MASK] = undefined
    if (--leaf.count > 0) return
    branch.list[(id >>> BITS) & MASK] = undefined
    if (--branch.count === 0) this.branches[number] = undefined
  }

  /**
   * Reads what is there under these numbers, then `touch` of each: the reads of one step do not wait for one another, and later ones find it
   * all in the cache. Returns a number that depends on all of it, or the compiler would leave out what nobody needs.
   */
  bringNear(ids: Int32Array, count: number, touch: (value: unknown) => number): number {
    let sum = 0
    for (let i = 0; i < count; i++) if (this.small(ids[i]) !== undefined) sum++
    for (let i = 0; i < count; i++) sum += touch(this.small(ids[i]))
    return sum
  }

  /** In the order of numbers. What comes or goes meanwhile may be among them or not. */
  *[Symbol.iterator](): IterableIterator<T> {
    for (const branch of this.branches) {
      if (branch === undefined) continue
      for (const leaf of branch.list) {
        if (leaf === undefined) continue
        for (const value of leaf.list) if (value !== undefined) yield value
      }
    }
    yield* this.large.values()
  }

  private small(id: number): T | undefined {
    return this.leaf(id)?.list[id & MASK]
  }

  private leaf(id: number): Fan<T> | undefined {
    const { branches } = this
    const number = id >>> (2 * BITS)
    const branch = number < branches.length ? branches[number] : undefined
    return branch?.list[(id >>> BITS) & MASK]
  }
}

function child<T>(branch: Fan<Fan<T>>, at: number): Fan<T> {
  let leaf = branch.list[at]
  if (leaf === undefined) {
    leaf = { list: EMPTY.slice(), count: 0 }
    branch.list[at] = leaf
    branch.count++
  }
  return leaf
}
