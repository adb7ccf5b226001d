import { Buffer } from "node:buffer"
import { randomFillSync } from "node:crypto"
import type { Native } from "../../native/addon.ts"
import type { SessionKey } from "../wire.ts"
import {
  ABANDONED,
  ANY,
  CHUNK,
  CHUNKS_AT,
  CLOSED,
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
  NONCE_AT,
  NONCE_BYTES,
  PORT,
  POSITION,
  PUBLISHED,
  READS,
  ROOM_WANTED,
  SLOTS,
  STATE,
  sharedSize,
  slotAt,
  TAKEN,
  TERM,
  TERM_START,
  TICKET,
  USED,
  WANTED,
} from "./layout.ts"

/** The sender's end of shared memory (layout.ts). The pairs of what both ends do are marked SYNC POINT. */
export class NearWriter {
  /** By these others open it: a descriptor of this process, its size, and what proves that it is the memory meant. */
  readonly descriptor: number
  readonly size: number
  readonly nonce: Buffer
  private readonly native: Native
  readonly memory: ArrayBuffer
  private readonly words: Int32Array
  private readonly unused: Buffer[] = []
  private readonly generations: Int32Array
  /** Slots that we look at: they are nobody else's, also when the reader has left. */
  private readonly given = new Set<number>()
  private published = 0
  private term = 0
  private terms = 0

  /** `any`: the first reader that comes to its goal rings, not the last. Throws where there is no memory to be had. */
  constructor(native: Native, chunks: number, key: SessionKey, any: boolean) {
    this.native = native
    this.size = sharedSize(chunks)
    const { memory, descriptor } = native.createMemory(this.size)
    this.memory = memory
    this.descriptor = descriptor
    this.words = new Int32Array(memory, 0, CHUNKS_AT / 4)
    this.generations = new Int32Array(chunks)
    this.words[MAGIC_AT] = MAGIC
    this.words[HIGH_AT] = key.high
    this.words[LOW_AT] = key.low
    this.words[ANY] = any ? 1 : 0
    this.nonce = Buffer.from(memory, NONCE_AT * 4, NONCE_BYTES)
    randomFillSync(this.nonce)
    for (let index = chunks - 1; index >= 0; index--)
      this.unused.push(Buffer.from(memory, CHUNKS_AT + index * CHUNK, CHUNK))
  }

  owns(bytes: Uint8Array): boolean {
    return bytes.buffer === this.memory
  }

  /** A chunk to write to; null = all are in use. */
  take(): Buffer | null {
    const chunk = this.unused.pop() ?? null
    if (chunk !== null) this.renew(chunk)
    return chunk
  }

  give(chunk: Buffer): void {
    this.unused.push(chunk)
  }

  /** It will be written to: who still reads what was in it shall find that it is too late. */
  renew(chunk: Buffer): void {
    const index = (chunk.byteOffset - CHUNKS_AT) / CHUNK
    this.generations[index]++
    // SYNC POINT generation: raised before anything is written (NearReader.take).
    Atomics.store(this.words, GENERATIONS + index, this.generations[index])
    // On ARM what is written behind a store may be seen before it, but not what is behind a load behind it.
    Atomics.load(this.words, GENERATIONS + index)
  }

  /** Whether packets go out here. */
  get open(): boolean {
    return this.term !== 0
  }

  /** Packets go out here from now on, or do not any more. */
  set open(open: boolean) {
    const { words } = this
    if (open === this.open) return
    if (open) {
      words[TERM_START] = this.published
      this.terms = (this.terms + 1) | 0 || 1
    }
    this.term = open ? this.terms : 0
    Atomics.store(words, TERM, this.term)
  }

  /** Of a packet in one of the chunks. */
  publish(bytes: Uint8Array): void {
    const { words } = this
    // SYNC POINT entry: what was published before is seen before an older entry changes (see `renew`; NearReader.take).
    Atomics.load(words, PUBLISHED)
    const at = entryAt(this.published)
    const offset = bytes.byteOffset - CHUNKS_AT
    words[at] = offset
    words[at + 1] = bytes.length
    words[at + 2] = this.generations[Math.floor(offset / CHUNK)]
    this.published = (this.published + 1) | 0
    // SYNC POINT published: the entry and the packet are whole before they are seen (NearReader.available).
    Atomics.store(words, PUBLISHED, this.published)
  }

  /** A slot for a reader that is rung there, to be opened by this ticket; -1 = none is free. */
  offer(host: string, port: number, ticket: number): number {
    const { words } = this
    for (let slot = 0; slot < SLOTS; slot++) {
      if (this.given.has(slot)) continue
      const at = slotAt(slot)
      if (Atomics.compareExchange(words, at + STATE, FREE, TAKEN) !== FREE) continue
      words[at + READS] = 0
      words[at + WANTED] = 0
      words[at + PORT] = port
      words[at + TICKET] = ticket
      words[at + HOST_LENGTH] = Buffer.from(this.memory, hostAt(slot), HOST_BYTES).write(host, "latin1")
      this.given.add(slot)
      if (words[USED] <= slot) Atomics.store(words, USED, slot + 1)
      return slot
    }
    return -1
  }

  /** Nothing is heard of the reader any more. */
  abandon(slot: number): void {
    this.given.delete(slot)
    Atomics.compareExchange(this.words, slotAt(slot) + STATE, TAKEN, ABANDONED)
  }

  get abandoned(): number {
    let count = 0
    for (let slot = 0; slot < SLOTS; slot++) if (Atomics.load(this.words, slotAt(slot) + STATE) === ABANDONED) count++
    return count
  }

  /** Whether the reader has given its slot back. */
  left(slot: number): boolean {
    return Atomics.load(this.words, slotAt(slot) + STATE) === FREE
  }

  /** Whether the reader has the memory. */
  opened(slot: number): boolean {
    return Atomics.load(this.words, slotAt(slot) + TICKET) === 0
  }

  /** Whether the reader takes what goes out now. */
  reads(slot: number): boolean {
    return this.term !== 0 && !this.left(slot) && Atomics.load(this.words, slotAt(slot) + READS) === this.term
  }

  /** Whether the reader has ever taken something, and tells here how far it is. */
  tells(slot: number): boolean {
    return Atomics.load(this.words, slotAt(slot) + READS) !== 0
  }

  /** How far the reader is, given how far it was. */
  position(slot: number, before: number): number {
    return before + ((Atomics.load(this.words, slotAt(slot) + POSITION) - before) | 0)
  }

  aim(slot: number, goal: number): void {
    this.words[slotAt(slot) + GOAL] = goal | 0
  }

  /** Whoever comes to its goal last shall ring. */
  want(): void {
    // SYNC POINT room: goals, then the wish, then a look; readers move, then look at wish and goals (NearReader.moved).
    Atomics.store(this.words, ROOM_WANTED, 1)
  }

  unwant(): void {
    Atomics.store(this.words, ROOM_WANTED, 0)
  }

  /** True = it sleeps, and the caller must ring. */
  wakes(slot: number): boolean {
    const at = slotAt(slot) + WANTED
    // SYNC POINT sleep: see NearReader.sleep.
    return Atomics.load(this.words, at) === 1 && Atomics.exchange(this.words, at, 0) === 1
  }

  /** The memory stays as long as somebody has it: readers take what went out, then leave it. */
  close(): void {
    this.open = false
    Atomics.store(this.words, CLOSED, 1)
    this.native.closeDescriptor(this.descriptor)
  }
}
