import type { Endpoint, Handshake, LinkOptions, Listener, ListenerSink } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"
import type { WebClient, WebHandlers, WebOptions, WebServer, WebServers } from "../../core/web.ts"
import { bindHost, formatWebAddress, parseWebAddress, type WebAddress } from "./address.ts"
import { ZwsListener, type ZwsSeat } from "./zws-listener.ts"

/** Longest message that uWebSockets.js can have: 32 bits with a sign. */
const LARGEST = 2 ** 31 - 1
/** Above the limit of the socket, which we check ourselves to say why: room for the flag octet and for a peer that is a little off. */
const MARGIN = 64 * 1024
/** We stop at the first byte that waits, so this is never reached in order; it bounds what pongs and notices can pile up. */
const MAX_BACKPRESSURE = 64 * 1024 * 1024

/** One port, shared by all sockets that listen there at different paths. */
interface Port {
  readonly listeners: Map<string, ZwsListener>
  readonly limits: string
  readonly maxMessageSize: number
  server: WebServer | null
}

/** All ports of one transport at which sockets listen. */
export class ZwsPorts {
  private readonly servers: WebServers
  /** By scheme, host and port. */
  private readonly ports = new Map<string, Port>()
  /** One listens after the other: two that want one port must see each other. */
  private last: Promise<unknown> = Promise.resolve()

  constructor(servers: WebServers) {
    this.servers = servers
  }

  listen(endpoint: Endpoint, local: Handshake, sink: ListenerSink): Promise<Listener> {
    const listening = this.last.then(() => this.open(endpoint, local, sink))
    this.last = listening.catch(() => {})
    return listening
  }

  private async open(endpoint: Endpoint, local: Handshake, sink: ListenerSink): Promise<Listener> {
    const address = parseWebAddress(endpoint, "listen")
    const host = bindHost(address, local.options.ipv6, endpoint)
    const key = address.port === 0 ? "" : portKey(endpoint.scheme, host, address.port)
    const shared = this.ports.get(key)
    if (shared !== undefined) return this.join(shared, key, endpoint, address, host, local, sink)
    const port: Port = {
      listeners: new Map(),
      limits: limitsOf(local.options),
      maxMessageSize: local.options.maxMessageSize,
      server: null,
    }
    let stable = false
    const server = await this.servers.open(
      endpoint.href,
      webOptions(local.options),
      handlersOf(port, () => stable),
    )
    port.server = server
    stable = server.kind === "ws"
    const real = Number(/:(\d+)(?:\/|$)/.exec(server.endpoint.slice(server.endpoint.lastIndexOf("]") + 1))?.[1])
    const realKey = portKey(endpoint.scheme, host, real)
    this.ports.set(realKey, port)
    return this.add(port, realKey, server.endpoint, endpoint.scheme, address.path, local, sink)
  }

  /** Another path at a port that is open. */
  private join(
    port: Port,
    key: string,
    endpoint: Endpoint,
    address: WebAddress,
    host: string,
    local: Handshake,
    sink: ListenerSink,
  ): Listener {
    const href = endpoint.href
    if (port.listeners.has(address.path)) {
      const text = `bind to ${href}: another socket listens there; choose another path or port`
      throw new HeddleError("EADDRINUSE", text, { address: href })
    }
    if (port.limits !== limitsOf(local.options)) {
      const text = `bind to ${href}: sockets that share a port must have the same tls, webOrigins and maxMessageSize`
      throw new HeddleError("EADDRINUSE", text, { address: href })
    }
    const name = formatWebAddress(endpoint.scheme, host, address.port, address.path)
    return this.add(port, key, name, endpoint.scheme, address.path, local, sink)
  }

  private add(
    port: Port,
    key: string,
    name: string,
    scheme: string,
    path: string,
    local: Handshake,
    sink: ListenerSink,
  ): Listener {
    const listener = new ZwsListener(scheme, local, sink, async () => {
      port.listeners.delete(path)
      if (port.listeners.size > 0) return
      if (this.ports.get(key) === port) this.ports.delete(key)
      await port.server?.stop()
    })
    listener.endpoint = name
    port.listeners.set(path, listener)
    return listener
  }
}

function handlersOf(port: Port, stable: () => boolean): WebHandlers<ZwsSeat> {
  const link = (client: WebClient<ZwsSeat>) => client.data.link
  return {
    upgrade: request =>
      port.listeners.get(request.path)?.upgrade(request) ?? {
        accept: false,
        status: 404,
        reason: "No socket listens at this path",
      },
    open: client => client.data.listener.open(client, stable()),
    message: (client, bytes, text) => link(client)?.reader.message(bytes, text),
    drain: client => link(client)?.drained(),
    pong: (client, bytes) => link(client)?.reader.pong(bytes),
    closed: (client, code, reason) => link(client)?.ended(code, reason),
    refused: (request, status, reason) => port.listeners.get(request.path)?.refused(request, status, reason),
    request: (_request, response) =>
      response.reply(426, { "content-type": "text/plain", upgrade: "websocket" }, "ZeroMQ speaks WebSocket here\n"),
  }
}

function webOptions({ tls, webOrigins, maxMessageSize, ipv6 }: LinkOptions): WebOptions {
  return {
    ...(tls && { tls }),
    origins: webOrigins ?? [],
    ipv6,
    anyPath: true,
    unref: true,
    maxMessageSize: maxMessageSize < 0 ? LARGEST : Math.min(LARGEST, maxMessageSize + MARGIN),
    maxBackpressure: MAX_BACKPRESSURE,
    // Connections have heartbeats of their own, which an option of the socket sets.
    idleTimeout: 0,
    maxClients: 2 ** 31 - 1,
  }
}

/** What all sockets of a port must have alike. */
function limitsOf({ tls, webOrigins, maxMessageSize }: LinkOptions): string {
  return JSON.stringify([tls ?? null, webOrigins ?? [], maxMessageSize])
}

function portKey(scheme: string, host: string, port: number): string {
  return `${scheme} ${host} ${port}`
}
