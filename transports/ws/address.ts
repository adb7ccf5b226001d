import net from "node:net"
import type { Endpoint } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"
import { listenHost } from "../udp/address.ts"

/** `ws://host:port/path`, taken apart. */
export interface WebAddress {
  /** Without brackets; `*` = all addresses. */
  readonly host: string
  /** 0 = any free one. */
  readonly port: number
  /** Begins with /. */
  readonly path: string
}

/** Throws EINVAL. Who dials needs a definite host and port; a port that is left out is 80, or 443 for wss (RFC 6455). */
export function parseWebAddress(endpoint: Endpoint, side: "listen" | "dial"): WebAddress {
  const { address, scheme } = endpoint
  const slash = address.indexOf("/")
  const authority = slash < 0 ? address : address.slice(0, slash)
  const path = slash < 0 ? "/" : address.slice(slash)
  if (!/^[\x21-\x7e]+$/.test(path) || /[?#]/.test(path)) {
    throw invalid(endpoint, "a path has visible ASCII characters only, and neither ? nor #")
  }
  if (authority.includes("@")) throw invalid(endpoint, "user names and passwords have no place here")
  const end = authority.lastIndexOf("]") + 1
  const colon = authority.indexOf(":", end)
  let host = colon < 0 ? authority : authority.slice(0, colon)
  if (host.startsWith("[") && host.endsWith("]")) host = host.slice(1, -1)
  else if (authority.indexOf(":") !== authority.lastIndexOf(":"))
    throw invalid(endpoint, `put an IPv6 address in brackets: ${scheme}://[::1]:8080`)
  if (host === "") throw invalid(endpoint, `write ${scheme}://host:port/path`)
  const port = colon < 0 ? (scheme === "wss" ? 443 : 80) : portNumber(authority.slice(colon + 1), endpoint)
  if (side === "dial" && (host === "*" || port === 0)) {
    throw invalid(endpoint, "a peer needs a host and a port; * and 0 are for bind")
  }
  return { host, port, path }
}

/** The address to listen at, which `net` and uWebSockets.js understand. Throws ENODEV. */
export function bindHost({ host }: WebAddress, ipv6: boolean, endpoint: Endpoint): string {
  // A name of this machine is resolved by the library.
  if (host !== "*" && host !== "localhost" && net.isIP(host) === 0 && host.includes(".")) return host
  return listenHost(host, ipv6, endpoint)
}

export function formatWebAddress(scheme: string, host: string, port: number, path: string): string {
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}${path === "/" ? "" : path}`
}

/** An IP address as people write it: uWebSockets.js spells IPv6 in full, and both know IPv4 peers of an IPv6 listener. */
export function plainAddress(address: string): string {
  if (!address.includes(":")) return address
  const short = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short)
  if (mapped === null) return short
  const [high, low] = [Number.parseInt(mapped[1], 16), Number.parseInt(mapped[2], 16)]
  return `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
}

function portNumber(port: string, endpoint: Endpoint): number {
  if (port === "*") return 0
  const number = Number(port)
  if (!/^\d{1,5}$/.test(port) || number > 65535) throw invalid(endpoint, `"${port}" is no port; ports are 0 to 65535`)
  return number
}

function invalid(endpoint: Endpoint, why: string): HeddleError {
  return new HeddleError("EINVAL", `Invalid argument: ${endpoint.href}: ${why}`, {
    address: endpoint.href,
    fatal: true,
  })
}
