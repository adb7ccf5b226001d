import {
  type GroupHost,
  RECEIVER_DEFAULTS,
  type ReceiverEvents,
  type ReceiverSettings,
  type ReceiverStats,
} from "./engine.ts"
import { Session, type SessionContext } from "./session.ts"
import {
  blockSize,
  blockStart,
  DATA,
  ELSEWHERE,
  EOS,
  HEADER,
  HEARTBEAT,
  isPacket,
  NAK,
  PARITY,
  RETX,
  type SessionKey,
  STATUS,
  sessionId,
  u16,
  u32,
  u48,
  writeReport,
} from "./wire.ts"

/** When there is no place for another session, one that was silent for so long has to go: it missed three heartbeats. */
const SILENT = 3_000

/** Milliseconds between two reports to senders that we have not joined. */
const KNOCK_PAUSE = 2

/** Everything that a group's port hears: the sessions of its senders. */
export class GroupReceiver {
  readonly stats: ReceiverStats = {
    messages: 0,
    packets: 0,
    bytes: 0,
    heartbeats: 0,
    duplicates: 0,
    repaired: 0,
    recovered: 0,
    mendedTime: 0,
    naks: 0,
    suppressed: 0,
    statuses: 0,
    gaps: 0,
    lost: 0,
    malformed: 0,
    tooMany: 0,
    ahead: 0,
    full: 0,
    sessions: 0,
    memory: 0,
  }
  private readonly host: GroupHost
  private readonly settings: ReceiverSettings
  private readonly context: SessionContext
  /** By the first half of the id; those that share it are chained. */
  private readonly sessions = new Map<number, Session>()
  private count = 0
  /** The session of the last packet: most packets are of the same. */
  private last: Session | null = null
  private readonly own = new Set<string>()
  private wakeAt = Number.POSITIVE_INFINITY
  private closed = false
  private nextKnock = Number.NEGATIVE_INFINITY

  constructor(host: GroupHost, settings: Partial<ReceiverSettings>, events: ReceiverEvents) {
    this.host = host
    this.settings = { ...RECEIVER_DEFAULTS, ...settings }
    const { stats } = this
    this.context = {
      host,
      settings: this.settings,
      events,
      stats,
      memory: {
        get used(): number {
          return stats.memory
        },
        set used(bytes: number) {
          stats.memory = bytes
        },
        limit: this.settings.memory,
      },
      receiver: Math.floor(host.random() * 2 ** 48),
      wake: at => this.wake(at),
    }
  }

  /** Packets of this sender are passed over: it is our own. */
  ignore(sessionId: string): void {
    this.own.add(sessionId)
  }

  /** A packet that came to the group. `source`: the address that it came from. */
  received(bytes: Buffer, source: string): void {
    const { stats } = this
    if (this.closed) return
    if (!isPacket(bytes)) {
      stats.malformed++
      return
    }
    const high = u32(bytes, 8)
    const low = u32(bytes, 12)
    let session = this.last
    if (session === null || session.key.low !== low || session.key.high !== high || session.source !== source)
      session = this.find(high, low, source)
    const type = bytes[3]
    if (type === DATA) {
      const sequence = u48(bytes, 16)
      const first = u16(bytes, 6)
      const trail = u48(bytes, 24)
      const { length } = bytes
      if (length === HEADER || trail < 1 || trail > sequence || first >= length || (first !== 0 && first < HEADER)) {
        stats.malformed++
        return
      }
      const now = this.host.now()
      session ??= this.join(high, low, source, bytes, sequence - 1, now)
      if (session === null) return
      stats.packets++
      stats.bytes += length
      session.data(bytes, sequence, now)
    } else if (type === HEARTBEAT) {
      const lead = u48(bytes, 16)
      const trail = u48(bytes, 24)
      if (bytes.length !== HEADER || trail < 1 || trail > lead + 1) {
        stats.malformed++
        return
      }
      const now = this.host.now()
      session ??= this.join(high, low, source, bytes, lead, now)
      if (session === null) return
      stats.heartbeats++
      session.heartbeat(bytes, lead, now)
    } else if (type === PARITY && this.settings.parity) this.parity(session, bytes)
    else if (type === NAK) this.overheard(high, low, bytes)
    else if (type !== STATUS) stats.malformed++
  }

  /** Null = it is not known. */
  sessionOf(high: number, low: number, source: string): Session | null {
    return this.find(high, low, source)
  }

