import type { Nearby, SenderSettings, SenderStats } from "./engine.ts"
import type { SentWindow } from "./sender-window.ts"
import { OVERHEAD, type Report } from "./wire.ts"

/** How long a sender keeps to its initial window when nobody answers: several round trips of a long way. */
const SETUP = 100

/** A receiver, as a sender knows it. */
export interface Receiver {
  /** Its address; reports of others with its id are refused. */
  readonly source: string
  position: number
  /** Cost of all packets before `position`, as it was when that was told. */
  cost: number
  received: number
  window: number
  heard: number
  /** It understands PARITY. */
  parity: boolean
  /** Up to where it has used its share of the repairs; see sender-repairs.ts. */
  used: number
}

/** Which receivers there are, and how far the sender may go for them (MC-30 to MC-34). */
export class FlowControl {
  /** Cost of all packets up to which may be sent. */
  private limit: number
  /** When the limit may have to be reckoned anew although no receiver said anything. */
  setupEnds = Number.POSITIVE_INFINITY
  /** The first packet that some receiver has not got, as far as is known. */
  private lacking = Number.POSITIVE_INFINITY
  private readonly settings: SenderSettings
  private readonly stats: SenderStats
  private readonly window: SentWindow
  private readonly nearby: Nearby | null
  private readonly receivers = new Map<number, Receiver>()
  /** Nobody's window is smaller: one packet must always be possible. */
  private readonly least: number
  private settingUp: boolean
  /** The first packets went out so lately that receivers may have them, or lack them, who were not heard yet. */
  private young: boolean
  /** See `hasRoom`. */
  private step = 0
  /** Reports came since the limit was reckoned: of many that come together only the last makes work. */
  private stale = false

  constructor(settings: SenderSettings, stats: SenderStats, window: SentWindow, nearby: Nearby | null) {
    this.nearby = nearby
    this.settings = settings
    this.stats = stats
    this.window = window
    this.least = settings.datagram + OVERHEAD
    this.settingUp = settings.flow !== "none"
    this.young = this.settingUp
    this.limit = this.settingUp ? Math.max(settings.initialWindow, 2 * this.least) : Number.POSITIVE_INFINITY
  }

  get count(): number {
    return this.receivers.size
  }

  /** What is free of a window when `hasRoom` says so. */
  get room(): number {
    return this.step
  }

  /** A receiver has consumed everything before this packet. */
  moved(receiver: Receiver, position: number, now: number): void {
    receiver.position = position
    receiver.cost = this.window.costBefore(position)
    receiver.received = Math.max(receiver.received, position)
    receiver.heard = now
    this.changed()
  }

  /** The first packet goes out. */
  began(now: number): void {
    if (this.young) this.setupEnds = now + SETUP
  }

  /** Whether a packet of so much cost has to wait when all before it cost `sent`. */
  holds(sent: number, cost: number, now: number): boolean {
    if (this.stale) this.reckon()
    if (!this.over(sent, cost, now)) return false
    // Those nearby may have come farther since they were looked at.
    return this.nearby?.gather() !== true || this.over(sent, cost, now)
  }

  /**
   * Whether so much may go that it is worth to begin again: a quarter of the window that holds us, as receivers report it.
   * Otherwise each report would let a packet or two go.
   */
  hasRoom(sent: number): boolean {
    if (this.stale) this.reckon()
    if (this.limit - sent < this.step && this.nearby?.gather() === true) this.reckon()
    return this.limit - sent >= this.step
  }

  /** Whether new packets would soon push out what a receiver that is waited for still lacks (MC-32). */
  lags(now: number): boolean {
    if (this.stale) this.reckon()
    const { lacking, window } = this
    if (lacking > window.lead || lacking < window.trail) return false
    return now - window.sentAtOf(lacking) > this.settings.recoveryInterval / 2
  }

  /** Null = refused; the reason is counted. */
  report(report: Report, source: string, now: number): Receiver | null {
    let receiver = this.receivers.get(report.receiver)
    if (receiver !== undefined && receiver.source !== source) {
      this.stats.foreign++
      return null
    }
    if (report.leaves) {
      if (receiver !== undefined) this.forget(report.receiver, receiver)
      this.changed()
      return null
    }
    if (receiver === undefined) {
      if (this.receivers.size >= this.settings.maxReceivers) {
        this.stats.tooMany++
        return null
      }
      receiver = {
        source,
        position: 0,
        cost: 0,
        received: 1,
        window: 0,
        heard: now,
        parity: report.parity,
        used: Number.NEGATIVE_INFINITY,
      }
      this.receivers.set(report.receiver, receiver)
      this.nearby?.joined(receiver)
    }
    // Reports may overtake each other.
    if (report.position > receiver.position) {
      receiver.position = report.position
      receiver.cost = this.window.costBefore(report.position)
    }
    receiver.parity = report.parity
    receiver.received = Math.max(receiver.received, report.received)
    receiver.window = Math.min(this.settings.window, Math.max(this.least, report.window))
    receiver.heard = now
    this.settingUp = false
    this.changed()
    return receiver
  }

  /** Time has passed: forgets who fell silent. */
  expire(now: number): void {
    if (now >= this.setupEnds) {
      this.settingUp = false
      this.young = false
      this.setupEnds = Number.POSITIVE_INFINITY
    }
    const oldest = now - this.settings.receiverTimeout
    for (const [id, receiver] of this.receivers) if (receiver.heard < oldest) this.forget(id, receiver)
    this.changed()
  }

  /** Whether every receiver that is known understands PARITY. */
  get allTakeParity(): boolean {
    for (const { parity } of this.receivers.values()) if (!parity) return false
    return true
  }

  /** Whether nobody is known who may lose packets on the way. */
  get safe(): boolean {
    return this.nearby?.alone ?? false
  }

  /** Whether every receiver has got everything before this packet. */
  allReceived(sequence: number): boolean {
    for (const { received } of this.receivers.values()) if (received < sequence) return false
    return true
  }

  private over(sent: number, cost: number, now: number): boolean {
    if (this.stale) this.reckon()
    return sent + cost > this.limit || this.lags(now)
  }

  private forget(id: number, receiver: Receiver): void {
    this.receivers.delete(id)
    this.nearby?.left(receiver)
  }

  private changed(): void {
    this.stale = true
    this.stats.receivers = this.receivers.size
  }

  private reckon(): void {
    this.stale = false
    if (this.settingUp) return
    const { flow } = this.settings
    this.lacking = Number.POSITIVE_INFINITY
    this.step = 0
    // What is within the window can be repaired for whoever is heard next.
    const most = this.young ? Math.max(this.settings.window, 2 * this.least) : Number.POSITIVE_INFINITY
    if (flow === "none" || this.receivers.size === 0) {
      this.limit = most
      return
    }
    let smallest = Number.POSITIVE_INFINITY
    let limit = flow === "slowest" ? Number.POSITIVE_INFINITY : 0
    for (const { cost, window, received } of this.receivers.values()) {
      const own = cost + window
      if (window < smallest) smallest = window
      if (flow === "slowest") this.lacking = Math.min(this.lacking, received)
      limit = flow === "slowest" ? Math.min(limit, own) : Math.max(limit, own)
    }
    this.limit = Math.min(limit, most)
    this.step = smallest / 4
  }
}
