import { type ByteReader, type ByteStream, NO_READER } from "../../transports/stream/byte-stream.ts"

/** What read memory is filled with once it may be reused: a view that somebody kept by mistake shows it. */
const CANARY = 0xee

/**
 * A stream without an operating system: the test decides what arrives, in which pieces, and when what was written is
 * taken. Like the real one it holds what it is given by reference until then.
 */
export class FakeStream implements ByteStream {
  reader: ByteReader = NO_READER
  bytesRead = 0
  bytesWritten = 0
  paused = false
  isEnded = false
  isDestroyed = false
  /** From now on nothing is taken until `release`. */
  stalls = false
  writes = 0
  private held: Buffer[] = []
  private arrived: Buffer[] = []
  private taken: Buffer[] = []
  private place: Buffer
  private readonly scratch: Buffer

  /** `readSize`: the most that one read gives. */
  constructor(readSize = 64 * 1024) {
    this.scratch = Buffer.alloc(readSize)
    this.place = this.scratch
  }

  /** What the peer has received so far; forgets it. */
  output(): Buffer {
    const all = Buffer.concat(this.taken)
    this.taken = []
    return all
  }

  get stalled(): boolean {
    return this.held.length > 0
  }

  // The engine's side

  write(bytes: Buffer): boolean {
    return this.writeAll([bytes])
  }

  writeAll(pieces: readonly Buffer[]): boolean {
    this.writes++
    if (this.isDestroyed || this.isEnded) return true
    for (const piece of pieces) {
      this.bytesWritten += piece.length
      if (this.stalls) this.held.push(piece)
      else this.taken.push(Buffer.from(piece))
    }
    return this.held.length === 0
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    setImmediate(() => this.pump())
  }

  end(): void {
    this.isEnded = true
  }

  destroy(): void {
    this.isDestroyed = true
  }

  // The test's side

  /** The operating system takes what it was given. */
  release(stallsAgain = false): void {
    this.stalls = stallsAgain
    for (const piece of this.held) this.taken.push(Buffer.from(piece))
    const waited = this.held.length > 0
    this.held = []
    if (waited) this.reader.drained()
  }

  /** Bytes of the peer arrive, in one read after another. */
  feed(...bytes: Buffer[]): void {
    this.arrived.push(...bytes)
    this.pump()
  }

  /** Everything that was fed has been read. */
  get read(): boolean {
    return this.arrived.length === 0
  }

  private pump(): void {
    while (!this.paused && !this.isDestroyed && this.arrived.length > 0) {
      const bytes = this.arrived[0]
      const { place } = this
      const count = bytes.copy(place, 0, 0, Math.min(bytes.length, place.length))
      if (count < bytes.length) this.arrived[0] = bytes.subarray(count)
      else this.arrived.shift()
      this.bytesRead += count
      const going = this.reader.bytes(place, count)
      // As Node does it: the place for the next read is asked for directly after this one.
      this.place = this.reader.target() ?? this.scratch
      if (place === this.scratch) place.fill(CANARY, 0, count)
      if (!going) this.paused = true
    }
  }
}
