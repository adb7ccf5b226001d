import dns from "node:dns"
import net from "node:net"
import os from "node:os"
import type {
  Connection,
  Endpoint,
  Handshake,
  LinkOptions,
  Listener,
  ListenerSink,
  SocketType,
  Transport,
} from "../core/contract.ts"
import { fromSystem, HeddleError } from "../core/errors.ts"
import { addressFilter } from "./address-filter.ts"
import { dialStream } from "./stream/stream-dialer.ts"
import { StreamListener } from "./stream/stream-listener.ts"
import { TcpOptions } from "./tcp-options.ts"

/** `tcp://host:port`: ZMTP over TCP. */
export class TcpTransport implements Transport {
  readonly scheme = "tcp"

  check(endpoint: Endpoint, side: "listen" | "dial", _type?: SocketType, options?: LinkOptions): void {
    if (side === "dial") peerAddress(endpoint)
    else {
      const { port } = splitAddress(endpoint)
      if (port !== "*") portNumber(port, endpoint)
    }
    if (options !== undefined) TcpOptions.of(options, endpoint)
  }

  /** `*` = all addresses, port `*` or 0 = any free one; an interface name stands for its first address. */
  async listen(endpoint: Endpoint, local: Handshake, sink: ListenerSink): Promise<Listener> {
    const { ipv6, tcpAcceptFilter } = local.options
    const { host, port } = splitAddress(endpoint)
    const allowed = addressFilter(tcpAcceptFilter)
    const special = TcpOptions.of(local.options, endpoint)
    let opened: net.Server | undefined
    const options = {
      host: listenHost(host, ipv6, endpoint),
      port: port === "*" ? 0 : portNumber(port, endpoint),
      ipv6Only: false,
    }
    const listener = await StreamListener.listen(options, endpoint.href, local, sink, {
      endpoint: server => {
        opened = server
        const { address, port: real } = server.address() as net.AddressInfo
        return formatAddress(address, real)
      },
      addressOf: socket => formatAddress(socket.remoteAddress ?? "?", socket.remotePort ?? 0),
      admits: socket => {
        if (special === null) keepAlive(socket, local)
        else if (!special.admits(descriptorOf(socket))) return false
        return allowed === null || allowed(socket.remoteAddress ?? "")
      },
    })
    try {
      // Before the next turn, in which connections are accepted: they have the options of their listener.
      special?.apply(descriptorOf(opened))
    } catch (error) {
      await listener.close()
      throw error
    }
    return listener
  }

  /** `tcp://[source:port;]host:port`; a name is resolved at each attempt, and all its addresses are tried. */
  async dial(
    endpoint: Endpoint,
    local: Handshake,
    signal: AbortSignal,
    reached?: (address: string) => void,
  ): Promise<Connection> {
    const { ipv6, tcpKeepalive, tcpKeepaliveIdle } = local.options
    const { source, host, port } = peerAddress(endpoint)
    const options: net.TcpNetConnectOpts = {
      host,
      port,
      family: ipv6 ? 0 : 4,
      keepAlive: tcpKeepalive === 1,
      ...(tcpKeepaliveIdle > 0 && { keepAliveInitialDelay: tcpKeepaliveIdle * 1000 }),
      ...(source && source.host !== "*" && { localAddress: source.host }),
      ...(source && source.port !== "*" && { localPort: portNumber(source.port, endpoint) }),
    }
    const special = TcpOptions.of(local.options, endpoint)
    if (special === null) return dialStream(options, endpoint.href, local, signal, reached)
    let last: unknown
    let answered = false
    const seen = (address: string): void => {
      answered = true
      reached?.(address)
    }
    // Node resolves a name and tries its addresses by itself, but each with a socket that it makes.
    for (const { address, family } of await lookup(host, ipv6, signal, endpoint)) {
      const one = { ...options, host: address, keepAlive: false, ...special.dialler(family === 6 ? 6 : 4) }
      try {
        return await dialStream(one, endpoint.href, local, signal, seen)
      } catch (error) {
        last = error
        if (answered || signal.aborted) break
      }
    }
    throw last
  }
}

