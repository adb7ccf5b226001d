import type { Message } from "../../core/contract.ts"
import type { GapReason, GroupHost, InboundSession, ReceiverEvents, ReceiverSettings, ReceiverStats } from "./engine.ts"
import { MessageReader, type MessageSink } from "./session-messages.ts"
import { type Mended, SessionParity } from "./session-parity.ts"
import { SessionReports } from "./session-reports.ts"
import { LOST, type MemoryBudget, SessionWindow } from "./session-window.ts"
import {
  ASK,
  BLOCK_BITS,
  blockSize,
  blockStart,
  EOS,
  HEADER,
  OVERHEAD,
  RETX,
  type SessionKey,
  sessionId,
  u16,
  u48,
} from "./wire.ts"

/** A sender that timed out is remembered for so many of its time-outs: when it comes back, what was missed can be told. */
const REMEMBERED = 10
/** Packets within reach are kept in slots; more would only serve packets that are smaller than any. */
const MOST_SLOTS = 65_536
const LEAST_SLOTS = 64

/** What the sessions of one receiver share. */
export interface SessionContext {
  readonly host: GroupHost
  readonly settings: ReceiverSettings
  readonly events: ReceiverEvents
  readonly stats: ReceiverStats
  readonly memory: MemoryBudget
  readonly receiver: number
  /** Asks for a tick. */
  wake(at: number): void
}

export type SessionState = "open" | "ended" | "gone" | "closed"

/** What the user of a session holds: one life of it, from its first packet to its end. */
class Inbound implements InboundSession {
  readonly id: string
  readonly source: string
  readonly kind: number
  bytes = 0
  mended = 0
  mendedTime = 0
  onMessage: (message: Message) => void = () => {}
  onGap: (firstMessage: number, count: number, reason: GapReason) => void = () => {}
  onEnd: (reason: "ended" | "timeout" | "closed" | "evicted") => void = () => {}
  private readonly session: Session

  constructor(session: Session, kind: number) {
    this.session = session
    this.id = session.id
    this.source = session.source
    this.kind = kind
  }

  pause(): void {
    this.session.pause(this)
  }

  resume(): void {
    this.session.resume(this)
  }

  close(): void {
    this.session.close(this)
  }
}

/** One sender, as a receiver sees it: packets in any order to messages in theirs, with every gap told (MC-40 to MC-63). */
export class Session implements MessageSink {
  readonly key: SessionKey
  readonly id: string
  readonly source: string
  /** Others whose key has the same first half. */
  sibling: Session | null = null
  state: SessionState = "closed"
  heard: number
  private readonly context: SessionContext
  private readonly stats: ReceiverStats
  private readonly window: SessionWindow
  private readonly reader: MessageReader
  private readonly reports: SessionReports
  /** Only of a sender that sends PARITY. */
  private parity: SessionParity | null = null
  private handle: Inbound
  private delivering = false
  private lossReason: GapReason = "unrepaired"
  /** What comes next when the window is empty: everything before it is lost. */
  private jumpTo = 0
  /** A packet that is out of reach; a second one near it shows that the first was no accident. */
  private far = Number.NEGATIVE_INFINITY
  /** What the latest heartbeat said: the last packet, and the number of the next message. */
  private tailSequence = -1
  private tailNumber = 0
  /** The last packet of all, when the sender has told it. */
  private lastSequence = Number.POSITIVE_INFINITY
  /** It fell silent; what is here is still delivered. */
  private dying = false

  /** Begins behind the packet `sequence`, where `number` is the next message to begin. */
  constructor(context: SessionContext, key: SessionKey, source: string, sequence: number, number: number) {
    const { settings, memory } = context
    this.context = context
    this.stats = context.stats
    this.key = key
    this.id = sessionId(key.high, key.low)
    this.source = source
    this.heard = context.host.now()
    let reach = LEAST_SLOTS
    while (reach < MOST_SLOTS && reach * (OVERHEAD + HEADER) < settings.receiveWindow) reach *= 2
    this.window = new SessionWindow(Math.max(settings.receiveWindow, OVERHEAD + MOST_SLOTS), reach, memory)
    this.window.startAfter(sequence)
    this.reader = new MessageReader(this, settings.maxMessageSize, memory)
    this.reader.number = number
    this.reports = new SessionReports(context, this, this.window)
    this.handle = new Inbound(this, 0)
  }

