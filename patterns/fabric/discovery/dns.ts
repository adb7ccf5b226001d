import { HeddleError } from "../../../core/errors.ts"
import { integer } from "../../../core/options.ts"
import type { Discovery } from "./discovery.ts"
import { type DnsResolver, resolverOf, systemResolver } from "./dns-resolver.ts"
import { DnsSession } from "./dns-session.ts"
import { SessionDiscovery } from "./session.ts"

export interface DnsOptions {
  /** A host name that has the addresses of all nodes, or the name of SRV records, "_heddle._tcp.shop.default.svc". */
  readonly name: string
  /** Where the nodes listen. Needed for a host name; SRV records bring their own. */
  readonly port?: number
  /** Whether the name is one of SRV records (RFC 2782). Default: whether it begins with "_". */
  readonly srv?: boolean
  /** 4 or 6: only A or only AAAA records. Default: both. */
  readonly family?: 4 | 6
  /** Milliseconds between questions; at least 10. Default 10,000. */
  readonly interval?: number
  /**
   * Who is asked; a `dns.promises.Resolver` will do, names are to be complete then. Default: the system, with its hosts
   * file and its search list.
   */
  readonly resolver?: DnsResolver
  /** Addresses that are taken of an answer; more are left out, with a warning. Default 1,024. */
  readonly limit?: number
}

const PORT = integer(0, { min: 1, max: 65_535 })
const INTERVAL = integer(10_000, { min: 10, unit: "milliseconds" })
const LIMIT = integer(1_024, { min: 1, max: 65_536 })

/**
 * Nodes at the addresses of a name, asked for again in each `interval`: a headless service of Kubernetes
 * (`{ name: "shop.default.svc", port: 7000 }`), a service of Docker Compose, SRV records. That the name is unknown or its
 * server silent is a warning: it is asked again.
 *
 * Throws EINVAL for a host name without a port.
 */
export function dns(options: DnsOptions): Discovery {
  const { name, srv = name.startsWith("_"), family, resolver } = options
  if (name === "" || name.length > 255) {
    throw new HeddleError("EINVAL", `Invalid argument: a DNS name has 1 to 255 characters, not ${name.length}`)
  }
  if (!srv && options.port === undefined) {
    throw new HeddleError(
      "EINVAL",
      `Invalid argument: the addresses of ${name} come without ports; set the option port, or srv`,
      { address: name },
    )
  }
  if (family !== undefined && family !== 4 && family !== 6) {
    throw new HeddleError("EINVAL", `Invalid argument: option family is ${family}; it takes 4, 6 or nothing for both`)
  }
  const settings = {
    name,
    srv,
    port: srv ? 0 : PORT.check(options.port, "port"),
    interval: INTERVAL.check(options.interval ?? INTERVAL.initial, "interval"),
    limit: LIMIT.check(options.limit ?? LIMIT.initial, "limit"),
  }
  return new SessionDiscovery("dns", (host, self) => {
    const lookup = resolver === undefined ? systemResolver(family) : resolverOf(resolver, family)
    return new DnsSession(host, self, settings, lookup)
  })
}
