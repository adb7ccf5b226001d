import { type ByteReader, type ByteStream, NO_READER } from "../stream/byte-stream.ts"
import type { Clock, Timer } from "./clock.ts"
import type { SimulatedHost } from "./host.ts"
import type { Path } from "./path.ts"
import { systemError } from "./system-error.ts"

/** Bytes under way and unread in one direction before a sender has to wait; the buffers of both systems together. */
const BUFFER = 256 * 1024
/** How long `end` waits for the peer's goodbye unless told otherwise (milliseconds), as on a real socket. */
const GOODBYE = 1_000

/** Reads of all streams go here first, as on a real socket; the place of a large frame is its reader's. */
const scratch = Buffer.allocUnsafeSlow(64 * 1024)

/** What goes from one end to the other, in order. */
type Segment =
  | { readonly kind: "hello" | "welcome" | "goodbye" | "reset" }
  | { readonly kind: "data"; readonly bytes: Buffer }
  | { readonly kind: "read"; readonly count: number }

const IS_OVER = { kind: "reset" } as const

/** One end of a connection. Nothing is lost in it; it comes late, in pieces, or never (a cut). */
export class SimulatedStream implements ByteStream {
  readonly host: SimulatedHost
  readonly port: number
  reader: ByteReader = NO_READER
  bytesRead = 0
  bytesWritten = 0
  /** The other end; of a stream that is being dialled, null until it was answered. */
  private other: SimulatedStream | null = null
  private readonly remote: SimulatedHost
  private readonly line: Line
  private unread: Buffer[] = []
  private peerLeft = false
  private paused = false
  private pumping = false
  /** Bytes that the peer has not read yet. */
  private outstanding = 0
  private blocked = false
  private saidGoodbye = false
  private over = false
  private connected: (() => void) | null = null
  /** Of who dials: the port at the remote host. */
  private knocksAt = 0
  private patience: Timer | null = null

  /** `port`: of this end, for addresses. */
  constructor(host: SimulatedHost, port: number, remote: SimulatedHost) {
    this.host = host
    this.port = port
    this.remote = remote
    this.line = new Line(host.network.path(host, remote), host.network.clock, segment => this.reach(segment))
  }

  /** Of who dials: knocks at a port of the remote host. */
  dial(port: number, connected: () => void): void {
    this.connected = connected
    this.knocksAt = port
    this.line.send({ kind: "hello" }, 0)
  }

  /** Of who was dialled. */
  answer(other: SimulatedStream): void {
    this.other = other
    this.line.send({ kind: "welcome" }, 0)
  }

  get remoteAddress(): string {
    return this.remote.address
  }

  get remotePort(): number {
    return this.other?.port ?? this.knocksAt
  }

  write(bytes: Buffer): boolean {
    return this.writeAll([bytes])
  }

  writeAll(pieces: readonly Buffer[]): boolean {
    if (this.over || this.saidGoodbye) return true
    for (const piece of pieces) {
      this.bytesWritten += piece.length
      if (piece.length === 0) continue
      this.outstanding += piece.length
      // A copy: who writes may use the memory again.
      this.line.send({ kind: "data", bytes: Buffer.from(piece) }, piece.length)
    }
    this.blocked = this.outstanding > BUFFER
    return !this.blocked
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    if (this.over) return
    this.paused = false
    this.pumpLater()
  }

  end(patience = GOODBYE): void {
    if (this.over || this.saidGoodbye) return
    this.sayGoodbye()
    this.resume()
    if (patience === Number.POSITIVE_INFINITY) return
    this.patience = this.host.clock.after(patience, () => this.destroy())
  }

  destroy(): void {
    this.over = true
    this.leave()
  }

  /** Both ends hear that the connection was reset. */
  reset(): void {
    this.other?.broken()
    this.broken()
  }

  /** The host has crashed: whatever comes is answered by a reset. */
  forget(): void {
    this.over = true
    this.unread = []
    this.patience?.cancel()
    this.line.close()
  }

  // From the other end