  /** Begins a life of it. */
  open(kind: number): void {
    this.state = "open"
    this.dying = false
    this.far = Number.NEGATIVE_INFINITY
    this.handle = new Inbound(this, kind)
    this.context.events.session(this.handle)
  }

  /** A DATA packet of it whose header makes sense. */
  data(bytes: Buffer, sequence: number, now: number): void {
    const { window, stats } = this
    if (!this.listens(bytes, now)) return
    if (sequence < window.next) {
      stats.duplicates++
      if ((bytes[4] & RETX) === 0) this.reports.overtaken()
      return
    }
    this.handle.bytes += bytes.length
    const trail = u48(bytes, 24)
    if (sequence - window.next >= window.reach && !this.catchUp(sequence, trail)) return
    if (trail > window.next) this.giveUp(trail, "expired")
    // Giving up delivers, and whoever was delivered to may have ended it all.
    if (sequence < window.next || this.state !== "open") return
    let mended: Mended | null = null
    if ((bytes[4] & BLOCK_BITS) !== 0) mended = this.sum(bytes, sequence, now)
    else if (sequence > this.reports.awaited) this.reports.hasten(now)
    this.take(bytes, sequence, now, false)
    if (mended !== null) this.mended(mended, now)
    this.report(now)
  }

  /** A PARITY whose header makes sense: of `count` packets from `start` on. */
  parityOf(bytes: Buffer, start: number, count: number, now: number): void {
    const { window } = this
    if (this.state !== "open" || !this.listens(bytes, now)) return
    const end = start + count
    if (end <= window.next || end - window.next >= window.reach) return
    const size = blockSize(bytes[4])
    this.parity ??= new SessionParity(this.key, this.context.memory)
    const mended = this.parity.parity(bytes, start, count, size)
    if (mended !== null) this.mended(mended, now)
    if (this.state !== "open") return
    if (end - 1 > window.high && !window.full(0)) this.reports.missing(end - 1, now, start)
    this.reports.hasten(now, this.parity?.spare(start, size))
    this.report(now)
  }

  /** Adds a packet to the sum of its block. Returns what can be reckoned by that. */
  private sum(bytes: Buffer, sequence: number, now: number): Mended | null {
    const size = blockSize(bytes[4])
    // Sums of earlier blocks do not come any more.
    if (blockStart(sequence, size) > this.reports.awaited) this.reports.hasten(now)
    this.parity ??= new SessionParity(this.key, this.context.memory)
    return this.parity.add(bytes, sequence, size)
  }

  /** A packet was reckoned: as if it had come. */
  private mended({ bytes, sequence }: Mended, now: number): void {
    const { window } = this
    if (this.state !== "open" || sequence < window.next) return
    if (sequence <= window.high && window.packet(sequence) !== null) return
    this.stats.recovered++
    this.countMended(sequence, now)
    this.take(bytes, sequence, now, true)
  }

  /** A packet that was lost is here; before anybody missed it, perhaps. */
  private countMended(sequence: number, now: number): void {
    const { handle, window, stats } = this
    handle.mended++
    if (sequence > window.high) return
    const time = now - window.missingSince(sequence)
    handle.mendedTime += time
    stats.mendedTime += time
  }

  private take(bytes: Buffer, sequence: number, now: number, mended: boolean): void {
    const { window, reader } = this
    if (sequence === window.next && window.high < sequence && !reader.paused && !this.delivering) {
      this.delivering = true
      window.high = sequence
      let whole = false
      try {
        whole = reader.read(bytes)
      } finally {
        // Also when the one who was delivered to has thrown: the rest of the packet comes later.
        this.delivering = false
        if (whole || !reader.busy) {
          window.next++
          this.reports.consumed(bytes.length + OVERHEAD)
        } else {
          window.high--
          window.keep(sequence, bytes)
        }
      }
      if (window.high > sequence) this.advance()
      else this.settle()
    } else this.outOfOrder(bytes, sequence, now, mended)
  }

