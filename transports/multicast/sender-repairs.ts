import type { SenderSettings, SenderStats } from "./engine.ts"
import type { Receiver } from "./flow.ts"
import { TokenBucket } from "./rate.ts"
import type { SentWindow } from "./sender-window.ts"
import { isAfter, LINGER, MAX_ASKED, OVERHEAD, RANGE, REPORT, type Report, u16, u48 } from "./wire.ts"

/** What repairs may have a second even when no new data earns them their share. */
const FLOOR = 8 * 1024 * 1024
/** Repairs at once: twice what 64 of the largest datagrams hold, so that a burst of losses is mended at one go. */
const BURST = 8 * 1024 * 1024
/** Repairs that wait. What is beyond is asked for again. */
const MAX_WAITING = 4_096
/** NAKs, and packets that they ask for, that are looked at in a period: some 4 % of a processor. What is beyond is a storm. */
const MAX_LOOKED = 200_000
const PERIOD = 100

/** A receiver that has heard nothing that went out after a repair may have that repair still before it; believed for so long. */
const BEHIND = 250

/**
 * Which packets are to be sent again (MC-22 to MC-26): each once for many NAKs, within a share of what is sent, and with
 * several receivers none of them more than half of that share.
 */
export class Repairs {
  private readonly settings: SenderSettings
  private readonly stats: SenderStats
  private readonly window: SentWindow
  private readonly budget: TokenBucket
  private readonly capacity: number
  private readonly waiting: number[] = []
  /** The same, to ask whether one is there. */
  private readonly asked = new Set<number>()
  private head = 0
  private periodEnds = 0
  private looked = 0

  constructor(settings: SenderSettings, stats: SenderStats, window: SentWindow, now: number) {
    this.settings = settings
    this.stats = stats
    this.window = window
    const rate = settings.rate > 0 ? settings.rate * settings.repairShare : FLOOR
    // With a rate, half a second of it.
    this.capacity = Math.max(2 * (settings.datagram + OVERHEAD), settings.rate > 0 ? Math.min(BURST, rate / 2) : BURST)
    this.budget = new TokenBucket(rate, this.capacity, now)
  }

  get pending(): boolean {
    return this.head < this.waiting.length
  }

  /** New data went out. */
  earned(bytes: number): void {
    if (this.settings.rate === 0) this.budget.put(bytes * this.settings.repairShare)
  }

  /** Takes the wishes of a NAK that `readReport` found whole. `others` = there are other receivers. */
  request(nak: Buffer, report: Report, receiver: Receiver, others: boolean, sent: number, now: number): void {
    if (now >= this.periodEnds) {
      this.periodEnds = now + PERIOD
      this.looked = 0
    }
    if (++this.looked > MAX_LOOKED) {
      this.stats.storm++
      return
    }
    this.budget.ready(now)
    let left = MAX_ASKED
    let next = 1
    for (let at = REPORT; at < nak.length && left > 0; at += RANGE) {
      const first = u48(nak, at)
      const end = first + u16(nak, at + 6)
      if (first < next || end > sent + 1) {
        this.stats.malformed++
        return
      }
      next = end
      const from = Math.max(first, this.window.trail)
      this.stats.expired += Math.min(end, from) - first
      for (let sequence = from; sequence < end && left > 0; sequence++, left--) {
        this.looked++
        if (!this.want(sequence, receiver, report.heard, others, now)) return
      }
    }
  }

  /** The next packet to send again, as the one with this `order`; 0 = none, or not yet. `all` = whatever their share is. */
  next(now: number, order: number, all: boolean): number {
    while (this.pending) {
      if (!this.budget.ready(now) && !all) return 0
      const sequence = this.waiting[this.head++]
      this.asked.delete(sequence)
      if (this.head === this.waiting.length || this.head === MAX_ASKED) {
        this.waiting.splice(0, this.head)
        this.head = 0
      }
      if (sequence < this.window.trail) {
        this.stats.expired++
        continue
      }
      if (!all) this.budget.take(this.window.packet(sequence).length)
      this.window.repaired(sequence, now, order)
      return sequence
    }
    return 0
  }

  /** When `next` can answer, if something is pending. */
  readyAt(now: number): number {
    return this.budget.readyAt(now)
  }

  /** False = no more for this receiver now. `heard`: the `order` of the latest packet that it got. */
  private want(sequence: number, receiver: Receiver, heard: number, others: boolean, now: number): boolean {
    if (this.asked.has(sequence) || this.isUnderWay(sequence, heard, now)) {
      this.stats.repeated++
      return true
    }
    const { granted } = this.budget
    receiver.used = Math.max(receiver.used, granted - this.capacity)
    if (this.asked.size >= MAX_WAITING || (others && receiver.used >= granted)) {
      this.stats.overBudget++
      return false
    }
    receiver.used += 2 * this.window.packet(sequence).length
    this.asked.add(sequence)
    this.waiting.push(sequence)
    return true
  }

  /**
   * Whether a repair of it may still reach a receiver that asks (MC-22): who has got something that went out later has missed the
   * repair; who has not asked before it came. How long it takes to come does not matter, be it in a full buffer of his.
   */
  private isUnderWay(sequence: number, heard: number, now: number): boolean {
    const since = now - this.window.lastRepair(sequence)
    if (since >= BEHIND) return false
    // Where packets overtake each other, the order alone would have it sent again for every NAK.
    return since < LINGER || (heard !== 0 && isAfter(this.window.orderOfRepair(sequence), heard))
  }
}
