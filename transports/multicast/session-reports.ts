import type { ReceiverStats } from "./engine.ts"
import { drawBackoff, longestBackoff, nakRetry, SMALL_GROUP } from "./nak.ts"
import { RepairTime } from "./repair-time.ts"
import type { SessionContext } from "./session.ts"
import type { SessionWindow } from "./session-window.ts"
import {
  LINGER,
  MAX_ASKED,
  MAX_RANGES,
  RANGE,
  REPORT,
  readReport,
  type SessionKey,
  u16,
  u48,
  writeReport,
} from "./wire.ts"

/** Between two STATUS when nothing new is to be told. */
const SLOWEST_STATUS = 1_000
/** The first report may be lost, and the sender would not wait for us: so many milliseconds after it come two more, the second twice as late: a sender may have sent a window by then. */
const AGAIN = 1
const FIRST_REPORTS = 3
/** In a larger group each receiver reports less often. */
const LARGE_GROUP = 64
/**
 * With so many receivers the slowest decides when the sender goes on, and reports of the others only wake it: then they report half
 * as often (MC-31). A sender with one or two would stand still meanwhile: 5 % less a second was measured with one.
 */
const CROWD = 8
/**
 * Between two NAKs: losses that are noticed together are asked for together. Milliseconds, or a share of what a repair takes, as
 * more would not be repaired sooner by as much as each NAK costs.
 */
const SHORTEST = 1
const PAUSE = 1 / 4
/** So many repairs in a row without a packet that was overtaken, and none is waited for (RFC 8985, section 6.2: 16). */
const IN_ORDER = 16
/** A packet whose block is not over waits for the PARITY, but not longer. Milliseconds. */
const PARITY_WAIT = 10
/** So often others may ask in our place; then we ask ourselves, whatever is heard: it might be a lie. */
const MOST_SUPPRESSED = 6

/** What a receiver tells the sender of a session: how far it is (STATUS), and what is missing (NAK). */
export class SessionReports {
  /** How many receivers the sender knows. */
  receivers = 0
  /** `order` of the packet that came last. */
  heard = 0
  /** The sender looks there how far we are: reports only tell that we are alive. */
  moved: ((position: number) => void) | null = null
  private readonly context: SessionContext
  private readonly stats: ReceiverStats
  private readonly of: { readonly key: SessionKey; readonly source: string }
  private readonly window: SessionWindow
  /** When a packet is due to be asked for. */
  private gapsAt = Number.POSITIVE_INFINITY
  private statusAt: number
  private interval: number
  private reported = -1
  private reports = 0
  /** Cost of what was consumed since the last report. */
  private unreported: number
  /** The window that was told last. */
  private promised = 0
  private readonly repairTime = new RepairTime()
  /** The first packet of the block whose PARITY is waited for. */
  awaited = Number.POSITIVE_INFINITY
  /** No NAK before. */
  private nextNak = 0
  /** When the latest of the NAKs was sent that was answered. */
  private answered = 0
  /** Repairs to come before overtaken packets are not waited for any more; 0 = they are not. */
  private overtakes = 0

  constructor(context: SessionContext, of: { key: SessionKey; source: string }, window: SessionWindow) {
    this.context = context
    this.stats = context.stats
    this.of = of
    this.window = window
    this.interval = context.settings.statusInterval
    this.statusAt = context.host.now()
    // The first report goes out at once.
    this.unreported = Number.POSITIVE_INFINITY
  }

  get dueAt(): number {
    return Math.min(this.statusAt, this.gapsAt)
  }

  /** Packets of this cost were consumed. */
  consumed(cost: number): void {
    this.unreported += cost
  }

  /** Reports when enough was consumed (MC-31). */
  flush(now: number): void {
    if (this.moved !== null) {
      this.moved(this.window.next)
      return
    }
    const share = this.receivers > CROWD ? 2 : 4
    if (this.unreported >= this.promised / share && this.unreported > 0) this.status(now)
  }

  /** A packet that was sent once came behind later ones, or twice. */
  overtaken(): void {
    this.overtakes = IN_ORDER
  }

  /** Packets up to this one exist, and did not come (MC-41). Those from `awaited` on may be mended by the PARITY of their block (MC-74). */
  missing(sequence: number, now: number, awaited = sequence + 1): void {
    const { window } = this
    const due = now + (this.overtakes > 0 ? this.context.settings.reorderDelay : 0) + this.draw()
    if (window.high + 1 < awaited) {
      window.extend(Math.min(sequence, awaited - 1), now, due)
      this.askAt(Math.max(due, this.nextNak))
    }
    if (sequence < awaited) return
    window.extend(sequence, now, due + PARITY_WAIT)
    this.awaited = Math.min(this.awaited, awaited)
    // No timer: packets or a heartbeat follow, and make it due.
    this.gapsAt = Math.min(this.gapsAt, due + PARITY_WAIT)
  }

  /** No PARITY will mend what is missing, but for `spare`, for which the others are enough: it is asked for later. */
  hasten(now: number, spare = 0): void {
    const { awaited, window } = this
    if (awaited === Number.POSITIVE_INFINITY) return
    this.awaited = Number.POSITIVE_INFINITY
    const due = now + (this.overtakes > 0 ? this.context.settings.reorderDelay : 0)
    if (window.missing > 0 && window.hasten(awaited, due, spare)) this.askAt(Math.max(due, this.nextNak))
  }

  /** A missing packet was sent again, and has come. */
  repaired(sequence: number, now: number): void {
    const { window } = this
    if (this.overtakes > 0) this.overtakes--
    const tries = window.triesOf(sequence)
    if (tries === 0) return
    const asked = window.askedAt(sequence)
    // Of two NAKs nobody knows which one was answered.
    if (tries === 1) this.repairTime.add(now - asked)
    if (asked <= this.answered) return
    this.answered = asked
    // What was asked for before, and has not come, may be due now.
    if (window.missing > 1) this.askAt(Math.max(now, this.nextNak))
  }