  heartbeat(bytes: Buffer, lead: number, now: number): void {
    const { window } = this
    const flags = bytes[4]
    if (!this.listens(bytes, now)) {
      // Whoever has not heard that we have everything waits for us.
      if ((flags & EOS) !== 0 && this.state === "ended") this.reports.status(now)
      return
    }
    const trail = u48(bytes, 24)
    if (lead - window.next >= window.reach && !this.catchUp(lead, trail)) return
    if (trail > window.next) this.giveUp(trail, "expired")
    if (this.state !== "open") return
    if (lead > window.high && !window.full(0)) this.reports.missing(lead, now)
    this.reports.hasten(now)
    if (lead >= this.tailSequence) {
      this.tailSequence = lead
      this.tailNumber = u48(bytes, 32)
    }
    if ((flags & EOS) !== 0) this.lastSequence = lead
    this.advance()
    if ((flags & ASK) !== 0) this.reports.status(now)
    this.report(now)
  }

  /** Another receiver's NAK for this session. */
  overheard(nak: Buffer, now: number): void {
    if (this.state === "open") this.reports.overheard(nak, now)
  }

  tick(now: number): void {
    if (this.state !== "open") return
    if (!this.dying && now >= this.silentAt) {
      this.dying = true
      this.giveUp(this.window.high + 1, "timeout")
      this.settle()
    }
    this.askAndReport(now)
  }

  /** When `tick` has something to do. */
  get dueAt(): number {
    if (this.state !== "open") return this.forgetAt
    return Math.min(this.dying ? Number.POSITIVE_INFINITY : this.silentAt, this.reports.dueAt)
  }

  private get silentAt(): number {
    return this.heard + this.context.settings.sessionTimeout
  }

  /** When it need not be known any more; only for one that is not open. */
  get forgetAt(): number {
    const { sessionTimeout } = this.context.settings
    return this.heard + (this.state === "gone" ? REMEMBERED * sessionTimeout : sessionTimeout)
  }

  pause(handle: Inbound): void {
    if (this.handle === handle) this.reader.paused = true
  }

  resume(handle: Inbound): void {
    if (this.handle !== handle || this.state !== "open" || !this.reader.paused) return
    this.reader.paused = false
    this.advance()
    this.reports.flush(this.context.host.now())
  }

  close(handle: Inbound): void {
    if (this.handle !== handle || this.state !== "open") return
    this.leave()
  }

  /** The first packet that was not consumed. */
  get position(): number {
    return this.window.next
  }

  /** Who is told of each packet that was consumed, in place of reports by datagrams. */
  get moved(): ((position: number) => void) | null {
    return this.reports.moved
  }

  set moved(told: ((position: number) => void) | null) {
    this.reports.moved = told
  }

  /** Whether this packet has not come yet. */
  lacks(sequence: number): boolean {
    const { window } = this
    return sequence > window.high || (sequence >= window.next && window.packet(sequence) === null)
  }

  /** Frees what it keeps, and tells the sender not to wait for us. */
  leave(): void {
    this.free("closed")
    this.reports.leave()
  }

  /** Its place is needed. */
  evict(): void {
    if (this.state !== "open") return
    const { handle } = this
    this.leave()
    handle.onEnd("evicted")
  }

  message(message: Message): void {
    this.stats.messages++
    this.handle.onMessage(message)
  }

  gap(first: number, count: number, reason: GapReason): void {
    this.stats.gaps++
    this.stats.lost += count
    this.handle.onGap(first, count, reason)
  }

  malformed(): void {
    this.stats.malformed++
  }

  /** Whether packets of it are wanted now. One that was thought gone comes back to life. */
  private listens(bytes: Buffer, now: number): boolean {
    this.heard = now
    if (this.state !== "open") {
      if (this.state !== "gone" || (bytes[4] & RETX) !== 0) return false
      this.open(bytes[5])
      this.context.wake(this.dueAt)
    }
    this.dying = false
    this.reports.receivers = u16(bytes, 22)
    this.reports.heard = u16(bytes, 30)
    return true
  }

  /** What this packet makes due: while packets come, no timer is needed for it. */
  private report(now: number): void {
    if (this.state !== "open") return
    this.reports.flush(now)
    if (now >= this.reports.dueAt) this.askAndReport(now)
  }

