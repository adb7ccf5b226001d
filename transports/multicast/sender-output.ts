import { Buffer } from "node:buffer"
import type { GroupHost, SenderSettings, SenderStats } from "./engine.ts"
import { FlowControl, type Receiver } from "./flow.ts"
import { TokenBucket } from "./rate.ts"
import { SenderParity } from "./sender-parity.ts"
import { Repairs } from "./sender-repairs.ts"
import { SentWindow } from "./sender-window.ts"
import {
  ASK,
  askedBy,
  EOS,
  HEADER,
  HEARTBEAT,
  isPacket,
  NAK,
  nextOrder,
  OVERHEAD,
  putStart,
  putU16,
  putU48,
  RETX,
  readReport,
  type SessionKey,
  STATUS,
  u32,
  u48,
} from "./wire.ts"

/** After the last data: soon, because only a heartbeat tells a receiver that the last packets were lost. */
const FIRST_HEARTBEAT = 10
/** The same while receivers are what holds us back: they have much to read yet, and their reports say that they do. */
const BUSY_HEARTBEAT = 40
const SLOWEST_HEARTBEAT = 1_000
/** Heartbeats that tell the end before it is one: two of them may be lost. */
const FAREWELLS = 3
/** With a rate, packets leave in bursts of so many milliseconds at most: what the buffers of switches bear. */
const BURST = 10
const MAX_RECEIVERS_TOLD = 65_535

/** Everything of a sender but the encoding: what goes out when, and what is heard from the receivers. */
export class SenderOutput {
  readonly stats: SenderStats
  onClosed: () => void = () => {}
  private readonly host: GroupHost
  private readonly settings: SenderSettings
  private readonly key: SessionKey
  /** Number of the next message that begins behind everything that is sealed. */
  private readonly nextMessage: () => number
  private readonly window: SentWindow
  private readonly flow: FlowControl
  private readonly repairs: Repairs
  private readonly bucket: TokenBucket | null
  private readonly parity: SenderParity
  /** The first packet that was never sent, and the cost of all before it. */
  private unsent = 1
  private sentCost = 0
  /** Of what is sent next. */
  private order = 1
  private portOpen = true
  /** What was sent of a block is to be covered then. */
  private coverAt = Number.POSITIVE_INFINITY
  /** Something that is not sealed would go out if it might. */
  private wished = 0
  private heartbeatAt: number
  private heartbeatInterval = FIRST_HEARTBEAT
  /** Flow control has held data back since the last heartbeat. */
  private heldBack = false
  /** What the host was asked for last. */
  private wakeAt = Number.POSITIVE_INFINITY
  private farewells = -1
  private lingerEnds = Number.POSITIVE_INFINITY
  private closed = false
  /** When a receiver said something last. */
  private heardAt = Number.NEGATIVE_INFINITY

  constructor(host: GroupHost, settings: SenderSettings, key: SessionKey, nextMessage: () => number) {
    const now = host.now()
    this.host = host
    this.settings = settings
    this.key = key
    this.nextMessage = nextMessage
    this.stats = {
      messages: 0,
      packets: 0,
      bytes: 0,
      repairs: 0,
      repairBytes: 0,
      parities: 0,
      parityBytes: 0,
      heartbeats: 0,
      statuses: 0,
      naks: 0,
      expired: 0,
      repeated: 0,
      overBudget: 0,
      storm: 0,
      malformed: 0,
      foreign: 0,
      tooMany: 0,
      refused: 0,
      receivers: 0,
    }
    this.window = new SentWindow(settings.window, settings.recoveryInterval)
    this.flow = new FlowControl(settings, this.stats, this.window, host.nearby ?? null)
    this.repairs = new Repairs(settings, this.stats, this.window, now)
    this.parity = new SenderParity(settings.parity, key, settings.kind, this.flow)
    const { rate, datagram } = settings
    this.bucket = rate > 0 ? new TokenBucket(rate, Math.max((rate * BURST) / 1_000, datagram), now) : null
    // The first heartbeat tells receivers of the session before there is data, so that they can say how much they take.
    this.heartbeatAt = now
    this.arm()
  }

  /** Whether a packet that is sealed now would be the next to go. */
  get clear(): boolean {
    return this.portOpen && this.unsent > this.window.lead
  }

  /** The last packet that was sealed. */
  get lead(): number {
    return this.window.lead
  }

  /** The first packet that was never sent. */
  get sent(): number {
    return this.unsent
  }

  /** Memory of packets before this one is nobody's any more: not while the port may still have some of it to send. */
  get free(): number {
    return this.portOpen ? this.window.trail : 0
  }

  /** Whether flow control and rate let a packet of this cost go, when it is its turn. */
  allowed(cost: number): boolean {
    const now = this.host.now()
    return !this.flow.holds(this.sentCost, cost, now) && (this.bucket === null || this.bucket.ready(now))
  }

