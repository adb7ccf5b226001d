import dns from "node:dns/promises"
import net from "node:net"
import type {
  Connection,
  Endpoint,
  Handshake,
  LinkOptions,
  Listener,
  ListenerSink,
  PeerHello,
  SocketType,
  Transport,
} from "../../core/contract.ts"
import { fromSystem, HeddleError } from "../../core/errors.ts"
import {
  formatUdpAddress,
  groupHost,
  isMulticast,
  listenHost,
  multicastInterface,
  parseUdpAddress,
  sourceHost,
  type UdpAddress,
} from "./address.ts"
import { DatagramConnection } from "./connection.ts"
import { AddressedFraming, GroupFraming } from "./framing.ts"
import { openPort } from "./open-port.ts"
import type { OpenPort } from "./port.ts"
import { portSettings } from "./udp-options.ts"

/** MAX_UDP_MSG of libzmq: its receivers read so many bytes of a datagram, and lose the rest without a word. */
const LARGEST = 8192

const NO_BYTES = Buffer.alloc(0)
const NO_METADATA: ReadonlyMap<string, Buffer> = new Map()

/** `udp://[interface;]host:port`: RADIO and DISH, and DGRAM, over plain datagrams as libzmq sends them. See SPEC.md. */
export class UdpTransport implements Transport {
  readonly scheme = "udp"
  readonly addressed = true
  readonly largestDatagram = LARGEST
  private readonly open: OpenPort

  constructor(open: OpenPort = openPort) {
    this.open = open
  }

  check(endpoint: Endpoint, side: "listen" | "dial", type: SocketType, options?: LinkOptions): void {
    parseUdpAddress(endpoint, side)
    if (options !== undefined) portSettings(options, endpoint)
    // UDP-1
    if (side === "dial" ? type === "RADIO" : type === "DISH" || type === "DGRAM") return
    throw new HeddleError(
      "ENOCOMPATPROTO",
      `The protocol is not compatible with the socket type: ${endpoint.href}: over udp:// a Radio connects, a Dish or a Datagram binds; no other socket and no other way`,
      { address: endpoint.href, fatal: true },
    )
  }

  /** The one connection is there when it resolves. */
  async listen(endpoint: Endpoint, local: Handshake, sink: ListenerSink): Promise<Listener> {
    const address = parseUdpAddress(endpoint, "listen")
    const { interface: nic, port, multicast } = address
    const { options } = local
    const settings = portSettings(options, endpoint)
    const host = multicast ? address.host : listenHost(address.host, options.ipv6, endpoint)
    const family = net.isIPv6(host) ? 6 : 4
    const via = multicast ? multicastInterface(nic, family, endpoint) : undefined
    const opened = await this.open({
      family,
      host: multicast ? groupHost(host, via) : host,
      port,
      shared: multicast,
      group: multicast ? host : null,
      interface: via,
      ...settings,
    }).catch((error: unknown) => {
      throw fromSystem(error, "bind to", endpoint.href)
    })
    const { socketType } = local.answer(null)
    const real = formatUdpAddress(nic, host, opened.port)
    const peer = peerHello(socketType === "DISH" ? "RADIO" : "DGRAM", real)
    const framing = socketType === "DISH" ? new GroupFraming(null) : new AddressedFraming()
    const connection = new DatagramConnection(opened, peer, framing, options.maxMessageSize)
    try {
      local.admit(peer)
    } catch (error) {
      connection.close()
      throw error
    }
    sink.connection(connection)
    // UDP-3 the address is that of the connection: it is free when both have ended, in whichever order.
    return { endpoint: real, close: () => opened.closed }
  }

  /** A name is resolved at each attempt; whether anybody is there nobody knows. */
  async dial(
    endpoint: Endpoint,
    local: Handshake,
    signal: AbortSignal,
    reached?: (address: string) => void,
  ): Promise<Connection> {
    const address = parseUdpAddress(endpoint, "dial")
    const { options } = local
    const settings = portSettings(options, endpoint)
    const host = await resolve(address, options.ipv6, endpoint)
    const family = net.isIPv6(host) ? 6 : 4
    const via = multicastInterface(address.interface, family, endpoint)
    signalEnd(signal, endpoint)
    const port = await this.open({
      family,
      host: sourceHost(host, via),
      port: 0,
      shared: false,
      group: null,
      interface: via,
      ...settings,
    }).catch((error: unknown) => {
      throw fromSystem(error, "connect to", endpoint.href)
    })
    const peer = peerHello("DISH", formatUdpAddress(address.interface, host, address.port))
    const framing = new GroupFraming({ host, port: address.port })
    const connection = new DatagramConnection(port, peer, framing, options.maxMessageSize)
    try {
      signalEnd(signal, endpoint)
      local.admit(peer)
    } catch (error) {
      connection.close()
      throw error
    }
    reached?.(peer.address)
    return connection
  }
}

function peerHello(socketType: SocketType, address: string): PeerHello {
  return { socketType, routingId: NO_BYTES, metadata: NO_METADATA, address, mechanism: "NULL", userId: "" }
}

async function resolve({ host }: UdpAddress, ipv6: boolean, endpoint: Endpoint): Promise<string> {
  if (net.isIP(host) !== 0) return host
  try {
    const { address } = await dns.lookup(host, { family: ipv6 ? 0 : 4 })
    if (!isMulticast(address)) return address
  } catch (error) {
    throw fromSystem(error, "find the address of", endpoint.href)
  }
  throw new HeddleError("EINVAL", `${endpoint.href} is the name of a multicast group; write the group itself`, {
    address: endpoint.href,
    fatal: true,
  })
}

function signalEnd(signal: AbortSignal, endpoint: Endpoint): void {
  if (!signal.aborted) return
  throw new HeddleError("ECONNABORTED", `The connection to ${endpoint.href} was given up`, { address: endpoint.href })
}
