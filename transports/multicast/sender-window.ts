import { OVERHEAD } from "./wire.ts"

/** Slots to begin with; they double while packets need them. */
const FIRST_SLOTS = 64

/**
 * The packets that were sealed, as they go out: those that wait to be sent and those that are kept for repairs, in a ring
 * that is bounded by their cost and their age (MC-20). No second copy is made of any.
 */
export class SentWindow {
  /** Oldest packet that is kept; `lead + 1` = none. */
  trail = 1
  /** Newest packet. */
  lead = 0
  /** Cost of all packets that ever were: length and OVERHEAD. */
  cost = 0
  private readonly limit: number
  private readonly age: number
  private mask = FIRST_SLOTS - 1
  private packets: (Buffer | null)[] = new Array(FIRST_SLOTS).fill(null)
  /** Cost of all packets before that in the slot. */
  private before = new Float64Array(FIRST_SLOTS)
  private sentAt = new Float64Array(FIRST_SLOTS)
  private repairedAt = new Float64Array(FIRST_SLOTS)
  private repairOrder = new Uint16Array(FIRST_SLOTS)

  /** Bytes of cost, and milliseconds. */
  constructor(limit: number, age: number) {
    this.limit = limit
    this.age = age
  }

  /** Returns its number. */
  push(bytes: Buffer): number {
    if (this.lead - this.trail >= this.mask) this.grow()
    const sequence = ++this.lead
    const slot = sequence & this.mask
    this.packets[slot] = bytes
    this.before[slot] = this.cost
    this.sentAt[slot] = Number.POSITIVE_INFINITY
    this.repairedAt[slot] = Number.NEGATIVE_INFINITY
    this.cost += bytes.length + OVERHEAD
    return sequence
  }

  /** It must be there. */
  packet(sequence: number): Buffer {
    return this.packets[sequence & this.mask] as Buffer
  }

  /** Cost of all packets before this one; of those that are gone, as if it were the oldest that is there. */
  costBefore(sequence: number): number {
    if (sequence > this.lead) return this.cost
    return this.before[Math.max(sequence, this.trail) & this.mask]
  }

  /** The first packet with so much cost before it; `lead + 1` = none has. */
  packetAt(cost: number): number {
    let low = this.trail
    let high = this.lead + 1
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2)
      if (this.before[middle & this.mask] < cost) low = middle + 1
      else high = middle
    }
    return low
  }

  sent(sequence: number, now: number): void {
    this.sentAt[sequence & this.mask] = now
  }

  /** When it was sent first; Infinity = not yet. */
  sentAtOf(sequence: number): number {
    return this.sentAt[sequence & this.mask]
  }

  lastRepair(sequence: number): number {
    return this.repairedAt[sequence & this.mask]
  }

  /** The `order` of that repair. */
  orderOfRepair(sequence: number): number {
    return this.repairOrder[sequence & this.mask]
  }

  repaired(sequence: number, now: number, order: number): void {
    this.repairedAt[sequence & this.mask] = now
    this.repairOrder[sequence & this.mask] = order
  }

  /** Lets go what is beyond the bounds. What was not sent yet, from `unsent` on, neither goes nor makes other packets go. */
  trim(now: number, unsent: number): void {
    const oldest = now - this.age
    const most = this.costBefore(unsent) - this.limit
    while (this.trail < unsent) {
      const slot = this.trail & this.mask
      if (this.before[slot] >= most && this.sentAt[slot] >= oldest) return
      this.packets[slot] = null
      this.trail++
    }
  }

  private grow(): void {
    const { packets, before, sentAt, repairedAt, repairOrder, mask } = this
    const size = (mask + 1) * 2
    this.mask = size - 1
    this.packets = new Array(size).fill(null)
    this.before = new Float64Array(size)
    this.sentAt = new Float64Array(size)
    this.repairedAt = new Float64Array(size)
    this.repairOrder = new Uint16Array(size)
    for (let sequence = this.trail; sequence <= this.lead; sequence++) {
      const from = sequence & mask
      const to = sequence & this.mask
      this.packets[to] = packets[from]
      this.before[to] = before[from]
      this.sentAt[to] = sentAt[from]
      this.repairedAt[to] = repairedAt[from]
      this.repairOrder[to] = repairOrder[from]
    }
  }
}
