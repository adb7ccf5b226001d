import type { Buffer } from "node:buffer"
import type { Native } from "../../native/addon.ts"
import type { DatagramPort } from "../../udp/port.ts"
import type { Clock } from "../clock.ts"
import type { GroupReceiver } from "../engine.ts"
import type { Session } from "../session.ts"
import { partsOf } from "../source.ts"
import { DATA, HEADER, HEARTBEAT, PARITY, RETX, u48 } from "../wire.ts"
import { ENTRIES } from "./layout.ts"
import { bellOf, keyOf, readNear } from "./packets.ts"
import { NearReader } from "./reader.ts"

/** Memories that one member has open: each takes addresses, up to 64 MiB of them, no memory. */
const MOST_SENDERS = 64
/** Offers that are looked at, each some system calls: one in so many milliseconds. Others come again with the next memory. */
const OFFER_PAUSE = 5
/** Bytes of one turn of the event loop: timers and others wait. */
const TURN_BYTES = 1024 * 1024

interface Source {
  readonly session: Session
  readonly reader: NearReader
  scheduled: boolean
  /** The latest that spoke of packets that were still to be read: the sender may have told its end by it, and be gone. */
  heartbeat: Buffer | null
}

/** The senders of a group on a receiver's own machine, whose packets it reads from their memory. */
export class NearSenders {
  private readonly native: Native
  private readonly clock: Clock
  private readonly receiver: GroupReceiver
  /** Our own: bells are sent by it. */
  private readonly port: DatagramPort
  private sources: Source[] = []
  private nextOffer = 0

  constructor(native: Native, clock: Clock, receiver: GroupReceiver, port: DatagramPort) {
    this.native = native
    this.clock = clock
    this.receiver = receiver
    this.port = port
  }

  /** A sender says where its memory is. Anybody may claim to be one: what is opened must prove itself. */
  offered(bytes: Buffer, source: string): void {
    const place = readNear(bytes)
    const now = this.clock.now()
    if (place === null || now < this.nextOffer) return
    const key = keyOf(bytes)
    const session = this.receiver.sessionOf(key.high, key.low, source)
    if (session === null || session.state !== "open") return
    this.nextOffer = now + OFFER_PAUSE
    this.review()
    if (this.sources.length >= MOST_SENDERS || this.sources.some(one => one.session === session)) return
    try {
      const reader = new NearReader(this.native, place, key)
      this.sources.push({ session, reader, scheduled: false, heartbeat: null })
    } catch {
      // Another machine's, or another user's: datagrams serve as well.
    }
  }

  /** There is something to read, or somebody says so. */
  rung(bytes: Buffer): void {
    const one = this.of(bytes, null)
    if (one === undefined) return
    const sleepers = one.reader.sleepers()
    for (const { host, port } of sleepers) this.port.send(bytes, host, port)
    if (sleepers.length > 0) this.port.flush?.()
    this.drain(one)
  }

  /**
   * Before a datagram of the group is given to the engine: what went out before it comes first. False = it shall not be
   * given: its packet is here, or it speaks of packets that are still to be read.
   */
  before(bytes: Buffer, source: string): boolean {
    const one = this.of(bytes, source)
    if (one === undefined) return true
    const type = bytes[3]
    const whole = this.drain(one, type === DATA ? Number.POSITIVE_INFINITY : TURN_BYTES)
    if (type === HEARTBEAT && !whole) one.heartbeat = bytes
    if (type === HEARTBEAT || type === PARITY) return whole
    return type !== DATA || (bytes[4] & RETX) !== 0 || !one.reader.began || one.session.lacks(u48(bytes, 16))
  }

  /** Behind it: perhaps it was the last that did not go out here. */
  after(bytes: Buffer, source: string): void {
    const one = this.of(bytes, source)
    if (one !== undefined) this.drain(one)
  }

  /** Leaves the memory of who is gone. */
  review(): void {
    for (const one of this.sources) if (one.session.state !== "open" || one.reader.over) this.drain(one)
  }

  close(): void {
    for (const one of [...this.sources]) this.leave(one)
  }

  /** `source`: null = whoever brings the packet. */
  private of(bytes: Buffer, source: string | null): Source | undefined {
    const { sources } = this
    if (sources.length === 0 || bytes.length < HEADER) return undefined
    const { high, low } = keyOf(bytes)
    for (const one of sources) {
      const { session } = one
      if (session.key.low !== low || session.key.high !== high) continue
      if (source === null || session.source === source) return one
    }
    return undefined
  }

  /** Takes what is there. False = not all of it; the rest follows. */
  private drain(one: Source, most = TURN_BYTES): boolean {
    const { reader, session } = one
    const { over } = reader
    let bytes = 0
    let ready = true
    reader.wake()
    // No more than is there now: who writes faster than we read must not keep us.
    for (let left = Math.min(reader.available, ENTRIES); left > 0 && session.state === "open"; left--) {
      if (bytes >= most) {
        this.goOnLater(one)
        return false
      }
      ready = reader.ready(session)
      if (!ready) break
      session.moved ??= this.told(one)
      const packet = reader.take()
      if (packet === null) continue
      bytes += packet.length
      if (session.lacks(u48(packet, 16))) this.give(one, packet)
    }
    const { heartbeat } = one
    one.heartbeat = null
    if (heartbeat !== null && session.state === "open") this.give(one, heartbeat)
    if (over || session.state !== "open") this.leave(one)
    else if (ready && !reader.sleep()) this.goOnLater(one)
    return true
  }

  private give(one: Source, packet: Buffer): void {
    try {
      this.receiver.received(packet, one.session.source)
    } catch (error) {
      // Whoever was delivered to has thrown. We are awake, so that nobody rings for the rest.
      this.goOnLater(one)
      throw error
    }
  }

  private told({ reader, session }: Source): (position: number) => void {
    return position => {
      if (!reader.moved(position)) return
      const { host, port } = partsOf(session.source)
      this.port.send(bellOf(session.key), host, port)
      this.port.flush?.()
    }
  }

  private goOnLater(one: Source): void {
    if (one.scheduled) return
    one.scheduled = true
    setImmediate(() => {
      one.scheduled = false
      if (this.sources.includes(one)) this.drain(one)
    })
  }

  private leave(one: Source): void {
    // Whoever was delivered to may have closed all of it, in the midst of `drain`.
    if (!this.sources.includes(one)) return
    one.session.moved = null
    one.reader.close()
    this.sources = this.sources.filter(other => other !== one)
  }
}
