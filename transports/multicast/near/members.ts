import { Buffer } from "node:buffer"
import type { Native } from "../../native/addon.ts"
import type { DatagramPort } from "../../udp/port.ts"
import { type ChunkMemory, ORDINARY } from "../chunks.ts"
import type { Clock } from "../clock.ts"
import type { GroupSender, Nearby, Receiver } from "../engine.ts"
import { partsOf } from "../source.ts"
import { ELSEWHERE, HEARTBEAT, type SessionKey, sessionKey } from "../wire.ts"
import { CHUNK, MOST_CHUNKS, SLOTS } from "./layout.ts"
import { bellOf, keyOf, nearOf } from "./packets.ts"
import { isOfThisMachine } from "./this-machine.ts"
import { NearWriter } from "./writer.ts"

/** Chunks beyond the window, of which some are never quite full: the one that is written, and those whose packets are just leaving it. */
const SLACK = 1.1
const MORE_CHUNKS = 6
/** A chunk was full, and a large datagram went out, within so many milliseconds: traffic that is worth memory. */
const BUSY = 1_000
/** No chunk was full for so many milliseconds: the memory goes. */
const IDLE = 30_000
/** Who has not opened the memory so long after it was offered first may never do so: for its sake packets go out as datagrams. */
const PATIENCE = 2_000
/** Between two looks at who does not read yet, each of whom is offered the memory again, so often in all. */
const LOOK = 500
const OFFERS = 8
/** While nobody needs datagrams one goes out so often all the same: by it others find the sender. */
const SHOW = 50
/** Smaller datagrams were flushed: they go to all at once, for by the chain of bells the last one would have them late. */
const LARGE = 8 * 1024
/**
 * Bytes after which sleeping readers are woken in the midst of a turn: not a millisecond of a sender at full speed. Twenty readers on
 * two processors get a sixth more a second than with a quarter of it, since they wake up for more.
 */
const RING_BYTES = 1024 * 1024
/** The sender wakes so many itself; these wake others. */
const RUNG = 2

interface Member {
  readonly host: string
  readonly port: number
  /** On this machine. */
  readonly ours: boolean
  /** -1 = datagrams only. */
  slot: number
  ticket: number
  offers: number
  offeredAt: number
  reads: boolean
  tells: boolean
}

/** Where a sender's members on its own machine read its packets: who they are, and whether anybody else needs datagrams. */
export class NearMembers implements ChunkMemory, Nearby {
  private readonly native: Native
  private readonly port: DatagramPort
  private readonly clock: Clock
  private readonly key: SessionKey
  private readonly chunks: number
  private readonly any: boolean
  private readonly isOurs: (host: string) => boolean
  private readonly bell: Buffer
  private readonly members = new Map<Receiver, Member>()
  /** All that were ever shared: slow readers may still read what is in one that was left. */
  private readonly memories = new WeakSet<ArrayBufferLike>()
  private sender: GroupSender | null = null
  private writer: NearWriter | null = null
  /** There is no memory to be had, or the window is too large. */
  private impossible: boolean
  alone = false
  /** Somebody has come, or gone, or is yet to begin to read. */
  private unsettled = false
  private tickets = 0
  private chunkAt = Number.NEGATIVE_INFINITY
  /** When the latest large datagram went out. */
  private largeAt = Number.NEGATIVE_INFINITY
  private showAt = 0
  private lookAt = 0
  private unrung = 0
  private scheduled = false
  private readonly ringLater = (): void => {
    this.scheduled = false
    this.ring()
  }

  /** `window`: of the sender, in bytes. `any`: it waits for the fastest receiver, not for the slowest. */
  constructor(
    native: Native,
    {
      port,
      clock,
      session,
      window,
      any,
      isOurs = isOfThisMachine,
    }: {
      readonly port: DatagramPort
      readonly clock: Clock
      readonly session: string
      readonly window: number
      readonly any: boolean
      readonly isOurs?: (host: string) => boolean
    },
  ) {
    this.native = native
    this.port = port
    this.clock = clock
    this.any = any
    this.isOurs = isOurs
    this.key = sessionKey(session)
    this.bell = bellOf(this.key)
    this.chunks = Math.ceil((window / CHUNK) * SLACK) + MORE_CHUNKS
    this.impossible = this.chunks > MOST_CHUNKS
  }

