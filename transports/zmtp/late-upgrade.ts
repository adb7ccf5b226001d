import { clock } from "../../core/clock.ts"
import { HeddleError } from "../../core/errors.ts"
import type { ByteStream } from "../stream/byte-stream.ts"
import type { NetStream } from "../stream/net-stream.ts"
import type { Upgrade } from "../stream/upgrade.ts"
import { commandFrame } from "./command.ts"

/**
 * So many reads, or bytes read, within so many milliseconds are traffic that is worth it: to share memory costs each side some
 * tenths of a millisecond, as much as all the rest of a link, which most links of a large mesh never earn.
 */
const READS = 64
const BYTES = 64 * 1024
const WITHIN = 1_000

/** Bodies of the command, besides the offer of `Upgrade`. */
const ASK = Buffer.alloc(0)
const REFUSED = Buffer.from([0])
const LAST = Buffer.from([2])

/** Where the bytes go from here on: output behind the command `last`, input when `input` says so. */
export interface Move {
  readonly last: Buffer | null
  readonly stream: ByteStream
  readonly input: boolean
}

/** A way for the bytes into which the input moves later than the output. */
export interface HalfMoved extends ByteStream {
  moveInput(): void
}

/**
 * Another way for the bytes of a connection, agreed upon in the midst of its traffic. Who dialled offers, the other may ask it to; each side
 * says by a command in the old way that nothing else follows there.
 */
export class LateUpgrade {
  readonly command: string
  private readonly upgrade: Upgrade
  private readonly socket: NetStream
  private readonly dialled: boolean
  private state: "idle" | "asked" | "offered" | "taken" | "over" = "idle"
  private half: HalfMoved | null = null
  private reads = 0
  private bytes = 0
  private since = Number.NEGATIVE_INFINITY

  constructor(upgrade: Upgrade, socket: NetStream, dialled: boolean) {
    this.command = upgrade.command
    this.upgrade = upgrade
    this.socket = socket
    this.dialled = dialled
  }

  /** So much was read. Gives the command by which the move begins, when it is time for it. */
  noticed(count: number): Buffer | null {
    if (this.state !== "idle") return null
    const now = clock.now()
    if (now - this.since > WITHIN) {
      this.since = now
      this.reads = 0
      this.bytes = 0
    }
    this.reads++
    this.bytes += count
    return this.reads >= READS || this.bytes >= BYTES ? this.begin() : null
  }

  /** The peer's command: a move, or the command to answer with, or nothing to do. Throws when it makes no sense. */
  received(body: Buffer): Move | Buffer | null {
    return this.dialled ? this.answered(body) : this.offered(body)
  }

  /** The connection ends. */
  cancel(): void {
    if (this.state === "offered") this.upgrade.cancel()
    this.state = "over"
  }

  private begin(): Buffer | null {
    if (!this.dialled) {
      this.state = "asked"
      return commandFrame(this.command, ASK)
    }
    const offer = this.upgrade.offer()
    this.state = offer.length > 0 ? "offered" : "over"
    return offer.length > 0 ? commandFrame(this.command, offer) : null
  }

  private answered(body: Buffer): Move | Buffer | null {
    // It may ask while our offer is on its way, or when nothing came of that.
    if (body.length === 0) return this.state === "idle" ? this.begin() : null
    if (this.state !== "offered") throw unexpected(this.command)
    this.state = "over"
    const stream = this.upgrade.settle(this.socket, body, true)
    return stream === this.socket ? null : { last: commandFrame(this.command, LAST), stream, input: true }
  }

  private offered(body: Buffer): Move | Buffer | null {
    if (this.state === "taken" && this.half !== null && body.equals(LAST)) {
      const stream = this.half
      this.state = "over"
      this.half = null
      stream.moveInput()
      return { last: null, stream, input: true }
    }
    if (body.length === 0 || (this.state !== "idle" && this.state !== "asked")) throw unexpected(this.command)
    const { answer, stream } = this.upgrade.accept(this.socket, body, true)
    if (stream === this.socket) {
      this.state = "over"
      return commandFrame(this.command, REFUSED)
    }
    this.state = "taken"
    this.half = stream as HalfMoved
    return { last: commandFrame(this.command, answer), stream, input: false }
  }
}

function unexpected(command: string): HeddleError {
  return new HeddleError("ERR_ZMTP_UNEXPECTED_COMMAND", `The peer sent ${command} where none was due`, { fatal: true })
}
