/**
 * Records of a few 32-bit words, numbered from 1, in pages of typed memory: a million of them are no work for the garbage
 * collector. A record that was given back is the next to be taken. Pages are added one at a time, so growing never copies
 * more than one page; when the last record is given back, all pages are.
 */
export class Pool {
  private readonly stride: number
  private pages: Int32Array[] = []
  /** Records that were ever taken from the pages; 0 is never taken, it means "none". */
  private fresh = 0
  /** First of the records given back; the next one stands in word 0 of each. */
  private free = 0
  private live = 0

  /** @param stride words per record */
  constructor(stride: number) {
    this.stride = stride
  }

  /** Records in use. */
  get size(): number {
    return this.live
  }

  /** Memory held, in bytes. */
  get bytes(): number {
    return this.pages.reduce((sum, page) => sum + page.byteLength, 0)
  }

  /** The number of a record; its words hold anything. */
  take(): number {
    this.live++
    if (this.free !== 0) {
      const record = this.free
      this.free = this.get(record, 0)
      return record
    }
    const record = ++this.fresh
    const page = record >>> PAGE_BITS
    if (page === this.pages.length) this.pages.push(new Int32Array((page === 0 ? FIRST_RECORDS : PAGE) * this.stride))
    if (page === 0 && record * this.stride === this.pages[0].length) this.doubleFirstPage()
    return record
  }

  give(record: number): void {
    if (--this.live === 0) {
      this.pages = []
      this.fresh = 0
      this.free = 0
      return
    }
    this.set(record, 0, this.free)
    this.free = record
  }

  /** The page of a record, for who reads several words of it: they lie from `placeOf` on. */
  pageOf(record: number): Int32Array {
    return this.pages[record >>> PAGE_BITS]
  }

  placeOf(record: number): number {
    return (record & PAGE_MASK) * this.stride
  }

  get(record: number, word: number): number {
    return this.pages[record >>> PAGE_BITS][(record & PAGE_MASK) * this.stride + word]
  }

  set(record: number, word: number, value: number): void {
    this.pages[record >>> PAGE_BITS][(record & PAGE_MASK) * this.stride + word] = value
  }

  private doubleFirstPage(): void {
    const page = new Int32Array(this.pages[0].length * 2)
    page.set(this.pages[0])
    this.pages[0] = page
  }
}

/** 4,096 records a page: some 100 KiB, zeroed in microseconds. */
const PAGE_BITS = 12
const PAGE = 1 << PAGE_BITS
const PAGE_MASK = PAGE - 1

/** The first page starts small and doubles, because most sockets have a handful of subscriptions. */
const FIRST_RECORDS = 8