  serve(sender: GroupSender): void {
    this.sender = sender
  }

  /** Whether a packet is about our session. */
  isOf(bytes: Buffer): boolean {
    const { high, low } = keyOf(bytes)
    return high === this.key.high && low === this.key.low
  }

  take(size: number): Buffer {
    if (this.wouldShare) this.share()
    this.chunkAt = this.clock.now()
    return this.writer?.take() ?? ORDINARY.take(size)
  }

  again(chunk: Buffer): boolean {
    const { writer } = this
    // One of a memory that was left is larger than itself.
    const fits = writer === null ? chunk.buffer.byteLength === chunk.length && !this.wouldShare : writer.owns(chunk)
    if (!fits) return false
    writer?.renew(chunk)
    this.chunkAt = this.clock.now()
    return true
  }

  give(chunk: Buffer): void {
    if (this.writer?.owns(chunk)) this.writer.give(chunk)
  }

  shares(bytes: Buffer): boolean {
    return this.memories.has(bytes.buffer)
  }

  /** A packet goes out. What it returns is to be sent as a datagram; null = nobody needs one. */
  publish(bytes: Buffer): Buffer | null {
    const { writer } = this
    const now = this.clock.now()
    const large = bytes.length >= LARGE
    if (large) {
      if (now - this.largeAt > BUSY) this.unsettled = true
      this.largeAt = now
    }
    if (writer === null || this.members.size === 0) return bytes
    if (!writer.owns(bytes)) {
      // Not where nothing is sent, here or there: who comes then need not wait for the next one.
      if (this.alone && bytes[3] === HEARTBEAT && now - this.largeAt <= BUSY) bytes[4] |= ELSEWHERE
      return bytes
    }
    if (this.unsettled || (writer.open && now - this.largeAt > BUSY)) this.settle(writer)
    if (!writer.open) return bytes
    writer.publish(bytes)
    if (!this.alone) return bytes
    if (!large || now >= this.showAt) {
      this.showAt = now + SHOW
      return elsewhere(bytes)
    }
    this.unrung += bytes.length
    if (this.unrung >= RING_BYTES) this.ring()
    else if (!this.scheduled) {
      this.scheduled = true
      process.nextTick(this.ringLater)
    }
    return null
  }

  /** Wakes who sleeps, for what went out since the last time. */
  ring(): void {
    const { writer } = this
    if (writer === null || this.unrung === 0) return
    this.unrung = 0
    let rung = 0
    for (const { slot, host, port, reads } of this.members.values()) {
      if (!reads || !writer.wakes(slot)) continue
      this.port.send(this.bell, host, port)
      if (++rung === RUNG) break
    }
    if (rung > 0) this.port.flush?.()
  }

  joined(receiver: Receiver): void {
    const { host, port } = partsOf(receiver.source)
    const member = {
      host,
      port,
      ours: this.isOurs(host),
      slot: -1,
      ticket: 0,
      offers: 0,
      offeredAt: 0,
      reads: false,
      tells: false,
    }
    this.members.set(receiver, member)
    this.alone = false
    this.unsettled = true
    if (this.writer !== null) this.offer(member, this.writer)
  }

  left(receiver: Receiver): void {
    const member = this.members.get(receiver)
    if (member === undefined) return
    this.members.delete(receiver)
    if (member.slot >= 0) this.writer?.abandon(member.slot)
    this.unsettled = true
  }

  gather(): boolean {
    const { writer, sender } = this
    if (writer === null || sender === null) return false
    if (this.unsettled) this.settle(writer)
    let news = false
    for (const [receiver, { slot, tells }] of this.members) {
      if (!tells) continue
      const position = writer.position(slot, receiver.position)
      if (position > receiver.position && sender.moved(receiver, position)) news = true
    }
    return news
  }

  await(goal: (receiver: Receiver) => number): boolean {
    const { writer } = this
    if (writer === null) return false
    let some = false
    for (const [receiver, { slot, tells }] of this.members) {
      if (!tells) continue
      some = true
      writer.aim(slot, goal(receiver))
    }
    if (!some) return false
    writer.want()
    let arrived = 0
    let waiting = 0
    for (const [receiver, { slot, tells }] of this.members) {
      if (!tells) continue
      if (writer.position(slot, receiver.position) < goal(receiver)) waiting++
      else arrived++
    }
    if (this.any ? arrived === 0 : waiting > 0) return false
    writer.unwant()
    return true
  }

