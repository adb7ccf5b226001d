import net from "node:net"
import os from "node:os"
import type { Endpoint } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"

/** `udp://[interface;]host:port`, as libzmq spells it. */
export interface UdpAddress {
  /** As the user wrote it, a name or an address of this machine; null = none or `*`: the routing table decides. */
  readonly interface: string | null
  /** Without brackets. */
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  readonly multicast: boolean
}

/** Throws EINVAL. Who dials needs a definite host and port. */
export function parseUdpAddress(endpoint: Endpoint, side: "listen" | "dial"): UdpAddress {
  const { address } = endpoint
  const cut = address.lastIndexOf(";")
  const target = address.slice(cut + 1)
  const colon = target.lastIndexOf(":")
  if (colon <= 0 || colon === target.length - 1) throw invalid(endpoint, "write udp://host:port")
  const host = withoutBrackets(target.slice(0, colon))
  if (host === null) throw invalid(endpoint, "put an IPv6 address in brackets: udp://[::1]:5555")
  const port = portNumber(target.slice(colon + 1), endpoint)
  if (side === "dial" && (host === "*" || port === 0)) {
    throw invalid(endpoint, "datagrams are sent to a host and a port; * and 0 are for bind")
  }
  const multicast = isMulticast(host)
  return {
    interface: cut < 0 ? null : interfaceName(address.slice(0, cut), multicast, endpoint),
    host,
    port,
    multicast,
  }
}

/** 224.0.0.0/4 (RFC 5771) and ff00::/8 (RFC 4291). */
export function isMulticast(host: string): boolean {
  if (net.isIPv4(host)) return Number.parseInt(host, 10) >> 4 === 14
  return net.isIPv6(host) && /^ff[0-9a-f]{2}:/i.test(host)
}

/**
 * An interface in the words of the multicast calls: its IPv4 address, or `::%name` for IPv6. Undefined where the user
 * named none. Throws ENODEV.
 */
export function multicastInterface(name: string | null, family: 4 | 6, endpoint: Endpoint): string | undefined {
  if (name === null) return undefined
  if (family === 4 && net.isIPv4(name)) return name
  for (const [nic, addresses = []] of Object.entries(os.networkInterfaces())) {
    if (nic !== name && !addresses.some(one => one.address === name)) continue
    if (family === 6) return `::%${nic}`
    const found = addresses.find(one => one.family === "IPv4")
    if (found !== undefined) return found.address
  }
  throw noInterface(name, family, endpoint)
}

/** The address to bind to for a host that is no group: a literal, `*`, `localhost`, or the first address of an interface. */
export function listenHost(host: string, ipv6: boolean, endpoint: Endpoint): string {
  if (host === "*") return ipv6 ? "::" : "0.0.0.0"
  if (net.isIP(host) !== 0) return host
  if (host === "localhost") return "127.0.0.1"
  const addresses = os.networkInterfaces()[host] ?? []
  const found = addresses.find(one => one.family === "IPv4") ?? (ipv6 ? addresses[0] : undefined)
  if (found !== undefined) return found.address
  throw noInterface(host, ipv6 ? 6 : 4, endpoint)
}

/** Bound to the group itself a socket hears nothing but the group; Windows binds to addresses of its own only. */
export function groupHost(group: string, via: string | undefined): string {
  if (process.platform === "win32") return net.isIPv6(group) ? "::" : "0.0.0.0"
  if (net.isIPv4(group) || !needsInterface(group)) return group
  return via === undefined ? "::" : `${group}${via.slice(2)}`
}

/** Where we send from. Who sends to this machine, or by one interface, need not be reached from elsewhere. */
export function sourceHost(host: string, via: string | undefined): string {
  if (net.isIPv6(host)) return host === "::1" ? "::1" : "::"
  if (via !== undefined) return via
  return host.startsWith("127.") ? "127.0.0.1" : "0.0.0.0"
}

export function formatUdpAddress(nic: string | null, host: string, port: number): string {
  return `udp://${nic === null ? "" : `${nic};`}${host.includes(":") ? `[${host}]` : host}:${port}`
}

/** A group that means another one on each interface: the kernel takes it with the interface only (RFC 4007). */
function needsInterface(group: string): boolean {
  return /^ff[0-9a-f][12]:/i.test(group)
}

function interfaceName(text: string, multicast: boolean, endpoint: Endpoint): string | null {
  const name = withoutBrackets(text) ?? text
  if (name === "") throw invalid(endpoint, "write an interface before the semicolon: udp://eth0;239.0.0.1:5555")
  if (!multicast) throw invalid(endpoint, "an interface stands before a multicast group only")
  if (isMulticast(name)) throw invalid(endpoint, `${name} is a group; the interface goes first: udp://eth0;group:port`)
  return name === "*" ? null : name
}

/** Null for an IPv6 address without brackets. */
function withoutBrackets(host: string): string | null {
  if (host.startsWith("[") && host.endsWith("]")) return host.slice(1, -1)
  return host.includes(":") ? null : host
}

function portNumber(text: string, endpoint: Endpoint): number {
  if (text === "*") return 0
  const port = Number(text)
  if (!/^\d{1,5}$/.test(text) || port > 65535) throw invalid(endpoint, `"${text}" is no port; ports are 0 to 65535`)
  return port
}

function noInterface(name: string, family: 4 | 6, endpoint: Endpoint): HeddleError {
  return new HeddleError(
    "ENODEV",
    `This machine has no interface ${name} with an IPv${family} address (of ${endpoint.href}); write its name, an address of its own, or *`,
    { address: endpoint.href },
  )
}

function invalid(endpoint: Endpoint, why: string): HeddleError {
  return new HeddleError("EINVAL", `Invalid argument: ${endpoint.href}: ${why}`, {
    address: endpoint.href,
    fatal: true,
  })
}
