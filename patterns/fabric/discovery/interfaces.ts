import net from "node:net"
import os from "node:os"
import { HeddleError } from "../../../core/errors.ts"
import { isLoopback, isWildcard, parseAddress } from "./net-address.ts"

/** An interface that beacons leave and come by. */
export interface Reach {
  readonly name: string
  /** Of IPv4, where it sends from. */
  readonly address: string
  /** Its networks: address and bits. */
  readonly networks: readonly (readonly [address: string, bits: number])[]
}

/** Every interface with an IPv4 address that is up; loopback first, which is there always. */
function allInterfaces(): Reach[] {
  const found: Reach[] = []
  for (const [name, addresses = []] of Object.entries(os.networkInterfaces())) {
    const own = addresses.filter(one => one.family === "IPv4")
    if (own.length === 0) continue
    const networks = own.map(({ address, cidr }) => [address, Number(cidr?.split("/")[1] ?? 32)] as const)
    found.push({ name, address: own[0].address, networks })
  }
  return found.sort((a, b) => Number(isLoopback(b.address)) - Number(isLoopback(a.address)))
}

/** The interfaces that are named, by name or address; `*` = all. Throws EADDRNOTAVAIL for one that is not there. */
export function namedInterfaces(wanted: readonly string[]): Reach[] {
  const all = allInterfaces()
  if (wanted.includes("*")) return all
  return wanted.map(one => {
    for (const reach of all) {
      if (reach.name === one) return reach
      if (reach.networks.some(([address]) => address === one)) return { ...reach, address: one }
    }
    throw new HeddleError(
      "EADDRNOTAVAIL",
      `This machine has no interface ${one} with an IPv4 address; name one of: ${all.map(({ name }) => name).join(", ")}`,
      { address: one },
    )
  })
}

/**
 * Every interface by which somebody could reach one of these endpoints: loopback, where others of this machine are; that
 * of an address of ours; all for a wildcard, for a name, and for an address that is not ours, which somebody translates.
 */
export function interfacesFor(endpoints: readonly string[]): Reach[] {
  const all = allInterfaces()
  return all.filter(
    ({ address, networks }) => isLoopback(address) || endpoints.some(one => reaches(networks, one, all)),
  )
}

function reaches(networks: Reach["networks"], endpoint: string, all: readonly Reach[]): boolean {
  const host = parseAddress(endpoint)?.host
  // A Unix socket, or a name within this process.
  if (host === undefined || isLoopback(host)) return false
  if (isWildcard(host) || net.isIP(host) === 0) return true
  const isOurs = ({ networks: own }: Pick<Reach, "networks">): boolean => own.some(([address]) => address === host)
  return isOurs({ networks }) || !all.some(isOurs)
}
