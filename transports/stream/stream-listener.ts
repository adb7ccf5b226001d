import net from "node:net"
import type { Handshake, Listener, ListenerSink } from "../../core/contract.ts"
import { fromSystem, HeddleError } from "../../core/errors.ts"
import { type HandshakeOutcome, Handshaker } from "../zmtp/handshake.ts"
import { NetStream } from "./net-stream.ts"
import { RawConnection } from "./raw-connection.ts"
import type { Upgrade } from "./upgrade.ts"

/** A newcomer may push out a handshake that has been silent for so long (milliseconds). */
const PATIENCE = 1_000

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
  /** Peers that have not finished their handshake, oldest first. */
  private readonly shaking = new Set<Handshaker>()

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
    this.server = net.createServer({ pauseOnConnect: true, noDelay: true })
  }

  close(): Promise<void> {
    this.server.close()
    for (const one of [...this.shaking]) {
      one.cancel(new HeddleError("ECONNABORTED", `${this.endpoint} stopped listening`, { address: this.endpoint }))
    }
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
    if (!this.makeRoom()) {
      // A plain close: the peer may come back (zmtp.md 1.16).
      socket.destroy()
      const most = this.local.options.maxHandshakes
      this.sink.failed(
        address,
        new HeddleError("EMFILE", `Turned ${address} away: ${most} handshakes are under way (maxHandshakes)`, {
          address,
        }),
      )
      return
    }
    const stream = NetStream.accepted(socket)
    this.sink.accepted(address)
    if (this.local.answer(null).socketType === "STREAM") {
      this.sink.connection(new RawConnection(stream, address))
      return
    }
    const outcome: HandshakeOutcome = {
      connected: connection => {
        this.shaking.delete(handshaker)
        this.sink.connection(connection)
      },
      failed: error => {
        this.shaking.delete(handshaker)
        this.sink.failed(address, error)
      },
    }
    const upgrade = this.rules.upgrade?.() ?? null
    const handshaker = new Handshaker(stream, this.local, address, "accept", outcome, upgrade)
    this.shaking.add(handshaker)
    handshaker.begin()
  }

  /** False = nobody here has been silent for long enough to give way. */
  private makeRoom(): boolean {
    if (this.shaking.size < this.local.options.maxHandshakes) return true
    const oldest = this.shaking.values().next().value as Handshaker
    if (performance.now() - oldest.startedAt < PATIENCE) return false
    oldest.cancel(new HeddleError("ERR_HANDSHAKE_TIMEOUT", `A silent peer gave way to a new one (maxHandshakes)`))
    return true
  }
}
