import type { Endpoint, LinkOptions } from "../core/contract.ts"
import { fromSystem, HeddleError } from "../core/errors.ts"
import type { Addon, SocketOption } from "./native/addon.ts"
import { nativeForSockets, whyNotForSockets } from "./native/for-sockets.ts"

/** Options of TCP sockets that plain Node has no call for: the native addon sets them by descriptor. */
export class TcpOptions {
  private readonly native: Addon
  private readonly settings: readonly (readonly [SocketOption, number])[]
  private readonly service: number
  private readonly device: string | null
  private readonly address: string

  /** Null = nothing of the kind was asked for. Throws ENOTSUP where it was, and the addon is not there. */
  static of(options: LinkOptions, endpoint: Endpoint): TcpOptions | null {
    const asked = wanted(options)
    if (asked.length === 0) return null
    const native = nativeForSockets()
    if (native !== null) return new TcpOptions(native, options, endpoint.href)
    throw new HeddleError(
      "ENOTSUP",
      `Operation not supported: ${endpoint.href}: ${asked.join(", ")} cannot be set without the native addon: ${whyNotForSockets()}`,
      { address: endpoint.href, fatal: true },
    )
  }

  private constructor(native: Addon, options: LinkOptions, address: string) {
    this.native = native
    this.settings = settings(options)
    this.service = options.typeOfService ?? 0
    this.device = options.interface ?? null
    this.address = address
  }

  /** A new socket with the options: what Node's constructor takes. They are set before it connects, as some must be. */
  dialler(family: 4 | 6): object {
    const descriptor = this.native.createTcpSocket(family)
    try {
      this.apply(descriptor)
    } catch (error) {
      this.native.closeDescriptor(descriptor)
      throw error
    }
    // Node would read at once from a socket that it is given.
    return { fd: descriptor, manualStart: true }
  }

  /** For a listener: the connections that it accepts inherit them. */
  apply(descriptor: number): void {
    const { native } = this
    try {
      if (this.device !== null) native.bindToDevice(descriptor, this.device)
      for (const [name, value] of this.settings) native.setOption(descriptor, name, value)
      if (this.service === 0) return
      native.setOption(descriptor, "IP_TOS", this.service)
      if (native.getOption(descriptor, "SO_DOMAIN") === AF_INET6) {
        native.setOption(descriptor, "IPV6_TCLASS", this.service)
      }
    } catch (error) {
      throw fromSystem(error, `set ${(error as Error).message.split(":")[0]} for`, this.address)
    }
  }

  /** False for a peer that connected by another interface before the listener was told. */
  admits(descriptor: number): boolean {
    return this.device === null || this.native.deviceOf(descriptor) === this.device
  }
}

/** Linux's number, as `SO_DOMAIN` answers it. */
const AF_INET6 = 10

function wanted(options: LinkOptions): string[] {
  const { sendBufferSize, receiveBufferSize, tcpKeepaliveCount, tcpKeepaliveInterval } = options
  const buffers = { sendBufferSize, receiveBufferSize, tcpKeepaliveCount, tcpKeepaliveInterval }
  const names = Object.entries(buffers).flatMap(([name, value]) => ((value ?? -1) >= 0 ? [name] : []))
  const { tcpMaxRetransmitTimeout, typeOfService, interface: device } = options
  for (const [name, value] of Object.entries({ tcpMaxRetransmitTimeout, typeOfService, interface: device })) {
    if (value !== undefined && value !== null && value !== 0) names.push(name)
  }
  return names
}

function settings(options: LinkOptions): [SocketOption, number][] {
  const list: [SocketOption, number | undefined][] = [
    ["SO_SNDBUF", options.sendBufferSize],
    ["SO_RCVBUF", options.receiveBufferSize],
    ["TCP_USER_TIMEOUT", options.tcpMaxRetransmitTimeout || undefined],
  ]
  if (options.tcpKeepalive === 1) {
    list.push(
      ["SO_KEEPALIVE", 1],
      ["TCP_KEEPIDLE", options.tcpKeepaliveIdle > 0 ? options.tcpKeepaliveIdle : undefined],
      ["TCP_KEEPINTVL", options.tcpKeepaliveInterval],
      ["TCP_KEEPCNT", options.tcpKeepaliveCount],
    )
  }
  return list.flatMap(([name, value]) => (value === undefined || value < 0 ? [] : [[name, value]]))
}