  /** Whether flow control lets enough go to begin again after it held something back. */
  get roomy(): boolean {
    return this.flow.hasRoom(this.sentCost)
  }

  /** A packet of so much cost is open and wants to go as soon as it may. 0 = none. */
  wish(cost: number): void {
    this.wished = cost
  }

  /** Takes a packet whose number and trail are not yet filled in. */
  seal(bytes: Buffer, messages: number): void {
    const sequence = this.window.push(bytes)
    putU48(bytes, 16, sequence)
    const now = this.host.now()
    bytes[4] |= this.parity.flagsOf(sequence, now)
    this.window.trim(now, this.unsent)
    this.stats.messages = messages
  }

  /** Sends what may be sent: repairs first. */
  transmit(): void {
    if (!this.portOpen || (this.unsent > this.window.lead && !this.repairs.pending && !this.parity.whole)) return
    const now = this.host.now()
    while (this.portOpen) {
      if (this.parity.whole && (this.bucket === null || this.bucket.ready(now))) {
        this.sendParity(now)
        continue
      }
      if (this.repairs.pending && (this.bucket === null || this.bucket.ready(now))) {
        const sequence = this.repairs.next(now, this.order, this.repairsHaveAll(now))
        if (sequence !== 0) {
          this.repair(this.window.packet(sequence), now)
          continue
        }
      }
      if (this.unsent > this.window.lead) return
      const bytes = this.window.packet(this.unsent)
      const cost = bytes.length + OVERHEAD
      if (this.flow.holds(this.sentCost, cost, now)) {
        this.heldBack = true
        this.cover()
        return
      }
      if (this.bucket !== null && !this.bucket.ready(now)) return
      this.window.sent(this.unsent++, now)
      this.sentCost += cost
      if (this.unsent === 2) this.flow.began(now)
      this.repairs.earned(bytes.length)
      this.stats.packets++
      this.stats.bytes += bytes.length
      this.heartbeatInterval = FIRST_HEARTBEAT
      this.heartbeatAt = now + (this.heldBack ? BUSY_HEARTBEAT : FIRST_HEARTBEAT)
      this.put(bytes)
      this.parity.add(bytes, this.unsent - 1)
    }
  }

  /** Nothing more goes out for now: what was sent of a block is covered so far (MC-72). */
  cover(): void {
    if (!this.parity.open || !this.portOpen || this.closed) return
    const now = this.host.now()
    if (this.bucket !== null && !this.bucket.ready(now)) return
    if (now >= this.parity.dueAt) this.sendParity(now)
    else this.coverAt = this.parity.dueAt
  }

  /** A receiver has consumed everything before this packet. False = that cannot be. */
  moved(receiver: Receiver, position: number): boolean {
    if (position <= receiver.position || position > this.unsent) return false
    this.heardAt = this.host.now()
    this.flow.moved(receiver, position, this.heardAt)
    return true
  }

  /** Flow control holds something back: those nearby shall say when there is room. True = there is. */
  await(): boolean {
    const { nearby } = this.host
    if (!nearby || (this.roomy && !this.flow.holds(this.sentCost, this.waiting, this.host.now()))) return false
    const cost = this.sentCost + Math.max(this.flow.room, this.waiting)
    return nearby.await(({ window }) => Math.min(this.unsent, this.window.packetAt(cost - window)))
  }

  /** True = what may be sent has perhaps changed. */
  received(bytes: Buffer, source: string): boolean {
    if (this.closed) return false
    if (!isPacket(bytes)) {
      this.stats.malformed++
      return false
    }
    const type = bytes[3]
    if (type !== STATUS && type !== NAK) return false
    if (u32(bytes, 8) !== this.key.high || u32(bytes, 12) !== this.key.low) return false
    const report = readReport(bytes)
    if (report === null || report.received > this.unsent) {
      this.stats.malformed++
      return false
    }
    const now = this.host.now()
    this.heardAt = now
    const receiver = this.flow.report(report, source, now)
    if (type === NAK) {
      this.stats.naks++
      this.parity.heard(askedBy(bytes), now)
      if (receiver !== null) this.repairs.request(bytes, report, receiver, this.flow.count > 1, this.unsent - 1, now)
    } else this.stats.statuses++
    this.closeIfDone(now)
    return true
  }

  tick(): void {
    if (this.closed) return
    this.wakeAt = Number.POSITIVE_INFINITY
    const now = this.host.now()
    this.flow.expire(now)
    if (now >= this.coverAt) {
      this.coverAt = Number.POSITIVE_INFINITY
      this.cover()
    }
    if (now >= this.heartbeatAt && this.portOpen) this.heartbeat(now)
    this.window.trim(now, this.unsent)
    this.closeIfDone(now)
  }