  private askAndReport(now: number): void {
    if (this.state !== "open" || !this.reports.tick(now)) return
    this.lossReason = "unrepaired"
    this.advance()
  }

  private outOfOrder(bytes: Buffer, sequence: number, now: number, mended: boolean): void {
    const { window, reader, stats } = this
    const isNext = sequence === window.next
    if (sequence <= window.high && (window.packet(sequence) !== null || (isNext && this.delivering))) {
      stats.duplicates++
      if ((bytes[4] & RETX) === 0) this.reports.overtaken()
      return
    }
    // The packet that all others wait for makes room by its coming.
    if (window.full(bytes.length) && !(isNext && !reader.paused && !this.delivering)) {
      stats.full++
      return
    }
    if (sequence > window.high + 1) {
      const size = blockSize(bytes[4])
      this.reports.missing(sequence - 1, now, size === 0 ? sequence : blockStart(sequence, size))
    } else if (sequence <= window.high) {
      if ((bytes[4] & RETX) !== 0) {
        stats.repaired++
        this.countMended(sequence, now)
        this.reports.repaired(sequence, now)
      } else if (!mended) this.reports.overtaken()
    }
    window.keep(sequence, bytes)
    if (isNext) this.advance()
  }

  /** A packet is out of reach: we were away, or somebody lies. False = it is not taken. */
  private catchUp(sequence: number, trail: number): boolean {
    const { window, reader, stats } = this
    const likely = Math.abs(sequence - this.far) < window.reach
    this.far = sequence
    if (!likely || reader.paused || this.delivering) {
      stats.ahead++
      return false
    }
    // Some room, lest the next packet is out of reach, too.
    const target = sequence - (window.reach / 4) * 3
    this.giveUp(Math.max(target, trail), trail >= target ? "expired" : "overrun")
    if (sequence - window.next < window.reach) return true
    stats.ahead++
    return false
  }

  /** What is missing before this packet will not come any more. */
  private giveUp(before: number, reason: GapReason): void {
    const { window } = this
    this.lossReason = reason
    window.giveUp(before)
    if (before > window.high + 1) this.jumpTo = before
    this.advance()
  }

  /** Delivers what is there. */
  private advance(): void {
    if (this.delivering) return
    this.delivering = true
    try {
      this.deliver()
    } finally {
      this.delivering = false
    }
    this.settle()
  }

  private deliver(): void {
    const { window, reader } = this
    while (this.state === "open" && !reader.paused) {
      if (reader.busy) {
        if (!reader.go()) break
      } else if (window.next <= window.high) {
        const bytes = window.packet(window.next)
        if (bytes === null) break
        if (bytes === LOST) reader.lost(this.lossReason)
        else {
          this.reports.consumed(bytes.length + OVERHEAD)
          if (!reader.read(bytes)) break
        }
      } else if (this.jumpTo > window.next) {
        reader.lost(this.lossReason)
        window.startAfter(this.jumpTo - 1)
        continue
      } else break
      if (this.state === "open") window.consumed()
    }
  }

  /** When everything was consumed: what is known of the messages behind it, and whether that is the end. */
  private settle(): void {
    const { window, reader } = this
    if (window.next <= window.high || reader.paused || this.delivering || this.state !== "open") return
    if (this.tailSequence === window.next - 1) reader.tell(this.tailNumber)
    if (this.state !== "open") return
    if (window.next > this.lastSequence) {
      const known = reader.nextNumber
      reader.lost("malformed")
      reader.tell(known)
      this.finish("ended")
    } else if (this.dying) {
      const known = Math.max(reader.nextNumber, this.tailNumber)
      reader.lost("timeout")
      reader.tell(known)
      this.finish("gone")
    }
  }

  private finish(state: "ended" | "gone"): void {
    if (this.state !== "open") return
    const { handle } = this
    if (state === "ended") this.reports.status(this.context.host.now())
    this.free(state)
    handle.onEnd(state === "ended" ? "ended" : "timeout")
  }

  private free(state: SessionState): void {
    this.state = state
    this.window.clear()
    this.parity?.free()
    this.parity = null
    this.reader.lost("timeout")
    this.reader.paused = false
  }
}
