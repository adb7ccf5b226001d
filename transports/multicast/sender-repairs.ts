import type { SenderSettings, SenderStats } from "./engine.ts"
import type { Receiver } from "./flow.ts"
import { SMALL_GROUP } from "./nak.ts"
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
 * So many times a packet is sent to one receiver alone before it goes to all. Each costs the sender's network what one to all
 * costs; but all the other receivers are left in peace, and of twenty that lose a tenth each, seldom more lack the same packet.
 */
const MOST_ALONE = 3

interface Repair {
  readonly sequence: number
  /** Null = to all. */
  readonly to: Receiver | null
}

/**
 * Which packets are to be sent again (MC-22 to MC-28), and to whom: to all once for many NAKs, or to the few who asked; within a
 * share of what is sent, and with several receivers none of them more than half of that share.
 */
export class Repairs {
  private readonly settings: SenderSettings
  private readonly stats: SenderStats
  private readonly window: SentWindow
  private readonly budget: TokenBucket
  private readonly capacity: number
  private readonly waiting: Repair[] = []
  /** The same by packet: for whom it waits, null = for all. */
  private readonly asked = new Map<number, Receiver[] | null>()
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

  /** Takes the wishes of a NAK that `readReport` found whole. `receivers`: how many are known. */
  request(nak: Buffer, report: Report, receiver: Receiver, receivers: number, sent: number, now: number): void {
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
        if (!this.want(sequence, receiver, report.heard, receivers, now)) return
      }
    }
  }

  /**
   * The next packet to send again; to all, it will have this `order`. Null = none, or not yet. `unlimited` = whatever their
   * share is.
   */
  next(now: number, order: number, unlimited: boolean): Repair | null {
    while (this.pending) {
      if (!this.budget.ready(now) && !unlimited) return null
      const repair = this.waiting[this.head++]
      const { sequence } = repair
      if (this.head === this.waiting.length || this.head === MAX_ASKED) {
        this.waiting.splice(0, this.head)
        this.head = 0
      }
      if (!this.take(repair)) continue
      if (sequence < this.window.trail) {
        this.stats.expired++
        continue
      }
      if (!unlimited) this.budget.take(this.window.packet(sequence).length)
      if (repair.to === null) this.window.repaired(sequence, now, order)
      return repair
    }
    return null
  }

  /** When `next` can answer, if something is pending. */
  readyAt(now: number): number {
    return this.budget.readyAt(now)
  }

  /** False = no more for this receiver now. `heard`: the `order` of the latest packet that it got. */
  private want(sequence: number, receiver: Receiver, heard: number, receivers: number, now: number): boolean {
    const waiting = this.asked.get(sequence)
    if (waiting === null || waiting?.includes(receiver) || this.isUnderWay(sequence, heard, now)) {
      this.stats.repeated++
      return true
    }
    const { granted } = this.budget
    receiver.used = Math.max(receiver.used, granted - this.capacity)
    if (this.waiting.length - this.head >= MAX_WAITING || (receivers > 1 && receiver.used >= granted)) {
      this.stats.overBudget++
      return false
    }
    receiver.used += 2 * this.window.packet(sequence).length
    if (this.goesAlone(sequence, receiver, receivers)) {
      this.window.repairsAlone(sequence)
      if (waiting === undefined) this.asked.set(sequence, [receiver])
      else waiting.push(receiver)
      this.waiting.push({ sequence, to: receiver })
    } else {
      this.asked.set(sequence, null)
      this.waiting.push({ sequence, to: null })
    }
    return true
  }

  /** MC-27, MC-28: in a large group others wait for what this one has asked for. With a rate each repair takes the place of another. */
  private goesAlone(sequence: number, receiver: Receiver, receivers: number): boolean {
    if (!receiver.proven || receivers > SMALL_GROUP) return false
    const most = this.settings.rate > 0 ? 1 : Math.min(MOST_ALONE, Math.max(1, receivers - 1))
    return this.window.aloneOf(sequence) < most
  }

  /** Out of `asked`. False = it is not needed: the packet goes to all. */
  private take({ sequence, to }: Repair): boolean {
    const waiting = this.asked.get(sequence)
    if (to !== null && (waiting === null || waiting === undefined)) return false
    if (to === null || waiting?.length === 1) this.asked.delete(sequence)
    else waiting?.splice(waiting.indexOf(to), 1)
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