/** The addresses of a name in the order in which to try them; rejects at once when the signal comes. */
function lookup(host: string, ipv6: boolean, signal: AbortSignal, endpoint: Endpoint): Promise<dns.LookupAddress[]> {
  return new Promise((resolve, reject) => {
    const aborted = (): void =>
      reject(
        new HeddleError("ECONNABORTED", `Dialling ${endpoint.href} was given up`, {
          address: endpoint.href,
        }),
      )
    if (signal.aborted) {
      aborted()
      return
    }
    signal.addEventListener("abort", aborted, { once: true })
    dns.lookup(host, { all: true, family: ipv6 ? 0 : 4 }, (error, addresses) => {
      signal.removeEventListener("abort", aborted)
      if (error === null) resolve(addresses)
      else reject(fromSystem(error, "connect to", endpoint.href))
    })
  })
}

/** Of a socket or a server: Node gives it no other name. */
function descriptorOf(socket: object | undefined): number {
  return (socket as { _handle?: { fd?: number } | null } | undefined)?._handle?.fd ?? -1
}

function peerAddress(endpoint: Endpoint): {
  source: { host: string; port: string } | null
  host: string
  port: number
} {
  const cut = endpoint.address.indexOf(";")
  const source = cut < 0 ? null : splitAddress(endpoint, endpoint.address.slice(0, cut))
  const { host, port } = splitAddress(endpoint, endpoint.address.slice(cut + 1))
  const number = port === "*" ? 0 : portNumber(port, endpoint)
  if (host === "*" || number === 0) throw invalid(endpoint, "a peer needs a host and a port; * and 0 are for bind")
  if (source !== null) {
    if (source.port !== "*") portNumber(source.port, endpoint)
    if (source.host !== "*" && net.isIP(source.host) === 0) {
      throw invalid(endpoint, `"${source.host}" is no address to come from; write * or an IP address of this machine`)
    }
  }
  return { source, host, port: number }
}

function splitAddress(endpoint: Endpoint, text = endpoint.address): { host: string; port: string } {
  const colon = text.lastIndexOf(":")
  if (colon <= 0 || colon === text.length - 1) throw invalid(endpoint, "write tcp://host:port")
  let host = text.slice(0, colon)
  if (host.startsWith("[") && host.endsWith("]")) host = host.slice(1, -1)
  else if (host.includes(":")) throw invalid(endpoint, "put an IPv6 address in brackets: tcp://[::1]:5555")
  return { host, port: text.slice(colon + 1) }
}

function portNumber(port: string, endpoint: Endpoint): number {
  const number = Number(port)
  if (!/^\d{1,5}$/.test(port) || number > 65535) throw invalid(endpoint, `"${port}" is no port; ports are 0 to 65535`)
  return number
}

function listenHost(host: string, ipv6: boolean, endpoint: Endpoint): string {
  if (host === "*") return ipv6 ? "::" : "0.0.0.0"
  if (net.isIP(host) !== 0 || host === "localhost") return host === "localhost" && !ipv6 ? "127.0.0.1" : host
  const addresses = os.networkInterfaces()[host]
  if (addresses !== undefined) {
    const first = addresses.find(one => one.family === "IPv4") ?? (ipv6 ? addresses[0] : undefined)
    if (first !== undefined) return first.address
    throw new HeddleError(
      "ENODEV",
      `Interface ${host} (of ${endpoint.href}) has no IPv4 address; set the option ipv6`,
      { address: endpoint.href },
    )
  }
  if (host.includes(".")) return host
  throw new HeddleError(
    "ENODEV",
    `This machine has no interface ${host} (of ${endpoint.href}); bind to an address of its own, or to *`,
    { address: endpoint.href },
  )
}

function formatAddress(address: string, port: number): string {
  // An IPv4 peer of a dual-stack listener.
  const plain = address.startsWith("::ffff:") ? address.slice(7) : address
  return plain.includes(":") ? `tcp://[${plain}]:${port}` : `tcp://${plain}:${port}`
}

function keepAlive(socket: net.Socket, local: Handshake): void {
  const { tcpKeepalive, tcpKeepaliveIdle } = local.options
  if (tcpKeepalive === 1) socket.setKeepAlive(true, tcpKeepaliveIdle > 0 ? tcpKeepaliveIdle * 1000 : 0)
}

function invalid(endpoint: Endpoint, why: string): HeddleError {
  return new HeddleError("EINVAL", `Invalid argument: ${endpoint.href}: ${why}`, {
    address: endpoint.href,
    fatal: true,
  })
}
