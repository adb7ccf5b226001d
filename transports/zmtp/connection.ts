import type {
  Connection,
  ConnectionSink,
  ControlName,
  LinkOptions,
  Message,
  PeerHello,
  Wire,
} from "../../core/contract.ts"
import { fromSystem, HeddleError } from "../../core/errors.ts"
import type { ByteReader, ByteStream } from "../stream/byte-stream.ts"
import { commandFrame, errorFrame, parseCommand, parseError, parsePing, pingFrame } from "./command.ts"
import { type Borrower, Decoder, type DecoderSink } from "./decoder.ts"
import { zmtpWire } from "./frame.ts"
import { Heartbeat, type HeartbeatTarget } from "./heartbeat.ts"
import type { LateUpgrade } from "./late-upgrade.ts"
import { Writer } from "./writer.ts"

/** Answers that a peer may make us hold while it does not read; further PINGs stay unanswered. */
const MAX_PENDING_PONGS = 16 * 1024

/** The data phase of ZMTP 3.x over one stream. */
export class ZmtpConnection implements Connection, ByteReader, DecoderSink, HeartbeatTarget {
  readonly peer: PeerHello
  readonly wire: Wire = zmtpWire
  private stream: ByteStream
  private readonly options: LinkOptions
  /** Minor version that both speak: a 3.0 peer takes subscriptions as messages and knows no PING. */
  private readonly minor: 0 | 1
  private readonly decoder: Decoder
  private readonly writer: Writer
  private sink: ConnectionSink | null = null
  /** Bytes that came behind the handshake, until `start`. */
  private early: Buffer | null
  /** The peer left before `start`: to be reported after what it had sent. */
  private left: { error: Error | undefined } | null = null
  private heartbeat: Heartbeat | null = null
  private timeToLive: Heartbeat | null = null
  private ending = false
  private over = false
  private reason: Error | undefined
  private continuing = false
  /** Until the bytes have moved. */
  private late: LateUpgrade | null

  constructor(
    stream: ByteStream,
    peer: PeerHello,
    minor: 0 | 1,
    options: LinkOptions,
    early: Buffer,
    late: LateUpgrade | null = null,
  ) {
    this.late = late
    this.stream = stream
    this.peer = peer
    this.minor = minor
    this.options = options
    this.early = early
    this.decoder = new Decoder(this, options.maxMessageSize)
    this.writer = new Writer(stream)
    stream.reader = this
  }

  get bytesReceived(): number {
    return this.stream.bytesRead
  }

  get bytesSent(): number {
    return this.stream.bytesWritten + this.writer.pending
  }

  get vigilant(): boolean {
    return this.stream.vigilant === true
  }

  get deaf(): boolean {
    return this.decoder.paused
  }

  start(sink: ConnectionSink): void {
    this.sink = sink
    if (this.over) {
      sink.closed(this.reason)
      return
    }
    this.heartbeat = Heartbeat.for(this, this.options, this.minor >= 1)
    const early = this.early as Buffer
    this.early = null
    if (early.length > 0 && !this.bytes(early, early.length)) this.stream.pause()
    if (this.left !== null) this.ended(this.left.error)
  }

  send(message: Message): boolean {
    const { writer } = this
    writer.message(message)
    return !writer.stalled
  }

  sendFrame(frame: Buffer): boolean {
    const { writer } = this
    writer.frame(frame, 0)
    return !writer.stalled
  }

  sendEncoded(bytes: Buffer, _count: number): boolean {
    this.writer.encoded(bytes)
    return !this.writer.stalled
  }

  flush(): void {
    this.writer.flush()
  }

  control(name: ControlName, body: Buffer): void {
    if (this.over || this.ending) return
    if (this.minor === 0 && (name === "SUBSCRIBE" || name === "CANCEL")) {
      // zmtp.md 1.7: the message form.
      this.writer.message([Buffer.concat([Buffer.from([name === "SUBSCRIBE" ? 1 : 0]), body])])
    } else this.writer.encoded(commandFrame(name, body))
  }

  pause(): void {
    this.decoder.paused = true
  }

  resume(): void {
    if (!this.decoder.paused) return
    this.decoder.paused = false
    this.continueLater()
  }

  close(reason?: Error): void {
    if (this.over) return
    // A fault of the peer's: it is told, so that it does not come back as it is.
    const tells = reason instanceof HeddleError && reason.fatal && reason.code !== "ERR_ZMTP_PEER_ERROR"
    if (tells && !this.writer.stalled) {
      this.writer.encoded(errorFrame(reason.message))
      this.writer.flush()
      this.finish(reason, "end")
    } else this.finish(reason, "destroy")
  }

  end(): void {
    if (this.over || this.ending) return
    this.ending = true
    this.writer.flush()
    this.endWhenWritten()
  }

  // From the stream