  private receive(segment: Segment): void {
    switch (segment.kind) {
      case "welcome": {
        const { connected } = this
        this.connected = null
        if (!this.over) connected?.()
        return
      }
      case "data":
        if (this.over) this.line.send(IS_OVER, 0)
        else {
          this.unread.push(segment.bytes)
          this.pump()
        }
        return
      case "read":
        this.acknowledged(segment.count)
        return
      case "goodbye":
        this.peerLeft = true
        this.pump()
        return
      case "reset":
        this.broken()
    }
  }

  /** A segment of ours has come to the remote host; a process that stands still hears of it later. */
  private reach(segment: Segment): void {
    if (this.remote.frozen) this.remote.clock.after(0, () => this.reach(segment))
    else if (segment.kind !== "hello") this.other?.receive(segment)
    else if (!this.over) this.knock()
  }

  private knock(): void {
    const other = this.remote.streams.accept(this.knocksAt, this.host)
    if (other === null) {
      this.refused()
      return
    }
    this.other = other
    other.answer(this)
    this.remote.streams.arrived(this.knocksAt, other)
  }

  private refused(): void {
    const back = new Line(this.host.network.path(this.remote, this.host), this.host.network.clock, () => {
      this.broken("ECONNREFUSED")
    })
    back.send(IS_OVER, 0)
  }

  private acknowledged(count: number): void {
    this.outstanding -= count
    if (!this.blocked || this.over || this.outstanding > BUFFER / 2) return
    this.blocked = false
    this.reader.drained()
  }

  private pumpLater(): void {
    if (this.pumping) return
    this.pumping = true
    this.host.clock.after(0, () => {
      this.pumping = false
      this.pump()
    })
  }

  private pump(): void {
    const path = this.host.network.path(this.remote, this.host)
    while (!this.paused && !this.over) {
      const bytes = this.unread[0]
      if (bytes === undefined) {
        if (this.peerLeft) this.finish()
        return
      }
      const place = this.reader.target() ?? scratch
      const count = bytes.copy(place, 0, 0, Math.min(path.portion(bytes.length), place.length))
      if (count < bytes.length) this.unread[0] = bytes.subarray(count)
      else this.unread.shift()
      this.bytesRead += count
      this.line.send({ kind: "read", count }, 0)
      if (!this.reader.bytes(place, count)) this.paused = true
    }
  }

  private broken(code = "ECONNRESET"): void {
    if (this.over) {
      this.leave()
      return
    }
    this.unread = []
    this.saidGoodbye = true
    this.finish(systemError(code, `stream to ${this.remote.name}`))
  }

  private finish(error?: Error): void {
    this.over = true
    this.reader.ended(error)
    this.leave()
  }

  /** What was written still goes out; input that nobody has read makes a reset of the goodbye. */
  private leave(): void {
    this.patience?.cancel()
    this.connected = null
    if (!this.saidGoodbye) {
      if (this.unread.length > 0) {
        this.line.close()
        this.line.send(IS_OVER, 0)
      } else this.sayGoodbye()
    }
    this.saidGoodbye = true
    this.unread = []
    this.host.streams.release(this)
  }

  private sayGoodbye(): void {
    this.saidGoodbye = true
    this.line.send({ kind: "goodbye" }, 0)
  }
}

/** One direction of a connection: a queue of which the first is on its way. */
class Line {
  private readonly path: Path
  private readonly clock: Clock
  private readonly arrived: (segment: Segment) => void
  private queue: { readonly segment: Segment; at: number }[] = []
  private moving = false

  constructor(path: Path, clock: Clock, arrived: (segment: Segment) => void) {
    this.path = path
    this.clock = clock
    this.arrived = arrived
  }

  send(segment: Segment, bytes: number): void {
    this.queue.push({ segment, at: this.path.streamArrival(this.clock.now(), bytes) })
    if (!this.moving) this.move()
  }

  /** What is on its way is lost. */
  close(): void {
    this.queue = []
  }

  private move(): void {
    const [first] = this.queue
    this.moving = first !== undefined
    if (first === undefined) return
    this.clock.after(first.at - this.clock.now(), () => {
      // Closed meanwhile.
      if (this.queue[0] !== first) this.move()
      else if (this.path.stopped) {
        first.at = this.path.retry(this.clock.now())
        this.move()
      } else {
        this.queue.shift()
        this.move()
        this.arrived(first.segment)
      }
    })
  }
}
