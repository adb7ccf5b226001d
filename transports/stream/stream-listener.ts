import net from "node:net"
import type { Handshake, Listener, ListenerSink } from "../../core/contract.ts"
import { fromSystem, HeddleError } from "../../core/errors.ts"
import { NetStream } from "./net-stream.ts"
import { StreamAcceptor } from "./stream-acceptor.ts"
import type { Upgrade } from "./upgrade.ts"

/** How one kind of stream names its addresses and whom it lets in. */
export interface ListenerRules {
  /** The listener's own endpoint, wildcards resolved. */
  endpoint(server: net.Server): string
  addressOf(socket: net.Socket): string
  admits(socket: net.Socket): boolean
  /** Another way for the bytes of one connection; null = there is none. */
  upgrade?(): Upgrade | null
}

/** Accepts ZMTP (or, for STREAM sockets, raw) connections over any kind of Node server. */
export class StreamListener implements Listener {
  endpoint = ""
  private readonly server: net.Server
  private readonly local: Handshake
  private readonly sink: ListenerSink
  private readonly rules: ListenerRules
  private readonly acceptor: StreamAcceptor

  static async listen(
    options: net.ListenOptions,
    address: string,
    local: Handshake,
    sink: ListenerSink,
    rules: ListenerRules,
  ): Promise<StreamListener> {
    const listener = new StreamListener(local, sink, rules)
    await listener.open(options, address)
    return listener
  }

  private constructor(local: Handshake, sink: ListenerSink, rules: ListenerRules) {
    this.local = local
    this.sink = sink
    this.rules = rules
    this.acceptor = new StreamAcceptor(local, sink)
    this.server = net.createServer({ pauseOnConnect: true, noDelay: true })
  }

  close(): Promise<void> {
    this.server.close()
    this.acceptor.close(this.endpoint)
    // `close` calls back when the last connection is gone; the address is free as soon as the handle is closed.
    return new Promise(resolve => setImmediate(resolve))
  }

  private open(options: net.ListenOptions, address: string): Promise<void> {
    const { server } = this
    return new Promise((resolve, reject) => {
      const failed = (error: Error): void => reject(fromSystem(error, "bind to", address))
      server.once("error", failed)
      server.listen({ ...options, backlog: this.local.options.backlog }, () => {
        server.off("error", failed)
        server.on("error", error => this.sink.failed(this.endpoint, fromSystem(error, "accept on", this.endpoint)))
        server.on("connection", socket => this.accept(socket))
        server.unref()
        this.endpoint = this.rules.endpoint(server)
        resolve()
      })
    })
  }

  private accept(socket: net.Socket): void {
    const address = this.rules.addressOf(socket)
    if (!this.rules.admits(socket)) {
      socket.destroy()
      this.sink.failed(address, new HeddleError("EACCES", `${address} is not within tcpAcceptFilter`, { address }))
      return
    }
    this.acceptor.accept(
      address,
      () => NetStream.accepted(socket),
      () => socket.destroy(),
      () => this.rules.upgrade?.() ?? null,
    )
  }
}