  tick(): void {
    if (this.closed) return
    const now = this.host.now()
    this.wakeAt = Number.POSITIVE_INFINITY
    let next = Number.POSITIVE_INFINITY
    for (const session of this.all()) {
      session.tick(now)
      if (session.state !== "open" && now >= session.forgetAt) this.remove(session)
      else next = Math.min(next, session.dueAt)
    }
    this.wake(next)
  }

  /** Ends it now: senders wait for us no more. Nothing is called any more. */
  close(): void {
    if (this.closed) return
    this.closed = true
    for (const session of this.all()) if (session.state === "open") session.leave()
    this.sessions.clear()
    this.last = null
    this.count = 0
    this.stats.sessions = 0
    this.host.wake(Number.POSITIVE_INFINITY)
  }

  private parity(session: Session | null, bytes: Buffer): void {
    const start = u48(bytes, 16)
    const count = u16(bytes, 24)
    const size = blockSize(bytes[4])
    if (bytes.length === HEADER || count < 1 || count > size || start < 1 || start !== blockStart(start, size)) {
      this.stats.malformed++
      return
    }
    session?.parityOf(bytes, start, count, this.host.now())
  }

  private wake(at: number): void {
    if (at >= this.wakeAt || this.closed) return
    this.wakeAt = at
    this.host.wake(at)
  }

  private all(): Session[] {
    const sessions: Session[] = []
    for (const first of this.sessions.values())
      for (let session: Session | null = first; session !== null; session = session.sibling) sessions.push(session)
    return sessions
  }

  private find(high: number, low: number, source: string): Session | null {
    let session = this.sessions.get(high) ?? null
    while (session !== null && (session.key.low !== low || session.source !== source)) session = session.sibling
    if (session !== null) this.last = session
    return session
  }

  /** A NAK comes from another receiver, and says of which session it is, but not of which source. */
  private overheard(high: number, low: number, nak: Buffer): void {
    const now = this.host.now()
    for (let session = this.sessions.get(high) ?? null; session !== null; session = session.sibling)
      if (session.key.low === low) session.overheard(nak, now)
  }

  /** A sender that we do not know. It begins for us behind the packet `sequence`. Null = not by this packet (MC-60). */
  private join(
    high: number,
    low: number,
    source: string,
    bytes: Buffer,
    sequence: number,
    now: number,
  ): Session | null {
    if ((bytes[4] & (RETX | EOS)) !== 0) return null
    const key = { high, low }
    if ((bytes[4] & ELSEWHERE) !== 0) {
      this.knock(key, source, sequence, now)
      return null
    }
    const session = new Session(this.context, key, source, sequence, u48(bytes, 32))
    if (this.own.has(session.id)) return null
    if (this.count >= this.settings.maxSessions && !this.makeRoom(now)) {
      this.stats.tooMany++
      return null
    }
    session.sibling = this.sessions.get(high) ?? null
    this.sessions.set(high, session)
    this.last = session
    this.stats.sessions = ++this.count
    session.open(bytes[5])
    this.wake(session.dueAt)
    return session
  }

  /** A sender whose packets go elsewhere: when it has heard of us they come here, and we join (MC-60). */
  private knock(key: SessionKey, source: string, sequence: number, now: number): void {
    const { host, settings, context } = this
    if (now < this.nextKnock || this.own.has(sessionId(key.high, key.low))) return
    this.nextKnock = now + KNOCK_PAUSE
    const { receiver } = context
    const position = sequence + 1
    const window = settings.receiveWindow
    const report = { receiver, position, received: position, window, heard: 0, leaves: false, parity: settings.parity }
    const bytes = writeReport(key, report, [])
    if (host.reply === undefined) host.send(bytes)
    else host.reply(bytes, source)
  }

  /** Lets go the session that matters least, if there is one. */
  private makeRoom(now: number): boolean {
    let least: Session | null = null
    for (const session of this.all()) {
      if (session.state === "open" && now - session.heard < SILENT) continue
      if (least === null || rank(session) < rank(least)) least = session
    }
    if (least === null) return false
    this.remove(least)
    least.evict()
    return true
  }

  private remove(session: Session): void {
    const { high } = session.key
    const first = this.sessions.get(high) ?? null
    if (first === session) {
      if (session.sibling === null) this.sessions.delete(high)
      else this.sessions.set(high, session.sibling)
    } else for (let at = first; at !== null; at = at.sibling) if (at.sibling === session) at.sibling = session.sibling
    session.sibling = null
    if (this.last === session) this.last = null
    this.stats.sessions = --this.count
  }
}

/** Those that are not open go first, and of each kind the one that was silent for the longest time. */
function rank(session: Session): number {
  return session.heard + (session.state === "open" ? Number.MAX_SAFE_INTEGER / 2 : 0)
}
