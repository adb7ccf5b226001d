import type { Buffer } from "node:buffer"
import { HeddleError } from "../../core/errors.ts"
import { type Reader, varintSize, writeVarint } from "../../core/varint.ts"

/**
 * A set of whole numbers, kept as the ranges that they fill. Numbers that come nearly in order cost nothing: one range, with a
 * few holes at its end.
 */
export class Ranges {
  /** First and last of each range in turn, ascending, with at least one number missing between them. */
  private bounds: number[] = []

  get holes(): number {
    return Math.max(0, this.bounds.length / 2 - 1)
  }

  /** The largest number; -1 when it is empty. */
  get last(): number {
    return this.bounds.length === 0 ? -1 : this.bounds[this.bounds.length - 1]
  }

  has(n: number): boolean {
    const { bounds } = this
    // Nearly always asked for numbers at the end.
    for (let i = bounds.length - 2; i >= 0 && i >= bounds.length - 4; i -= 2) {
      if (n > bounds[i + 1]) return false
      if (n >= bounds[i]) return true
    }
    const at = this.find(n)
    return at < bounds.length && n >= bounds[at]
  }

  add(n: number): void {
    const { bounds } = this
    const end = bounds.length
    if (end > 0 && n === bounds[end - 1] + 1) {
      bounds[end - 1] = n
      return
    }
    if (end === 0 || n > bounds[end - 1]) {
      bounds.push(n, n)
      return
    }
    const at = this.find(n)
    if (n >= bounds[at]) return
    const joinsBefore = at > 0 && bounds[at - 1] === n - 1
    const joinsAfter = bounds[at] === n + 1
    if (joinsBefore && joinsAfter) bounds.splice(at - 1, 2)
    else if (joinsBefore) bounds[at - 1] = n
    else if (joinsAfter) bounds[at] = n
    else bounds.splice(at, 0, n, n)
  }

  /** Everything from 0 up to `n`. */
  addUpTo(n: number): void {
    if (this.bounds.length === 2 && this.bounds[0] === 0) {
      if (n > this.bounds[1]) this.bounds[1] = n
      return
    }
    const rest = this.bounds.filter((_, i) => this.bounds[i | 1] > n)
    if (rest.length > 0 && rest[0] <= n + 1) rest[0] = 0
    else rest.unshift(0, n)
    this.bounds = rest
  }

  /** The first hole is taken as filled. False: there is none that ends below `floor`. */
  closeHole(floor: number): boolean {
    if (this.holes === 0 || this.bounds[2] > floor) return false
    this.bounds.splice(1, 2)
    return true
  }

  clone(): Ranges {
    const copy = new Ranges()
    copy.bounds = this.bounds.slice()
    return copy
  }

  encodedSize(): number {
    let size = varintSize(this.bounds.length / 2)
    let before = 0
    for (const bound of this.bounds) {
      size += varintSize(bound - before)
      before = bound
    }
    return size
  }

  /** Writes `encodedSize()` bytes: how many ranges, then each bound as the distance from the one before. */
  encode(into: Buffer, start: number): number {
    let at = writeVarint(this.bounds.length / 2, into, start)
    let before = 0
    for (const bound of this.bounds) {
      at = writeVarint(bound - before, into, at)
      before = bound
    }
    return at
  }

  /** Throws EPROTO for anything that `encode` does not write. */
  static decode(reader: Reader): Ranges {
    const ranges = new Ranges()
    let before = 0
    for (let left = reader.varint(); left > 0; left--) {
      const first = before + reader.varint()
      const last = first + reader.varint()
      if (last > Number.MAX_SAFE_INTEGER || (ranges.bounds.length > 0 && first < before + 2))
        throw new HeddleError("EPROTO", `A set of numbers is malformed at ${first}: ranges must not touch`)
      ranges.bounds.push(first, last)
      before = last
    }
    return ranges
  }

  /** Where the first range begins in `bounds` that ends at `n` or above; the length when there is none. */
  private find(n: number): number {
    const { bounds } = this
    let low = 0
    let high = bounds.length / 2
    while (low < high) {
      const middle = (low + high) >>> 1
      if (bounds[2 * middle + 1] < n) low = middle + 1
      else high = middle
    }
    return 2 * low
  }
}
