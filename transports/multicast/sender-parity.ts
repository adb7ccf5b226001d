import { Buffer } from "node:buffer"
import type { MulticastParity } from "../../core/contract.ts"
import type { FlowControl } from "./flow.ts"
import { ParitySum } from "./parity.ts"
import {
  blockFlags,
  blockSize,
  blockStart,
  HEADER,
  MOST_BLOCK,
  PARITY,
  putStart,
  putU16,
  putU48,
  type SessionKey,
} from "./wire.ts"

/** After so many milliseconds without a NAK nobody seems to lose anything any more. */
const LASTING = 10_000
/** Before a PARITY of a block that is not whole (milliseconds): in a denser flow one serves several packets. */
const PAUSE = 0.5
/** With fewer receivers a repair costs no more than it must. */
const LEAST_RECEIVERS = 2
/** Packets after which the size is chosen anew: at a loss of 3 % some dozen of them are asked for by twenty receivers. */
const PERIOD = 512
/** Loss from which on blocks are smaller. */
const MANY_LOST = 0.03
const MOST_LOST = 0.08
/** So many periods in a row must say that larger ones would do. */
const CALM = 4

/** Share of packets that PARITY of such blocks does not mend at this loss: it, and another of its block or the PARITY, are lost. */
function residual(loss: number, size: number): number {
  return loss * (1 - (1 - loss) ** size)
}

/** The sums of what a sender sends: one PARITY for each block, and how large blocks are (MC-70 to MC-72, MC-75). */
export class SenderParity {
  private readonly choice: MulticastParity
  private readonly key: SessionKey
  private readonly kind: number
  private readonly flow: FlowControl
  private readonly sum = new ParitySum()
  /** Packets of a block, of those that are sealed now; 0 = no PARITY. */
  private size = 0
  /** The block that is being sent: its flags, its first packet, how many are in the sum, and how many of those a PARITY covers. */
  private flags = 0
  private start = 0
  private count = 0
  private covered = 0
  /** When a PARITY was sent last, and when a NAK came last. */
  private sentAt = Number.NEGATIVE_INFINITY
  private askedAt = Number.NEGATIVE_INFINITY
  /** Where the period began, what was asked for since, and how many periods were calm. */
  private since = 0
  private asked = 0
  private calm = 0

  constructor(choice: MulticastParity, key: SessionKey, kind: number, flow: FlowControl) {
    this.choice = choice
    this.key = key
    this.kind = kind
    this.flow = flow
  }

  /** Flags of the packet that is sealed. */
  flagsOf(sequence: number, now: number): number {
    if ((sequence - 1) % MOST_BLOCK === 0) this.size = this.choose(sequence, now)
    return this.size === 0 ? 0 : blockFlags(this.size)
  }

  /** The packet goes out, for the first time. */
  add(bytes: Buffer, sequence: number): void {
    const size = blockSize(bytes[4])
    if (size === 0) return
    const start = blockStart(sequence, size)
    if (start !== this.start) {
      this.start = start
      this.flags = blockFlags(size)
      this.count = this.covered = 0
      this.sum.clear()
    }
    this.sum.add(bytes, bytes.length)
    this.count++
  }

  /** The block is whole, and its PARITY was not sent. */
  get whole(): boolean {
    return this.open && this.count === blockSize(this.flags)
  }

  /** Packets were sent that no PARITY covers. */
  get open(): boolean {
    return this.count > this.covered
  }

  /** When a PARITY of what the block has so far is worth a packet, if nothing more goes out. */
  get dueAt(): number {
    return this.sentAt + PAUSE
  }

  /** The PARITY of what the block has so far. */
  packet(now: number): Buffer {
    const { sum, start, count } = this
    const bytes = Buffer.allocUnsafe(HEADER + sum.filled)
    putStart(bytes, 0, PARITY, this.flags, this.kind, this.key)
    putU48(bytes, 16, start)
    putU16(bytes, 24, count)
    putU16(bytes, 26, sum.lengths)
    putU16(bytes, 28, 0)
    sum.writeTo(bytes)
    this.covered = count
    this.sentAt = now
    return bytes
  }

  /** A NAK has come, for so many packets. */
  heard(count: number, now: number): void {
    this.askedAt = now
    this.asked += count
  }

  private choose(sequence: number, now: number): number {
    const { choice, flow } = this
    if (choice === false || flow.safe) return 0
    if (choice === "auto" && (now - this.askedAt > LASTING || flow.count < LEAST_RECEIVERS)) return 0
    if (!flow.allTakeParity) return 0
    if (choice !== "auto") return choice
    if (this.size === 0) return this.begin(sequence, MOST_BLOCK)
    const packets = sequence - this.since
    return packets < PERIOD ? this.size : this.begin(sequence, this.next(this.asked / (packets * flow.count)))
  }

  private begin(sequence: number, size: number): number {
    this.since = sequence
    this.asked = 0
    return size
  }

  /**
   * Smaller blocks at once, larger ones slowly. `share`: of the packets, what a receiver still asked for. What is asked for again counts
   * again, and in large groups who hears another's NAK does not ask: it need not be exact.
   */
  private next(share: number): number {
    const { size } = this
    const wanted = share > residual(MOST_LOST, size) ? 4 : share > residual(MANY_LOST, size) ? 8 : MOST_BLOCK
    this.calm = wanted > size ? this.calm + 1 : 0
    if (wanted > size && this.calm < CALM) return size
    this.calm = 0
    return wanted > size ? size * 2 : wanted
  }
}
