import net from "node:net"
import os from "node:os"

/** The parts of `tcp://host:port` and its like; the host without brackets, `rest` a path that may follow (ws). */
export interface NetAddress {
  readonly scheme: string
  readonly host: string
  readonly port: number
  readonly rest: string
}

const ADDRESS = /^([a-z][a-z0-9+.-]*):\/\/(?:\[([^[\]/]+)\]|([^[\]:/]+)):(\d{1,5})(\/.*)?$/

/** All addresses of a machine, of IPv4 and IPv6. */
const WILDCARDS: readonly string[] = ["*", "0.0.0.0", "::"]

/** Null for endpoints without host and port. */
export function parseAddress(endpoint: string): NetAddress | null {
  const match = ADDRESS.exec(endpoint)
  if (match === null) return null
  const port = Number(match[4])
  if (port < 1 || port > 65535) return null
  return { scheme: match[1], host: match[2] ?? match[3], port, rest: match[5] ?? "" }
}

/** An IPv6 address gets its brackets. */
export function formatAddress({ scheme, host, port, rest }: NetAddress): string {
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}${rest}`
}

/** Whether somebody who listens there listens at all addresses of its machine. */
export function isWildcard(host: string): boolean {
  return WILDCARDS.includes(host)
}

export function isLoopback(host: string): boolean {
  return host === "::1" || host === "localhost" || (net.isIPv4(host) && host.startsWith("127."))
}

/** Whether this machine has the address. */
export function isLocal(host: string): boolean {
  if (isLoopback(host)) return true
  for (const addresses of Object.values(os.networkInterfaces())) {
    if (addresses?.some(one => one.address === host)) return true
  }
  return false
}

/**
 * Whether dialling `endpoint` would reach the node that listens at `own`. Lists of seeds and DNS names often hold the one
 * who asks. A host name may still turn out to be our own: only the handshake tells then.
 */
export function isOwn(endpoint: string, own: readonly string[]): boolean {
  if (own.includes(endpoint)) return true
  const there = parseAddress(endpoint)
  if (there === null) return false
  return own.some(one => {
    const here = parseAddress(one)
    if (here === null || here.scheme !== there.scheme || here.port !== there.port) return false
    return here.host === there.host || (isWildcard(here.host) && isLocal(there.host))
  })
}

/**
 * What can be dialled of the endpoints that somebody at `source` names: its wildcards become its address. A stranger's
 * loopback addresses and files would be ours, not its own, and are left out.
 */
export function reachable(endpoints: readonly string[], source: string): string[] {
  const near = isLocal(source)
  return endpoints.flatMap(endpoint => {
    const address = parseAddress(endpoint)
    if (address === null) return near ? [endpoint] : []
    if (isWildcard(address.host)) return [formatAddress({ ...address, host: source })]
    return near || !isLoopback(address.host) ? [endpoint] : []
  })
}
