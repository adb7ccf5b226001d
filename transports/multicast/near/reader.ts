import { Buffer } from "node:buffer"
import net from "node:net"
import type { Native } from "../../native/addon.ts"
import { keep } from "../../udp/keep.ts"
import { HEADER, LARGEST_DATAGRAM, type SessionKey, u48 } from "../wire.ts"
import {
  ABANDONED,
  ANY,
  CHUNK,
  CHUNKS_AT,
  CLOSED,
  ENTRIES,
  entryAt,
  FREE,
  GENERATIONS,
  GOAL,
  HIGH_AT,
  HOST_BYTES,
  HOST_LENGTH,
  hostAt,
  LOW_AT,
  MAGIC,
  MAGIC_AT,
  MOST_CHUNKS,
  NONCE_AT,
  NONCE_BYTES,
  PORT,
  POSITION,
  PROGRESS,
  PUBLISHED,
  READS,
  ROOM_WANTED,
  SLOTS,
  STATE,
  sharedSize,
  slotAt,
  TERM,
  TERM_START,
  TICKET,
  USED,
  WANTED,
} from "./layout.ts"

/** Each reader wakes so many others. */
const RUNG = 2

/** Where to open a memory, and what it must hold. */
export interface Place {
  readonly pid: number
  readonly descriptor: number
  readonly size: number
  readonly slot: number
  readonly ticket: number
  readonly nonce: Buffer
}

/** What a reader must know of whoever takes its packets. */
export interface Consumer {
  /** Whether this packet has not come yet. */
  lacks(sequence: number): boolean
  /** The first packet that was not consumed. */
  readonly position: number
}

/** Where another reader is rung. */
export interface Sleeper {
  readonly host: string
  readonly port: number
}

/** A member's end of shared memory (layout.ts). What the memory says may be senseless: nothing here throws for it, but the opening. */
export class NearReader {
  private readonly native: Native
  private readonly memory: ArrayBuffer
  private readonly words: Int32Array
  private readonly bytes: Buffer
  private readonly at: number
  /** Packets that were taken or passed over. */
  private count: number
  /** In which we take packets; 0 = in none yet. */
  private term = 0
  private closed = false

  /** Throws where it is not the memory that was offered. */
  constructor(native: Native, { pid, descriptor, size, slot, ticket, nonce }: Place, key: SessionKey) {
    if (slot >= SLOTS || size < sharedSize(1) || size > sharedSize(MOST_CHUNKS)) throw new RangeError("no such memory")
    this.native = native
    this.memory = native.openMemory(pid, descriptor, size)
    this.words = new Int32Array(this.memory, 0, CHUNKS_AT / 4)
    this.bytes = Buffer.from(this.memory, CHUNKS_AT)
    this.at = slotAt(slot)
    const { words } = this
    const proof = Buffer.from(this.memory, NONCE_AT * 4, NONCE_BYTES)
    const ours = words[MAGIC_AT] === MAGIC && words[HIGH_AT] >>> 0 === key.high && words[LOW_AT] >>> 0 === key.low
    // A ticket is for one reader: an offer that comes twice, or late, opens nothing.
    const theirs = ticket === 0 || !ours || !proof.equals(nonce)
    if (theirs || Atomics.compareExchange(words, this.at + TICKET, ticket, 0) !== ticket) {
      native.releaseMemory(this.memory)
      throw new Error("another memory")
    }
    this.count = Atomics.load(words, PUBLISHED)
  }

  /** Packets that have gone out and were not taken. */
  get available(): number {
    // SYNC POINT published: see NearWriter.publish.
    return (Atomics.load(this.words, PUBLISHED) - this.count) >>> 0
  }

  /** The sender has left it, or does not look at us any more. */
  get over(): boolean {
    return Atomics.load(this.words, CLOSED) !== 0 || Atomics.load(this.words, this.at + STATE) === ABANDONED
  }

  /** Whether packets were taken here, so that the sender knows how far we are. */
  get began(): boolean {
    return this.term !== 0
  }

  /**
   * Whether the next packet may be taken: when packets begin to go out here, those before may still lie in the socket.
   */
  ready(session: Consumer): boolean {
    const { words } = this
    const term = Atomics.load(words, TERM)
    if (term === this.term) return term !== 0
    if (term === 0) return true
    const ahead = (words[TERM_START] - this.count) | 0
    if (ahead > 0) {
      if (this.term !== 0) return true
      this.count = words[TERM_START]
    }
    if (this.available === 0) return false
    const offset = words[entryAt(this.count)]
    if (offset >= 0 && offset + HEADER <= this.bytes.length && session.lacks(u48(this.bytes, offset + 16) - 1))
      return false
    this.term = term
    Atomics.store(words, this.at + POSITION, session.position | 0)
    // Of this reader nothing is wanted yet: the goal may be that of the one before.
    words[this.at + GOAL] = session.position | 0
    Atomics.store(words, this.at + READS, term)
    return true
  }

