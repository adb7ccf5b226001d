import { Buffer } from "node:buffer"
import { OVERHEAD } from "./wire.ts"

/** Slots to begin with; they double while packets need them. */
const FIRST_SLOTS = 16

/** In a slot: the packet will never come. */
export const LOST = Buffer.alloc(0)

/** Bytes that all sessions of a receiver keep together. */
export interface MemoryBudget {
  used: number
  readonly limit: number
}

/**
 * The packets of a session from the first that was not consumed to the newest of which we know: those that wait for earlier
 * ones, and for each that is missing since when, and when it is to be asked for (MC-40, MC-47).
 */
export class SessionWindow {
  /** The first packet that was not consumed. */
  next = 1
  /** The newest of which we know. */
  high = 0
  /** Packets between the two that are missing. */
  missing = 0
  /** Slots at most. */
  readonly reach: number
  private readonly limit: number
  private readonly memory: MemoryBudget
  private cost = 0
  private largest = 0
  private mask = FIRST_SLOTS - 1
  private packets: (Buffer | null)[] = new Array(FIRST_SLOTS).fill(null)
  private since = new Float64Array(FIRST_SLOTS)
  private due = new Float64Array(FIRST_SLOTS)
  private askedFor = new Float64Array(FIRST_SLOTS)
  private tries = new Uint8Array(FIRST_SLOTS)

  /** `limit`: cost of the packets that may wait. `reach`: a power of two. */
  constructor(limit: number, reach: number, memory: MemoryBudget) {
    this.limit = limit
    this.reach = reach
    this.memory = memory
  }

  /** Begins behind `sequence`; nothing is kept. */
  startAfter(sequence: number): void {
    this.clear()
    this.next = sequence + 1
    this.high = sequence
  }

  clear(): void {
    for (let sequence = this.next; sequence <= this.high; sequence++) this.release(sequence)
    this.high = this.next - 1
    this.missing = 0
  }

  /** Null = missing. For a packet from `next` to `high`. */
  packet(sequence: number): Buffer | null {
    return this.packets[sequence & this.mask]
  }

  /** The first packet that is neither here nor given up. */
  get received(): number {
    if (this.missing === 0) return this.high + 1
    let sequence = this.next
    while (this.packet(sequence) !== null) sequence++
    return sequence
  }

  /** What the sender may have under way to us: no more than there is memory for. */
  get advertised(): number {
    return Math.max(0, Math.min(this.limit, this.memory.limit - this.memory.used + this.cost))
  }

  /** How many packets more can be kept, if they are as large as any so far. */
  get room(): number {
    const bytes = Math.min(this.limit - this.cost, this.memory.limit - this.memory.used)
    return Math.max(0, Math.floor(bytes / (this.largest + OVERHEAD)))
  }

  /** Whether there is no room for a packet of this length. */
  full(length: number): boolean {
    const cost = length + OVERHEAD
    return this.cost + cost > this.limit || this.memory.used + cost > this.memory.limit
  }

  /** Packets up to this one exist, and are not here. */
  extend(sequence: number, now: number, due: number): void {
    this.reserve(sequence)
    while (this.high < sequence) {
      const slot = ++this.high & this.mask
      this.packets[slot] = null
      this.since[slot] = now
      this.due[slot] = due
      this.tries[slot] = 0
      this.missing++
    }
  }

  /** Keeps the packet that is missing, or the one behind `high`. */
  keep(sequence: number, bytes: Buffer): void {
    if (sequence > this.high) {
      this.reserve(sequence)
      this.high = sequence
    } else this.missing--
    this.packets[sequence & this.mask] = bytes
    if (bytes.length > this.largest) this.largest = bytes.length
    this.cost += bytes.length + OVERHEAD
    this.memory.used += bytes.length + OVERHEAD
  }

  /** `next` is done with. */
  consumed(): void {
    this.release(this.next)
    this.next++
  }

  /** Gives up what is missing before this packet. */
  giveUp(before: number): void {
    const end = Math.min(before, this.high + 1)
    for (let sequence = this.next; sequence < end && this.missing > 0; sequence++)
      if (this.packet(sequence) === null) this.lose(sequence)
  }

  lose(sequence: number): void {
    this.packets[sequence & this.mask] = LOST
    this.missing--
  }

  missingSince(sequence: number): number {
    return this.since[sequence & this.mask]
  }

  dueAt(sequence: number): number {
    return this.due[sequence & this.mask]
  }

  /** What is missing from this packet on, but for `spare`, and was not asked for, is due then, if not before. False = nothing is. */
  hasten(first: number, due: number, spare: number): boolean {
    let some = false
    for (let sequence = Math.max(first, this.next); sequence <= this.high; sequence++) {
      const slot = sequence & this.mask
      if (this.packets[slot] !== null || this.tries[slot] > 0 || sequence === spare) continue
      some = true
      if (this.due[slot] > due) this.due[slot] = due
    }
    return some
  }

  triesOf(sequence: number): number {
    return this.tries[sequence & this.mask]
  }

  /** When it was asked for last. */
  askedAt(sequence: number): number {
    return this.askedFor[sequence & this.mask]
  }

  /** It was asked for, by us or by another; the next time is `due`. */
  asked(sequence: number, now: number, due: number): void {
    const slot = sequence & this.mask
    this.askedFor[slot] = now
    this.due[slot] = due
    if (this.tries[slot] < 255) this.tries[slot]++
  }

  private release(sequence: number): void {
    const slot = sequence & this.mask
    const bytes = this.packets[slot]
    this.packets[slot] = null
    if (bytes === null || bytes === LOST) return
    this.cost -= bytes.length + OVERHEAD
    this.memory.used -= bytes.length + OVERHEAD
  }

  /** Slots up to this packet, which is within reach. */
  private reserve(sequence: number): void {
    let size = this.mask + 1
    if (sequence - this.next < size) return
    while (sequence - this.next >= size) size *= 2
    const { packets, since, due, askedFor, tries, mask } = this
    this.mask = size - 1
    this.packets = new Array(size).fill(null)
    this.since = new Float64Array(size)
    this.due = new Float64Array(size)
    this.askedFor = new Float64Array(size)
    this.tries = new Uint8Array(size)
    for (let at = this.next; at <= this.high; at++) {
      const from = at & mask
      const to = at & this.mask
      this.packets[to] = packets[from]
      this.since[to] = since[from]
      this.due[to] = due[from]
      this.askedFor[to] = askedFor[from]
      this.tries[to] = tries[from]
    }
  }
}
