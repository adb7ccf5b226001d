import type { SocketHost } from "./connector.ts"
import { handshakeErrorType } from "./connector.ts"
import type { Connection, Endpoint, Gap, Listener, ListenerSink, Transport } from "./contract.ts"
import { fromSystem } from "./errors.ts"
import { type PipeOptions, type PipeOwner, SocketPipe } from "./pipe.ts"

/** One `bind()`: a listener and the pipes of the peers that came through it. */
export class Acceptor implements PipeOwner, ListenerSink {
  /** As the listener reports it, wildcards resolved. */
  address = ""
  readonly pipes = new Set<SocketPipe>()
  private readonly host: SocketHost
  private readonly options: PipeOptions
  private listener: Listener | null = null
  private transport: Transport | undefined
  private stopped = false
  private closing: Promise<void> | null = null
  private whenFinished: (() => void) | null = null

  constructor(host: SocketHost, options: PipeOptions) {
    this.host = host
    this.options = options
  }

  async listen(endpoint: Endpoint, transport: Transport): Promise<void> {
    this.transport = transport
    try {
      this.listener = await transport.listen(endpoint, this.host.handshake, this)
    } catch (error) {
      const failure = fromSystem(error, "bind to", endpoint.href)
      this.host.emit({ type: "bind:error", address: endpoint.href, error: failure })
      throw failure
    }
    this.address = this.listener.endpoint
    if (this.stopped) await this.closeListener()
    else this.host.emit({ type: "bind", address: this.address })
  }

  /** Stops listening; the accepted peers get what is queued for them. `done` is called when the last is gone. */
  finish(done: () => void): void {
    this.whenFinished = done
    this.stopped = true
    for (const pipe of this.pipes) pipe.finish()
    if (this.pipes.size === 0) done()
  }

  /** Ends listener and connections now; resolves when the address is free. */
  stop(): Promise<void> {
    this.stopped = true
    for (const pipe of this.pipes) {
      pipe.discard()
      pipe.close()
    }
    return this.closeListener()
  }

  closeListener(): Promise<void> {
    if (this.listener === null) return Promise.resolve()
    this.closing ??= this.listener.close().then(() => this.host.emit({ type: "close", address: this.address }))
    return this.closing
  }

  accepted(address: string): void {
    this.host.emit({ type: "accept", address })
  }

  connection(connection: Connection): void {
    if (this.stopped) {
      connection.close()
      return
    }
    const pipe = new SocketPipe(this.host.pattern, this.options, this, null, this.transport)
    pipe.peer = connection.peer
    this.pipes.add(pipe)
    this.host.emit({ type: "handshake", address: connection.peer.address })
    this.host.attach(pipe)
    pipe.attachConnection(connection)
    this.host.peersChanged()
  }

  failed(address: string, reason: Error): void {
    const error = fromSystem(reason, "peer", address)
    if (error.code === "EMFILE") this.host.emit({ type: "accept:error", address, error })
    // The pattern has no place for the peer (`Pattern.screen`).
    else if (error.code === "EBUSY") this.host.emit({ type: "refuse", address, error })
    else this.host.emit({ type: handshakeErrorType(error), address, error })
  }

  connectionClosed(pipe: SocketPipe, reason: Error | undefined): void {
    const address = pipe.peer?.address ?? this.address
    this.host.emit({
      type: "disconnect",
      address,
      ...(reason && { error: fromSystem(reason, "connection of", address) }),
    })
    pipe.discard()
    pipe.lane?.left()
    this.pipes.delete(pipe)
    this.host.detach(pipe)
    this.host.peersChanged()
    if (this.pipes.size === 0) this.whenFinished?.()
  }

  refused(pipe: SocketPipe, reason: Error): void {
    const address = pipe.peer?.address ?? this.address
    this.host.emit({ type: "refuse", address, error: fromSystem(reason, "peer", address) })
  }

  missed(pipe: SocketPipe, gap: Gap, count: number): void {
    this.host.emit({ type: "gap", address: pipe.peer?.address ?? this.address, ...gap, count })
  }

  finished(): void {
    // An accepted pipe ends with its connection: `connectionClosed` has done everything.
  }
}