  /** Who was waited for has come to its goal; or somebody says so. */
  rung(): void {
    this.gather()
    // Also without news: the wish that was taken back may be one that we had renewed meanwhile.
    this.sender?.goOn()
  }

  tick(): void {
    const { writer } = this
    const now = this.clock.now()
    if (writer === null) return
    if (now - this.chunkAt > IDLE) this.retire()
    else if (now >= this.lookAt) {
      this.lookAt = now + LOOK
      this.look(writer)
    }
  }

  close(): void {
    this.retire()
    this.impossible = true
  }

  /** A chunk is full, soon after the one before: traffic that is worth memory, if somebody is there to read it. */
  private get wouldShare(): boolean {
    if (this.writer !== null || this.impossible) return false
    const now = this.clock.now()
    if (now - this.chunkAt >= BUSY || now - this.largeAt >= BUSY) return false
    return [...this.members.values()].some(({ ours }) => ours)
  }

  private share(): void {
    try {
      this.writer = new NearWriter(this.native, this.chunks, this.key, this.any)
      this.memories.add(this.writer.memory)
    } catch {
      // No memory, or no descriptor: datagrams serve as well.
      this.impossible = true
      return
    }
    this.unsettled = true
    for (const member of this.members.values()) this.offer(member, this.writer)
  }

  /** Leaves the memory. There may be another one, when there is traffic. */
  private retire(): void {
    this.ring()
    this.writer?.close()
    this.writer = null
    this.alone = false
    for (const member of this.members.values()) {
      member.slot = -1
      member.reads = member.tells = false
    }
  }

  /**
   * Offers are lost as any datagram, and receivers under load are late. Who thought us gone has given its slot back, and may
   * have come back itself.
   */
  private look(writer: NearWriter): void {
    for (const member of this.members.values()) {
      if (member.slot < 0) continue
      const left = writer.left(member.slot)
      if (member.reads && !left) continue
      this.unsettled = true
      if (left) {
        writer.abandon(member.slot)
        this.offer(member, writer)
      } else if (member.offers < OFFERS && !writer.opened(member.slot)) this.tell(member, writer)
    }
  }

  private offer(member: Member, writer: NearWriter): void {
    if (!member.ours) return
    member.ticket = ++this.tickets
    member.slot = writer.offer(member.host, member.port, member.ticket)
    member.offers = 0
    member.offeredAt = this.clock.now()
    member.reads = member.tells = false
    if (member.slot >= 0) this.tell(member, writer)
  }

  private tell(member: Member, writer: NearWriter): void {
    const { descriptor, size, nonce } = writer
    const { slot, ticket } = member
    member.offers++
    const near = nearOf(this.key, { pid: process.pid, descriptor, size, slot, ticket, nonce })
    this.port.send(near, member.host, member.port)
    this.port.flush?.()
  }

  /** Who reads, who is yet to, and who never will: for these packets go out as datagrams, and not twice. */
  private settle(writer: NearWriter): void {
    const now = this.clock.now()
    let reading = 0
    let pending = 0
    for (const member of this.members.values()) {
      if (member.slot < 0) continue
      member.tells = writer.tells(member.slot)
      member.reads = writer.reads(member.slot)
      if (member.reads) reading++
      else if (writer.opened(member.slot) || now - member.offeredAt < PATIENCE) pending++
    }
    const others = this.members.size - reading - pending
    // Flushed packets alone go both ways anyway: then once is enough.
    const open = others === 0 && now - this.largeAt <= BUSY
    this.alone = open && pending === 0
    this.unsettled = open && pending > 0
    writer.open = open
    // Nobody gives those back: a memory with new ones is made by the next traffic.
    if (others > 0 && writer.abandoned > SLOTS / 2) this.retire()
  }
}

/** As others read the packet where it lies, it is marked in a copy. */
function elsewhere(packet: Buffer): Buffer {
  const copy = Buffer.from(packet)
  copy[4] |= ELSEWHERE
  return copy
}
