import type {
  Connection,
  Endpoint,
  Handshake,
  LinkOptions,
  Listener,
  ListenerSink,
  SocketType,
} from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"
import type { WebServers, WebTransport } from "../../core/web.ts"
import { parseWebAddress } from "./address.ts"
import type { WebSocketClass } from "./global-link.ts"
import type { ZwsPorts } from "./zws-ports.ts"

/** Everything but the addresses loads when it is first used: most programs have no WebSockets. */
const lazyServers: WebServers = {
  open: async (endpoint, options, handlers) => {
    const { LibraryWebServers } = await import("./web-servers.ts")
    return new LibraryWebServers().open(endpoint, options, handlers)
  },
}

/**
 * `ws://host:port/path` and `wss://...`: ZWS 2.0 (RFC 45), ZMTP over WebSocket. The server is uWebSockets.js, or the package `ws`
 * where that does not load; who connects uses `ws`, or the WebSocket of the runtime. See SPEC.md.
 */
export class WsTransport implements WebTransport {
  readonly scheme: "ws" | "wss"
  readonly web: WebServers
  private ports: ZwsPorts | null = null
  private readonly runtime: WebSocketClass | undefined

  /** `runtime`: connect by this class and not by the package `ws`. */
  constructor(scheme: "ws" | "wss", web: WebServers = lazyServers, runtime?: WebSocketClass) {
    this.scheme = scheme
    this.web = web
    this.runtime = runtime
  }

  check(endpoint: Endpoint, side: "listen" | "dial", type: SocketType, options?: LinkOptions): void {
    parseWebAddress(endpoint, side)
    if (type === "STREAM" || type === "DGRAM") {
      throw new HeddleError(
        "ENOCOMPATPROTO",
        `The protocol is not compatible with the socket type: ${endpoint.href}: ${type} has no handshake, and ${this.scheme}:// is nothing without one`,
        { address: endpoint.href, fatal: true },
      )
    }
    if (side !== "listen" || this.scheme === "ws" || options === undefined) return
    if (options.tls?.key === undefined || options.tls.cert === undefined) {
      throw new HeddleError(
        "EINVAL",
        `Invalid argument: ${endpoint.href}: to listen, wss:// needs the option tls: { key, cert } with PEM text`,
        { address: endpoint.href, fatal: true },
      )
    }
  }

  async listen(endpoint: Endpoint, local: Handshake, sink: ListenerSink): Promise<Listener> {
    const { ZwsPorts } = await import("./zws-ports.ts")
    this.ports ??= new ZwsPorts(this.web)
    return this.ports.listen(endpoint, local, sink)
  }

  async dial(
    endpoint: Endpoint,
    local: Handshake,
    signal: AbortSignal,
    reached?: (address: string) => void,
  ): Promise<Connection> {
    const { dialZws } = await import("./zws-dialer.ts")
    return dialZws(this.runtime, endpoint, local, signal, reached)
  }
}
