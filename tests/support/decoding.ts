import type { Loan } from "../../core/contract.ts"
import { type Borrower, Decoder, type DecoderSink } from "../../transports/zmtp/decoder.ts"
import type { Random } from "./random.ts"

/** What a decoder delivered: a message has its frames, a command its body. */
export interface Item {
  command: boolean
  frames: Buffer[]
}

/** The frames of a loan, copied. */
export function copyOf({ bytes, bounds, count }: Loan): Buffer[] {
  const frames: Buffer[] = []
  for (let i = 0; i < count; i++) frames.push(Buffer.from(bytes.subarray(bounds[2 * i], bounds[2 * i + 1])))
  return frames
}

/** What reads go to, as in the engine for all connections together. */
const scratch = Buffer.alloc(128 * 1024)

/** A decoder with the reads of a stream around it: in the memory that it asks for, which is spoilt after each read. */
export class Decoding implements DecoderSink, Borrower {
  readonly items: Item[] = []
  readonly decoder: Decoder
  /** Called after each delivery. */
  onItem: ((item: Item) => void) | null = null
  /** Whether messages are borrowed, and whether this one is; asked anew for each. */
  borrows: (() => boolean) | null = null
  /** Messages that came as loans. */
  lent = 0
  /** Bytes pushed so far. */
  received = 0
  private place: Buffer = scratch

  constructor(maxMessageSize = -1) {
    this.decoder = new Decoder(this, maxMessageSize)
  }

  get borrower(): Borrower | null {
    return this.borrows?.() === true ? this : null
  }

  lend(loan: Loan): boolean {
    if (this.borrows?.() !== true) return false
    this.lent++
    this.add(false, copyOf(loan))
    return true
  }

  message(message: readonly Buffer[]): void {
    this.add(false, [...message])
  }

  command(body: Buffer): void {
    this.add(true, [body])
  }

  /** One read after another until all is pushed. False = the decoder wants to be called by `go`, now or after a pause. */
  push(bytes: Buffer): boolean {
    let going = true
    for (let at = 0; at < bytes.length; ) {
      const { place } = this
      const count = bytes.copy(place, 0, at, Math.min(bytes.length, at + place.length))
      at += count
      this.received += count
      going = this.decoder.push(place, count)
      this.place = this.decoder.target() ?? scratch
      if (place === scratch) place.fill(0xee, 0, count)
    }
    return going
  }

  /** Pushes, and goes on after every budget that ended. */
  all(...chunks: Buffer[]): this {
    for (const chunk of chunks) {
      let going = this.push(chunk)
      while (!going && !this.decoder.paused) going = this.decoder.go()
    }
    return this
  }

  private add(command: boolean, frames: Buffer[]): void {
    const item = { command, frames }
    this.items.push(item)
    this.onItem?.(item)
  }
}

/** Cuts bytes into pieces at random places: sometimes into single bytes, sometimes hardly at all. */
export function cut(bytes: Buffer, random: Random): Buffer[] {
  const most = random.pick([1, 3, 20, 300, 5_000, 70_000, bytes.length])
  // Single bytes of a large stream would take for ever, and show nothing that its beginning does not show.
  const least = Math.max(1, Math.ceil(bytes.length / 2_000))
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const next = at + Math.max(least, random.int(1, Math.max(1, most)))
    pieces.push(bytes.subarray(at, next))
    at = next
  }
  return pieces
}

/** Sizes at which the engine changes its ways: header forms, copy limits, chunks, slabs. */
const EDGES = [
  0, 1, 2, 255, 256, 257, 4_095, 4_096, 8_191, 8_192, 8_193, 32_767, 32_768, 32_769, 65_535, 65_536, 65_537,
]
const LARGE_EDGES = [131_072, 262_135, 262_144, 262_145, 524_288, 1_048_577, 3_000_000]

/** A frame size: small ones mostly, `large` times in a hundred thousand one that takes megabytes. */
export function frameSize(random: Random, large = 20): number {
  const dice = random.int(0, 99_999)
  if (dice < large) return random.pick(LARGE_EDGES)
  if (dice < 6_000) return random.pick(EDGES)
  if (dice < 30_000) return random.int(200, 300)
  return random.int(0, 60)
}

/** Whether two lists hold the same deliveries; says where they differ. */
export function difference(actual: readonly Item[], expected: readonly Item[]): string | null {
  for (let i = 0; i < Math.max(actual.length, expected.length); i++) {
    const a = actual[i]
    const e = expected[i]
    if (a === undefined) return `item ${i} of ${expected.length} is missing`
    if (e === undefined) return `item ${i} was never sent`
    if (a.command !== e.command) return `item ${i} is ${a.command ? "a command" : "a message"}`
    if (a.frames.length !== e.frames.length) return `item ${i} has ${a.frames.length} frames, not ${e.frames.length}`
    for (let f = 0; f < a.frames.length; f++) {
      if (!a.frames[f].equals(e.frames[f])) return `frame ${f} of item ${i} differs (${e.frames[f].length} bytes)`
    }
  }
  return null
}
