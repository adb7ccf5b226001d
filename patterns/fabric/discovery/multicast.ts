import net from "node:net"
import { HeddleError } from "../../../core/errors.ts"
import { integer } from "../../../core/options.ts"
import type { Discovery } from "./discovery.ts"
import { type Ignored, MulticastSession } from "./multicast-session.ts"
import { SessionDiscovery } from "./session.ts"

export interface MulticastOptions {
  /** IPv4 multicast address. Default 239.255.77.77, of the range for private use (RFC 2365). */
  readonly group?: string
  /** UDP port. Default 5677. */
  readonly port?: number
  /**
   * Names or IPv4 addresses of the interfaces that beacons leave and come by; "*" = every one. Default: every one by which
   * the node can be reached: loopback alone for one that listens at a loopback address or a Unix socket, that of its
   * address and loopback, or all for one that listens at a wildcard. Interfaces that come later are used, too, unless they
   * are named here.
   */
  readonly interface?: string | readonly string[]
  /** Milliseconds between beacons; at least 10. Default 1,000. */
  readonly interval?: number
  /** Networks that a beacon may cross, 1 to 255. Default 1: it stays in its own. */
  readonly ttl?: number
  /** Nodes that are kept in mind; more are ignored, with a warning. Default 4,096. */
  readonly limit?: number
}

export interface MulticastDiscovery extends Discovery {
  /** Datagrams that were not used, by reason, since it was made. */
  readonly ignored: Readonly<Record<Ignored, number>>
}

/** Beside the port of ZRE (RFC 36), 5670, whose beacons are others. */
const PORT = integer(5_677, { min: 1, max: 65_535 })
const GROUP = "239.255.77.77"
const INTERVAL = integer(1_000, { min: 10, unit: "milliseconds" })
const TTL = integer(1, { min: 1, max: 255 })
const LIMIT = integer(4_096, { min: 1, max: 1_000_000 })

/**
 * Nodes announce themselves by UDP multicast, once in each `interval`, and at once to a newcomer. Nodes that listen at a
 * wildcard are dialled at the address that their beacon came from.
 *
 * Beacons are not authenticated: whoever can send to the group can make nodes dial it, or say goodbye in the name of a
 * node on its own address. Most clouds and container networks carry no multicast: use `dns` or `seeds` there.
 *
 * `start` rejects with EMSGSIZE when the endpoints do not fit into a beacon (1,200 bytes), EADDRNOTAVAIL when this
 * machine has no such interface, EADDRINUSE when another program has the port for itself.
 */
export function multicast(options: MulticastOptions = {}): MulticastDiscovery {
  const group = options.group ?? GROUP
  if (!net.isIPv4(group) || Number(group.split(".")[0]) >> 4 !== 14) {
    throw new HeddleError(
      "EINVAL",
      `Invalid argument: ${group} is no IPv4 multicast address; those are 224.0.0.0 to 239.255.255.255`,
      { address: group },
    )
  }
  const settings = {
    group,
    port: PORT.check(options.port ?? PORT.initial, "port"),
    interfaces: interfacesOf(options.interface),
    interval: INTERVAL.check(options.interval ?? INTERVAL.initial, "interval"),
    ttl: TTL.check(options.ttl ?? TTL.initial, "ttl"),
    limit: LIMIT.check(options.limit ?? LIMIT.initial, "limit"),
  }
  const ignored: Record<Ignored, number> = { foreign: 0, malformed: 0, fabric: 0, network: 0, unreachable: 0, limit: 0 }
  const source = new SessionDiscovery("multicast", (host, self) => new MulticastSession(host, self, settings, ignored))
  return Object.assign(source, { ignored })
}

/** Null: as the endpoints say. */
function interfacesOf(wanted: MulticastOptions["interface"]): readonly string[] | null {
  if (wanted === undefined) return null
  const names = typeof wanted === "string" ? [wanted] : wanted
  if (Array.isArray(names) && names.length > 0 && names.every(one => typeof one === "string"))
    return [...new Set(names)]
  throw new HeddleError(
    "EINVAL",
    "Invalid argument: option interface takes the name of an interface, or a list of names",
  )
}
