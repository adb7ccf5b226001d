import net from "node:net"
import os from "node:os"
import type { Endpoint } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"
import { isMulticast } from "../udp/address.ts"

/** `multicast://group:port?interface=eth0`. */
export interface MulticastAddress {
  /** Without brackets. */
  readonly group: string
  readonly family: 4 | 6
  /** 0 = any free one, for who listens. */
  readonly port: number
  /** As the user wrote it, a name or an address of this machine; null = none or `*`: the routing table decides. */
  readonly interface: string | null
}

/** Throws EINVAL. Who sends needs a definite port. */
export function parseMulticastAddress(endpoint: Endpoint, side: "listen" | "dial"): MulticastAddress {
  const cut = endpoint.address.indexOf("?")
  const target = cut < 0 ? endpoint.address : endpoint.address.slice(0, cut)
  const colon = target.lastIndexOf(":")
  if (colon <= 0) throw invalid(endpoint, "write multicast://group:port")
  const host = target.slice(0, colon)
  const group = host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host
  if (group === host && host.includes(":")) {
    throw invalid(endpoint, "put an IPv6 group in brackets: multicast://[ff15::7]:5555")
  }
  if (!isMulticast(group)) {
    throw invalid(
      endpoint,
      `"${group}" is no multicast group; choose one of 239.0.0.0 to 239.255.255.255, or [ff15::7]`,
    )
  }
  const port = portNumber(target.slice(colon + 1), endpoint)
  if (side === "dial" && port === 0)
    throw invalid(endpoint, "* and 0 are ports for bind; all members name the same one")
  const nic = cut < 0 ? null : interfaceOf(endpoint.address.slice(cut + 1), endpoint)
  return { group, family: net.isIPv6(group) ? 6 : 4, port, interface: nic }
}

export function formatMulticastAddress({ group, interface: nic }: MulticastAddress, port: number): string {
  const query = nic === null ? "" : `?interface=${nic}`
  return `multicast://${group.includes(":") ? `[${group}]` : group}:${port}${query}`
}

/** `host:port` of a sender, as endpoints are written. */
export function formatSender(host: string, port: number): string {
  return `multicast://${host.includes(":") ? `[${host}]` : host}:${port}`
}

/** The names of the interfaces that the datagrams may leave by. */
export function interfacesOf(name: string | null): string[] {
  const all = Object.entries(os.networkInterfaces())
  if (name !== null) {
    return all.filter(([nic, own = []]) => nic === name || own.some(one => one.address === name)).map(([nic]) => nic)
  }
  const outside = all.filter(([, own = []]) => own.some(one => !one.internal))
  return (outside.length > 0 ? outside : all).map(([nic]) => nic)
}

function interfaceOf(query: string, endpoint: Endpoint): string | null {
  const given = new URLSearchParams(query)
  for (const name of given.keys()) {
    if (name !== "interface") throw invalid(endpoint, `"${name}" is unknown; the one parameter is interface`)
  }
  const [name = "", ...more] = given.getAll("interface")
  if (name === "" || more.length > 0) throw invalid(endpoint, "name one interface: ?interface=eth0")
  const bare = name.startsWith("[") && name.endsWith("]") ? name.slice(1, -1) : name
  if (isMulticast(bare)) throw invalid(endpoint, `${bare} is a group; name an interface or an address of this machine`)
  return bare === "*" ? null : bare
}

function portNumber(text: string, endpoint: Endpoint): number {
  if (text === "*") return 0
  const port = Number(text)
  if (!/^\d{1,5}$/.test(text) || port > 65535) throw invalid(endpoint, `"${text}" is no port; ports are 0 to 65535`)
  return port
}

function invalid(endpoint: Endpoint, why: string): HeddleError {
  return new HeddleError("EINVAL", `Invalid argument: ${endpoint.href}: ${why}`, {
    address: endpoint.href,
    fatal: true,
  })
}