  /** The host has room again. */
  open(): void {
    if (this.closed) return
    this.portOpen = true
    this.tick()
  }

  /** Nothing follows what was sealed; all of it was sent. */
  finish(): void {
    if (this.closed || this.farewells >= 0) return
    this.farewells = 0
    const now = this.host.now()
    this.lingerEnds = now + this.settings.linger
    this.heartbeatInterval = FIRST_HEARTBEAT
    this.heartbeatAt = now
    if (this.portOpen) this.heartbeat(now)
  }

  close(): void {
    this.closed = true
    this.portOpen = false
    this.host.wake(Number.POSITIVE_INFINITY)
  }

  /** Asks the host for the next tick, if it was not asked for an earlier one. */
  arm(): void {
    if (!this.portOpen) return
    let at = Math.min(this.heartbeatAt, this.lingerEnds, this.coverAt)
    const waiting = this.waiting
    if (waiting > 0 || this.repairs.pending || this.parity.whole) {
      const now = this.host.now()
      const rateAt = this.bucket === null ? now : this.bucket.readyAt(now)
      if (this.repairs.pending)
        at = Math.min(at, this.repairsHaveAll(now) ? rateAt : Math.max(rateAt, this.repairs.readyAt(now)))
      if (this.parity.whole) at = Math.min(at, rateAt)
      const held = this.flow.holds(this.sentCost, waiting, now)
      if (waiting > 0) at = Math.min(at, held ? this.flow.setupEnds : rateAt)
    }
    if (at >= this.wakeAt) return
    this.wakeAt = at
    this.host.wake(at)
  }

  /** Cost of the packet that is to go out next; 0 = none is. */
  private get waiting(): number {
    return this.unsent > this.window.lead ? this.wished : this.window.packet(this.unsent).length + OVERHEAD
  }

  /** Their share is there for the sake of new data; when that has to wait, the rate alone is the limit (MC-32). */
  private repairsHaveAll(now: number): boolean {
    return this.bucket !== null && this.flow.lags(now)
  }

  private sendParity(now: number): void {
    const bytes = this.parity.packet(now)
    this.coverAt = Number.POSITIVE_INFINITY
    this.stats.parities++
    this.stats.parityBytes += bytes.length
    this.send(bytes)
  }

  private put(bytes: Buffer): void {
    putU48(bytes, 24, this.window.trail)
    this.send(bytes)
  }

  private send(bytes: Buffer): void {
    putU16(bytes, 22, Math.min(this.flow.count, MAX_RECEIVERS_TOLD))
    putU16(bytes, 30, this.order)
    this.order = nextOrder(this.order)
    this.bucket?.take(bytes.length)
    if (!this.host.send(bytes)) this.portOpen = false
  }

  private repair(sent: Buffer, now: number): void {
    const bytes = this.host.shares?.(sent) ? Buffer.from(sent) : sent
    bytes[4] |= RETX
    // What follows a repair tells who has missed it.
    this.heartbeatInterval = FIRST_HEARTBEAT
    this.heartbeatAt = Math.min(this.heartbeatAt, now + FIRST_HEARTBEAT)
    this.stats.repairs++
    this.stats.repairBytes += bytes.length
    this.put(bytes)
  }

  private heartbeat(now: number): void {
    // It says that all of them exist: what mends them comes first.
    if (this.parity.open) this.sendParity(now)
    if (!this.portOpen) return
    const bytes = Buffer.alloc(HEADER)
    const next = this.waiting
    let flags = 0
    if (this.farewells >= 0) {
      flags |= EOS
      this.farewells++
    }
    // While receivers report, each does so soon enough; all at once they would be woken, and we by all of them.
    const silent = now - this.heardAt >= FIRST_HEARTBEAT
    if (next > 0 && silent && this.flow.holds(this.sentCost, next, now)) flags |= ASK
    putStart(bytes, 0, HEARTBEAT, flags, this.settings.kind, this.key)
    putU48(bytes, 16, this.unsent - 1)
    const allSent = this.unsent > this.window.lead
    putU48(bytes, 32, allSent ? this.nextMessage() : u48(this.window.packet(this.unsent), 32))
    this.stats.heartbeats++
    this.heldBack = false
    this.heartbeatAt = now + this.heartbeatInterval
    this.heartbeatInterval = Math.min(SLOWEST_HEARTBEAT, this.heartbeatInterval * 2)
    this.put(bytes)
  }

  private closeIfDone(now: number): void {
    if (this.farewells < 0 || this.closed) return
    const told = this.farewells >= FAREWELLS && this.flow.allReceived(this.window.lead + 1)
    if (!told && now < this.lingerEnds) return
    this.close()
    this.onClosed()
  }
}