  bytes(chunk: Buffer, count: number): boolean {
    if (this.over || this.ending) return true
    if (this.sink === null) {
      this.early = Buffer.concat([this.early as Buffer, chunk.subarray(0, count)])
      return true
    }
    if (this.late !== null) {
      const command = this.late.noticed(count)
      if (command !== null) this.writer.encoded(command)
    }
    try {
      if (this.decoder.push(chunk, count)) return true
    } catch (error) {
      this.breach(error)
      return true
    }
    if (!this.decoder.paused) this.continueLater()
    return false
  }

  target(): Buffer | null {
    if (this.over || this.ending) return null
    try {
      return this.decoder.target()
    } catch (error) {
      // Memory for a large frame could not be had.
      this.breach(error)
      return null
    }
  }

  drained(): void {
    const { writer } = this
    writer.drained()
    if (writer.stalled || this.over) return
    if (this.ending) this.endWhenWritten()
    else this.sink?.drain()
  }

  ended(error?: Error): void {
    if (this.sink === null && !this.over) {
      this.left = { error }
      return
    }
    // We said goodbye first: how the peer goes is its own affair.
    const failure = this.ending ? undefined : error
    this.finish(failure && fromSystem(failure, "connection to", this.peer.address), "destroy")
  }

  // From the decoder

  message(message: Message): void {
    this.sink?.message(message)
  }

  get borrower(): Borrower | null {
    const { sink } = this
    return sink?.borrows === true ? (sink as Borrower) : null
  }

  command(body: Buffer): void {
    const command = parseCommand(body)
    // Malformed and unknown commands are ignored after the handshake, as libzmq does (zmtp.md 1.3).
    if (command === null) return
    const { name, data } = command
    if (name === "PING") this.pong(data)
    else if (name === "SUBSCRIBE" || name === "CANCEL" || name === "JOIN" || name === "LEAVE")
      this.sink?.controlReceived(name, data)
    else if (name === this.late?.command) this.move(this.late, data)
    else if (name === "ERROR") {
      throw new HeddleError(
        "ERR_ZMTP_PEER_ERROR",
        `The peer at ${this.peer.address} ended the connection: ${parseError(data)}`,
        { address: this.peer.address, fatal: true },
      )
    }
  }

  // From the heartbeat

  ping(): void {
    // Not after goodbye: a write behind the end would break the connection before the peer has read it all.
    if (!this.over && !this.ending && !this.writer.stalled)
      this.writer.encoded(pingFrame(this.options.heartbeatTimeToLive))
  }

  dead(silence: number): void {
    const { address } = this.peer
    this.finish(
      new HeddleError("ERR_HEARTBEAT_TIMEOUT", `Nothing was heard of the peer at ${address} for ${silence} ms`, {
        address,
      }),
      "destroy",
    )
  }

  private move(late: LateUpgrade, body: Buffer): void {
    // The new way counts on where the old one stands.
    this.writer.flush()
    const step = late.received(body)
    if (step === null) return
    if (Buffer.isBuffer(step)) {
      this.writer.encoded(step)
      return
    }
    const { last, stream, input } = step
    if (last !== null) {
      stream.reader = this
      this.writer.moveTo(stream, last)
      this.stream = stream
      // What the socket was given arrives without us.
      if (this.writer.stalled) process.nextTick(() => this.drained())
    }
    if (!input) return
    this.late = null
    // What else came on the socket only woke us.
    this.decoder.drop()
  }

  private pong(data: Buffer): void {
    const ping = parsePing(data)
    if (ping === null)
      throw new HeddleError("ERR_ZMTP_FRAME", "The peer sent a PING without a time to live", { fatal: true })
    if (this.writer.pending < MAX_PENDING_PONGS || !this.writer.stalled)
      this.writer.encoded(commandFrame("PONG", ping.context))
    this.timeToLive?.stop()
    this.timeToLive = ping.timeToLive > 0 ? Heartbeat.forTimeToLive(this, ping.timeToLive) : null
  }

  /** Goes on with what is kept, then with reading; never from within the caller, and never for a whole turn. */
  private continueLater(): void {
    if (this.continuing) return
    this.continuing = true
    setImmediate(() => {
      this.continuing = false
      if (this.over || this.ending || this.decoder.paused) return
      try {
        if (this.decoder.go()) this.stream.resume()
        else if (!this.decoder.paused) this.continueLater()
      } catch (error) {
        this.breach(error)
      }
    })
  }

  private breach(error: unknown): void {
    this.close(fromSystem(error, "peer", this.peer.address))
  }

  private endWhenWritten(): void {
    if (this.writer.stalled) return
    // Nothing can be asked behind the goodbye, so silence means nothing from here on: the owner decides how long to wait.
    this.heartbeat?.stop()
    this.stream.end(Number.POSITIVE_INFINITY)
  }

  private finish(reason: Error | undefined, how: "end" | "destroy"): void {
    if (this.over) return
    this.over = true
    this.late?.cancel()
    this.reason = reason
    this.decoder.paused = true
    this.heartbeat?.stop()
    this.timeToLive?.stop()
    if (how === "end") this.stream.end()
    else {
      this.writer.discard()
      this.stream.destroy()
    }
    this.sink?.closed(reason)
  }
}
