/** Numbers to a page: a few kilobytes, so that a table of one costs little and a million need some thousand pages. */
const BITS = 8
const PAGE = 1 << BITS

interface Page<T> {
  readonly values: (T | undefined)[]
  count: number
}

/**
 * Values by number, where numbers are given in order and never again: a Map of a million costs six words for each, this one. Pages of
 * which nothing is left go.
 */
export class IdTable<T> {
  private readonly pages = new Map<number, Page<T>>()
  private count = 0

  get size(): number {
    return this.count
  }

  /** Of any number: a peer may name what never was. */
  get(id: number): T | undefined {
    // Shifts would take a large number for a small one.
    const page = this.pages.get(id < 0x80000000 ? id >>> BITS : Math.floor(id / PAGE))
    return page === undefined ? undefined : page.values[id & (PAGE - 1)]
  }

  /** `id`: a whole number from 0 on; `value` is not `undefined`. */
  set(id: number, value: T): void {
    const number = Math.floor(id / PAGE)
    let page = this.pages.get(number)
    if (page === undefined) {
      page = { values: new Array<T | undefined>(PAGE).fill(undefined), count: 0 }
      this.pages.set(number, page)
    }
    const at = id & (PAGE - 1)
    if (page.values[at] === undefined) {
      page.count++
      this.count++
    }
    page.values[at] = value
  }

  delete(id: number): void {
    const number = Math.floor(id / PAGE)
    const page = this.pages.get(number)
    const at = id & (PAGE - 1)
    if (page === undefined || page.values[at] === undefined) return
    page.values[at] = undefined
    this.count--
    if (--page.count === 0) this.pages.delete(number)
  }

  /**
   * Reads what is there under these numbers and `touch` of each: these reads do not wait for one another, and later ones find it in the
   * cache. Returns the sum of what `touch` says, or the compiler would leave out what nobody needs.
   */
  bringNear(ids: Int32Array, count: number, touch: (value: unknown) => number): number {
    let sum = 0
    for (let i = 0; i < count; i++) sum += touch(this.get(ids[i]))
    return sum
  }

  /** Page by page: in the order of numbers, if they came in order. What comes or goes meanwhile may be among them or not. */
  *[Symbol.iterator](): IterableIterator<T> {
    for (const { values } of this.pages.values()) for (const value of values) if (value !== undefined) yield value
  }
}
