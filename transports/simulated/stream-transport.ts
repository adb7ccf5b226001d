import type {
  Connection,
  Endpoint,
  Handshake,
  Listener,
  ListenerSink,
  SocketType,
  Transport,
} from "../../core/contract.ts"
import { fromSystem, HeddleError } from "../../core/errors.ts"
import { StreamAcceptor } from "../stream/stream-acceptor.ts"
import { dialOver } from "../stream/stream-dialer.ts"
import { splitEndpoint } from "./addresses.ts"
import type { SimulatedHost } from "./host.ts"
import type { SimulatedStream } from "./stream.ts"

/** `tcp://host:port` in a simulated network: ZMTP by the same classes as over real sockets. Hosts go by name, too. */
export class SimulatedTcpTransport implements Transport {
  readonly scheme = "tcp"
  private readonly host: SimulatedHost

  constructor(host: SimulatedHost) {
    this.host = host
  }

  check(endpoint: Endpoint, side: "listen" | "dial", _type?: SocketType): void {
    splitEndpoint(endpoint, side)
  }

  async listen(endpoint: Endpoint, local: Handshake, sink: ListenerSink): Promise<Listener> {
    const { host: named, port } = splitEndpoint(endpoint, "listen")
    const { streams } = this.host
    const acceptor = new StreamAcceptor(local, sink)
    const take = (stream: SimulatedStream): void => {
      acceptor.accept(
        addressOf(stream.remoteAddress, stream.remotePort),
        () => stream,
        () => stream.destroy(),
        () => null,
      )
    }
    let real: number
    try {
      if (!this.host.owns(named)) throw Object.assign(new Error("not here"), { code: "EADDRNOTAVAIL" })
      real = streams.listen(port, take)
    } catch (error) {
      throw fromSystem(error, "bind to", endpoint.href)
    }
    const href = addressOf(named === "*" || named === "0.0.0.0" ? this.host.address : named, real)
    return {
      endpoint: href,
      close: async () => {
        streams.unlisten(real)
        acceptor.close(href)
      },
    }
  }

  async dial(
    endpoint: Endpoint,
    local: Handshake,
    signal: AbortSignal,
    reached?: (address: string) => void,
  ): Promise<Connection> {
    const { host, port } = splitEndpoint(endpoint, "dial")
    const { streams } = this.host
    const dial = (connected: (stream: SimulatedStream) => void): SimulatedStream => {
      const stream: SimulatedStream = streams.dial(host, port, () => connected(stream))
      return stream
    }
    try {
      return await dialOver(dial, endpoint.href, local, signal, reached)
    } catch (error) {
      if (error instanceof HeddleError) throw error
      throw fromSystem(error, "connect to", endpoint.href)
    }
  }
}

function addressOf(host: string, port: number): string {
  return host.includes(":") ? `tcp://[${host}]:${port}` : `tcp://${host}:${port}`
}