  /** The next packet, in memory of our own; null = there is none, or it is gone: then `available` says whether others follow. */
  take(): Buffer | null {
    const { words, available } = this
    if (available === 0) return null
    const at = entryAt(this.count)
    const offset = words[at]
    const length = words[at + 1]
    const generation = words[at + 2]
    const sound =
      available < ENTRIES &&
      length >= HEADER &&
      length <= LARGEST_DATAGRAM &&
      offset >= 0 &&
      offset + length <= this.bytes.length
    const packet = sound ? keep(this.bytes.subarray(offset, offset + length)) : null
    this.count = (this.count + 1) | 0
    // SYNC POINT generation: what was read before this store was read before the two loads behind it.
    Atomics.store(words, this.at + PROGRESS, this.count)
    const published = Atomics.load(words, PUBLISHED)
    if (packet !== null && Atomics.load(words, GENERATIONS + Math.floor(offset / CHUNK)) === generation) {
      // The entry itself was not overwritten meanwhile.
      if ((published - this.count) >>> 0 < ENTRIES - 1) return packet
    }
    if ((published - this.count) >>> 0 >= ENTRIES - 1) this.count = published
    return null
  }

  /** Everything before this packet was consumed. True = the sender waits for that, and the caller must ring it. */
  moved(position: number): boolean {
    const { words, at } = this
    Atomics.store(words, at + POSITION, position | 0)
    // SYNC POINT room: see NearWriter.want.
    if (Atomics.load(words, ROOM_WANTED) === 0 || !this.arrived(at)) return false
    if (words[ANY] === 0) {
      for (let index = 0; index < this.used; index++) {
        const other = slotAt(index)
        if (Atomics.load(words, other + STATE) === FREE || Atomics.load(words, other + READS) === 0) continue
        if (Atomics.load(words, other + STATE) !== ABANDONED && !this.arrived(other)) return false
      }
    }
    return Atomics.exchange(words, ROOM_WANTED, 0) === 1
  }

  /** Others that sleep while there is something to read: at most two, which wake others in turn. The caller must ring them. */
  sleepers(): Sleeper[] {
    const { words } = this
    const found: Sleeper[] = []
    const published = Atomics.load(words, PUBLISHED)
    for (let index = 0; index < this.used && found.length < RUNG; index++) {
      const at = slotAt(index)
      if (at === this.at || Atomics.load(words, at + WANTED) !== 1) continue
      // Who has everything would only ring others, us among them, and so for ever.
      if (Atomics.load(words, at + PROGRESS) === published) continue
      if (Atomics.exchange(words, at + WANTED, 0) !== 1) continue
      const length = Math.min(HOST_BYTES, Math.max(0, words[at + HOST_LENGTH]))
      const host = Buffer.from(this.memory, hostAt(index), length).toString("latin1")
      // Others can write here: what is no address would count as a failure of our own port.
      if (net.isIP(host.split("%")[0]) !== 0) found.push({ host, port: words[at + PORT] & 0xffff })
    }
    return found
  }

  wake(): void {
    if (this.words[this.at + WANTED] !== 0) Atomics.store(this.words, this.at + WANTED, 0)
  }

  /** Asks to be rung. False = there is something to read already. */
  sleep(): boolean {
    Atomics.store(this.words, this.at + PROGRESS, this.count)
    // SYNC POINT sleep: wish before look, as the sender publishes before it looks (NearWriter.wakes).
    Atomics.store(this.words, this.at + WANTED, 1)
    if (this.available === 0) return true
    Atomics.store(this.words, this.at + WANTED, 0)
    return false
  }

  /** Gives the slot back. A second call does nothing: the memory is gone, and the slot another's. */
  close(): void {
    if (this.closed) return
    this.closed = true
    Atomics.store(this.words, this.at + WANTED, 0)
    Atomics.store(this.words, this.at + STATE, FREE)
    this.native.releaseMemory(this.memory)
  }

  private get used(): number {
    return Math.min(SLOTS, Atomics.load(this.words, USED))
  }

  private arrived(at: number): boolean {
    return ((Atomics.load(this.words, at + POSITION) - this.words[at + GOAL]) | 0) >= 0
  }
}
