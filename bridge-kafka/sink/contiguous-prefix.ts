/** Bits of the window grow by doubling from here. */
const FIRST_WINDOW = 4_096

/**
 * Finds up to where all is done, of numbers that are done in any order: a journal can only forget its beginning. The window is
 * as long as what has been read and is not done, which the reader bounds.
 */
export class ContiguousPrefix {
  /** All below it is done. */
  next: number
  private done = new Uint8Array(FIRST_WINDOW)

  constructor(next: number) {
    this.next = next
  }

  /** Each number once; those below `next` are passed over. */
  add(n: number): void {
    if (n < this.next) return
    while (n - this.next >= this.done.length) this.grow()
    const { done } = this
    const mask = done.length - 1
    done[n & mask] = 1
    if (n !== this.next) return
    let next = this.next
    while (done[next & mask] === 1) done[next++ & mask] = 0
    this.next = next
  }

  /** Numbers from `from` up to, not including, `to` never come: the journal has dropped them. */
  skip(from: number, to: number): void {
    if (from <= this.next) {
      if (to <= this.next) return
      // A gap may be longer than any window.
      const mask = this.done.length - 1
      const last = Math.min(to, this.next + this.done.length)
      for (let n = this.next; n < last; n++) this.done[n & mask] = 0
      this.next = to
      while (this.done[this.next & mask] === 1) this.done[this.next++ & mask] = 0
      return
    }
    for (let n = from; n < to; n++) this.add(n)
  }

  private grow(): void {
    const { done, next } = this
    const larger = new Uint8Array(done.length * 2)
    const mask = done.length - 1
    for (let n = next; n < next + done.length; n++) larger[n & (larger.length - 1)] = done[n & mask]
    this.done = larger
  }
}
