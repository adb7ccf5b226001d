/** Slots of the smallest ring. */
const SMALLEST = 16
/** A ring that once held a burst must not hold its memory for ever: so many slots (8 KiB) are kept. */
const KEPT = 1024

/** A first-in first-out ring that grows by doubling up to what its owner allows, and gives memory back when empty. */
export class Queue<T> {
  private items: (T | undefined)[] = []
  private mask = -1
  private head = 0
  length = 0

  push(item: T): void {
    if (this.length > this.mask) this.grow()
    this.items[(this.head + this.length) & this.mask] = item
    this.length++
  }

  /** Undefined when empty. */
  shift(): T | undefined {
    if (this.length === 0) return undefined
    const item = this.items[this.head]
    this.items[this.head] = undefined
    this.head = (this.head + 1) & this.mask
    this.length--
    if (this.length === 0) {
      this.head = 0
      if (this.mask >= KEPT) this.clear()
    }
    return item
  }

  peek(): T | undefined {
    return this.length === 0 ? undefined : this.items[this.head]
  }

  /** The item `index` places behind the first; 0 <= index < length. */
  at(index: number): T {
    return this.items[(this.head + index) & this.mask] as T
  }

  /**
   * Everything, in order; the queue is empty then. The list in which it waited is given away, and not copied: a list that
   * stays grows old, and what is young costs more to be put there.
   */
  takeAll(): T[] {
    const { items, length } = this
    if (this.head > 0) {
      const all: T[] = []
      for (let i = 0; i < length; i++) all.push(this.at(i))
      this.clear()
      return all
    }
    // As many as came this time will come the next time, unless it was a burst.
    let size = SMALLEST
    while (size < length && size < KEPT) size *= 2
    this.items = new Array<T | undefined>(size)
    this.mask = size - 1
    this.length = 0
    items.length = length
    return items as T[]
  }

  clear(): void {
    this.items = []
    this.mask = -1
    this.head = 0
    this.length = 0
  }

  private grow(): void {
    const size = this.mask < 0 ? SMALLEST : (this.mask + 1) * 2
    const items = new Array<T | undefined>(size)
    for (let i = 0; i < this.length; i++) items[i] = this.items[(this.head + i) & this.mask]
    for (let i = this.length; i < size; i++) items[i] = undefined
    this.items = items
    this.mask = size - 1
    this.head = 0
  }
}