  /** What is due. True = something was given up. */
  tick(now: number): boolean {
    const lost = now >= this.gapsAt && this.ask(now)
    if (now >= this.statusAt) this.status(now)
    return lost
  }

  status(now: number): void {
    const { settings, host } = this.context
    const { next } = this.window
    this.interval = this.reported === next ? Math.min(SLOWEST_STATUS, this.interval * 2) : settings.statusInterval
    const crowd = this.moved === null ? this.receivers / LARGE_GROUP : SLOWEST_STATUS
    const interval = Math.min(SLOWEST_STATUS, this.interval * Math.max(1, crowd))
    const wait = ++this.reports < FIRST_REPORTS ? Math.min(AGAIN * this.reports, interval) : interval
    this.statusAt = now + wait * (0.75 + host.random() / 2)
    this.stats.statuses++
    this.tell([], false)
  }

  /** The sender need not wait for us any more. */
  leave(): void {
    this.tell([], true)
  }

  /** Another receiver's NAK: what it asks for we need not ask for (MC-43). */
  overheard(nak: Buffer, now: number): void {
    const report = readReport(nak)
    if (report === null) {
      this.stats.malformed++
      return
    }
    const { window, context } = this
    if (report.receiver === context.receiver || window.missing === 0) return
    const longest = this.longestBackoff
    const draw = this.draw()
    let looked = 0
    for (let at = REPORT; at < nak.length; at += RANGE) {
      const first = u48(nak, at)
      const end = Math.min(first + u16(nak, at + 6), window.high + 1)
      for (let sequence = Math.max(first, window.next); sequence < end; sequence++) {
        if (++looked > MAX_ASKED) return
        if (window.packet(sequence) !== null || window.dueAt(sequence) > now + longest) continue
        const tries = window.triesOf(sequence) + 1
        if (tries > MOST_SUPPRESSED) continue
        this.stats.suppressed++
        window.asked(sequence, now, now + this.retry(tries) + draw)
      }
    }
  }

  /** Asks for what is due, gives up what has waited too long. True = something was given up. */
  private ask(now: number): boolean {
    const { window } = this
    const { recoveryInterval } = this.context.settings
    const draw = this.draw()
    const ranges: number[] = []
    let gave = false
    let asked = 0
    let end = -1
    let next = Number.POSITIVE_INFINITY
    // What finds no room is not asked for; the first makes room by its coming.
    const most = Math.min(MAX_ASKED, Math.max(1, window.room))
    let left = window.missing
    for (let sequence = window.next; left > 0; sequence++) {
      if (window.packet(sequence) !== null) continue
      left--
      const ends = window.missingSince(sequence) + recoveryInterval
      if (now >= ends) {
        window.lose(sequence)
        gave = true
        continue
      }
      let due = Math.min(window.dueAt(sequence), this.lostAgainAt(sequence))
      if (due <= now && asked < most && (sequence === end || ranges.length < 2 * MAX_RANGES)) {
        due = now + this.retry(window.triesOf(sequence) + 1) + draw
        window.asked(sequence, now, due)
        asked++
        if (sequence === end) ranges[ranges.length - 1]++
        else ranges.push(sequence, 1)
        end = sequence + 1
      }
      next = Math.min(next, due, ends)
    }
    if (asked > 0) {
      this.stats.naks++
      this.nextNak = now + Math.max(SHORTEST, PAUSE * this.repairTime.mean)
      this.tell(ranges, false)
    }
    this.gapsAt = Number.POSITIVE_INFINITY
    this.askAt(Math.max(next, this.nextNak))
    return gave
  }

  private askAt(at: number): void {
    if (at >= this.gapsAt) return
    this.gapsAt = at
    this.context.wake(at)
  }

  private get longestBackoff(): number {
    return longestBackoff(this.receivers, this.repairTime.mean, this.context.settings.nakBackoff)
  }

  private draw(): number {
    return drawBackoff(this.context.host.random, this.receivers, this.longestBackoff)
  }

  /**
   * From when on an answer to our last NAK for it counts as lost: a later NAK was answered, and the sender answers in order. It
   * may have been answered to another receiver who had asked before; so not before the time that repairs take.
   */
  private lostAgainAt(sequence: number): number {
    const { window, repairTime } = this
    if (window.triesOf(sequence) === 0 || window.askedAt(sequence) >= this.answered) return Number.POSITIVE_INFINITY
    return window.askedAt(sequence) + repairTime.mean
  }

  /** Wait after a NAK: at first what repairs take here, with room to spare; while nobody knows, rather long. */
  private retry(tries: number): number {
    const { nakBackoff, recoveryInterval } = this.context.settings
    const first = this.repairTime.mean === 0 ? 2 * nakBackoff : LINGER + this.repairTime.most
    return nakRetry(tries, first, recoveryInterval)
  }

  private tell(ranges: readonly number[], leaves: boolean): void {
    const { host, receiver, settings } = this.context
    const { window, of } = this
    this.unreported = 0
    this.reported = window.next
    this.promised = Math.min(settings.receiveWindow, window.advertised)
    const report = {
      receiver,
      position: window.next,
      received: window.received,
      window: this.promised,
      heard: this.heard,
      leaves,
      parity: settings.parity,
    }
    const bytes = writeReport(of.key, report, ranges)
    const others = ranges.length > 0 && this.receivers > SMALL_GROUP
    if (others || host.reply === undefined) host.send(bytes)
    host.reply?.(bytes, of.source)
  }
}
