import { parseEndpoint } from "../../../core/endpoint.ts"
import { HeddleError } from "../../../core/errors.ts"
import { integer } from "../../../core/options.ts"
import type { Announcement, Discovery, DiscoveryHost } from "./discovery.ts"
import { isOwn } from "./net-address.ts"
import { Repeat } from "./repeat.ts"
import { type Session, SessionDiscovery } from "./session.ts"

export interface SeedsOptions {
  /** Milliseconds between attempts to reach them again; at least 10. Default 5,000. */
  readonly retry?: number
}

/** Seeds are to be few, everybody else is learnt from them; each is dialled for ever. */
const MAX_SEEDS = 1_024

const RETRY = integer(5_000, { min: 10, unit: "milliseconds" })

/**
 * Nodes at addresses that are known beforehand: `seeds(["tcp://10.0.0.7:7000", "tcp://shop-1:7000"])`. Whoever reaches
 * one of them learns of all others from it. They are offered again every `retry` milliseconds, so that one that starts
 * later or comes back is found; our own address may be in the list.
 *
 * Throws EINVAL for an endpoint that none can dial, or more than 1,024 of them.
 */
export function seeds(endpoints: readonly string[], { retry = RETRY.initial }: SeedsOptions = {}): Discovery {
  const every = RETRY.check(retry, "retry")
  const all = checkSeeds(endpoints)
  return new SessionDiscovery("seeds", (host, self) => new SeedsSession(host, self, all, every))
}

function checkSeeds(endpoints: readonly string[]): readonly string[] {
  const all = [...new Set(endpoints)]
  if (all.length > MAX_SEEDS) {
    throw new HeddleError(
      "EINVAL",
      `Invalid argument: ${all.length} seeds; name at most ${MAX_SEEDS}, the others are learnt from them`,
    )
  }
  for (const endpoint of all) {
    const { address } = parseEndpoint(endpoint)
    if (address.startsWith("*") || /:(\*|0)$/.test(address)) {
      throw new HeddleError(
        "EINVAL",
        `Invalid argument: seed ${endpoint} has a wildcard; name the address and port that it listens at`,
        { address: endpoint },
      )
    }
  }
  return all
}

class SeedsSession implements Session {
  private readonly repeat: Repeat

  constructor(host: DiscoveryHost, self: Announcement, all: readonly string[], retry: number) {
    const others = all.filter(one => !isOwn(one, self.endpoints))
    this.repeat = new Repeat(
      () => {
        for (const endpoint of others) host.found({ endpoints: [endpoint] })
      },
      () => retry,
    )
  }

  begin(): Promise<void> {
    return this.repeat.now()
  }

  end(): Promise<void> {
    return this.repeat.stop()
  }
}
