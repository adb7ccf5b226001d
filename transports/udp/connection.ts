import type { Connection, ConnectionSink, Message, PeerHello } from "../../core/contract.ts"
import { fromSystem } from "../../core/errors.ts"
import type { Framing } from "./framing.ts"
import type { DatagramPort, DatagramReader } from "./port.ts"

/**
 * A connection without a peer: everything that a port sends and receives, as libzmq has one session for each endpoint.
 * See SPEC.md.
 */
export class DatagramConnection implements Connection, DatagramReader {
  readonly peer: PeerHello
  // Messages keep their bounds only as datagrams of their own: they cannot share a chunk.
  readonly wire = null
  bytesReceived = 0
  bytesSent = 0
  private readonly datagramPort: DatagramPort
  private readonly framing: Framing
  private readonly maxMessageSize: number
  private sink: ConnectionSink | null = null
  private paused = false
  private stalled = false
  private ending = false
  private over = false
  private reason: Error | undefined

  constructor(port: DatagramPort, peer: PeerHello, framing: Framing, maxMessageSize: number) {
    this.datagramPort = port
    this.peer = peer
    this.framing = framing
    this.maxMessageSize = maxMessageSize
  }

  start(sink: ConnectionSink): void {
    this.sink = sink
    if (this.over) sink.closed(this.reason)
    else this.datagramPort.start(this)
  }

  send(message: Message): boolean {
    if (this.over) return true
    const outgoing = this.framing.encode(message)
    if (outgoing === null) {
      this.sink?.lost?.("malformed", 1)
      return true
    }
    const { bytes, to } = outgoing
    this.bytesSent += bytes.length
    this.stalled = !this.datagramPort.send(bytes, to.host, to.port)
    return !this.stalled
  }

  sendEncoded(): boolean {
    throw new TypeError("A datagram connection has no wire: sendEncoded must not be called")
  }

  // UDP-5 nobody is there to hear it.
  control(): void {}

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }

  close(reason?: Error): void {
    if (this.over) return
    this.over = true
    this.reason = reason
    this.datagramPort.close()
    this.sink?.closed(reason)
  }

  // UDP-9 what was taken goes out; there is no goodbye to wait for.
  end(): void {
    if (this.ending) return
    this.ending = true
    if (!this.stalled) setImmediate(() => this.close())
  }

  datagram(bytes: Buffer, host: string, port: number): void {
    this.bytesReceived += bytes.length
    const sink = this.sink as ConnectionSink
    // UDP-7 Node has no way to leave datagrams in the kernel: who is paused loses them here, as libzmq does.
    if (this.paused) {
      sink.lost?.("full", 1)
      return
    }
    const fits = this.maxMessageSize < 0 || bytes.length <= this.maxMessageSize
    const message = fits ? this.framing.decode(bytes, host, port) : null
    if (message === null) sink.lost?.("malformed", 1)
    else sink.message(message)
  }

  // UDP-8 the network may be back for the next one.
  unsent(): void {
    this.sink?.lost?.("unroutable", 1)
  }

  drained(): void {
    this.stalled = false
    if (this.ending) this.close()
    else this.sink?.drain()
  }

  failed(error: Error): void {
    this.close(fromSystem(error, "datagrams of", this.peer.address))
  }
}
