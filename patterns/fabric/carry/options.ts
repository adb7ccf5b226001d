import type { Context } from "../../../core/context.ts"
import type { LinkOptions } from "../../../core/contract.ts"
import { parseEndpoint } from "../../../core/endpoint.ts"
import { HeddleError } from "../../../core/errors.ts"
import type { CarryOptions, JoinOptions } from "../options.ts"
import { checkNames, whole } from "../options.ts"
import { checkUserPattern } from "../reserved.ts"

/** A group that carries subjects, as one node knows it. */
export interface CarryGroup {
  /** Names the group between nodes: its endpoint without what each node says of its own interface. */
  readonly key: string
  readonly keyBytes: Buffer
  readonly href: string
  /** In the order of the option. */
  readonly patterns: readonly string[]
  readonly threshold: number
  /** Milliseconds. */
  readonly probe: number
}

/** Groups that one node may use; each is a socket, and more than a few are a mistake. */
const MAX_GROUPS = 64
const MAX_KEY = 256
/** Unicast is as cheap for fewer. */
const THRESHOLD = 2
const PROBE = 3_000
/** Milliseconds: hundreds of round trips of any network that carries multicast. */
const RECOVERY = 1_000

const NAMES: ReadonlySet<string> = new Set(["group", "threshold", "probe"] satisfies (keyof CarryOptions)[])

/** Throws EINVAL, EPROTONOSUPPORT, and as the transport's own check does. */
export function carryGroupsOf(
  carry: NonNullable<JoinOptions["carry"]>,
  context: Context,
  links: LinkOptions,
): CarryGroup[] {
  if (typeof carry !== "object" || carry === null || Array.isArray(carry)) {
    throw invalid(`it takes an object of patterns and groups, { "ticks.>": "multicast://239.7.7.7:7777" }`)
  }
  const groups = new Map<string, CarryGroup & { patterns: string[] }>()
  for (const [pattern, value] of Object.entries(carry)) {
    checkUserPattern(pattern)
    const options: CarryOptions = typeof value === "string" ? { group: value } : value
    if (typeof options !== "object" || options === null || typeof options.group !== "string")
      throw invalid(`"${pattern}" takes the endpoint of a group, or { group, threshold, probe }`)
    checkNames("carry", options, NAMES)
    const href = options.group
    checkGroupEndpoint(href, context, groupOptions(links))
    const key = href.split("?", 1)[0]
    if (Buffer.byteLength(key) > MAX_KEY) throw invalid(`the group of "${pattern}" has more than ${MAX_KEY} bytes`)
    const threshold = whole("carry.threshold", options.threshold, THRESHOLD, 1)
    const probe = whole("carry.probe", options.probe, PROBE, 30, 60_000)
    const known = groups.get(key)
    if (known === undefined) {
      if (groups.size === MAX_GROUPS) throw invalid(`it has more than ${MAX_GROUPS} groups`)
      groups.set(key, { key, keyBytes: Buffer.from(key), href, patterns: [pattern], threshold, probe })
    } else if (known.href !== href || known.threshold !== threshold || known.probe !== probe) {
      throw invalid(`two patterns say different things of the group ${key}; "${pattern}" is the second`)
    } else known.patterns.push(pattern)
  }
  return [...groups.values()]
}

/** How groups are opened. */
export function groupOptions(links: LinkOptions): LinkOptions {
  return {
    ...links,
    // Nodes of one machine are peers like others.
    multicastLoopback: true,
    // What the group cannot repair soon comes by link: nothing is gained by waiting longer for it.
    recoveryInterval: RECOVERY,
  }
}

function checkGroupEndpoint(href: string, context: Context, links: LinkOptions): void {
  const endpoint = parseEndpoint(href)
  const transport = context.transportOf(endpoint.scheme, href)
  // udp:// leads to an address as well, but what does not fit into a datagram is lost.
  if (transport.addressed !== true || transport.largestDatagram !== undefined)
    throw invalid(`${endpoint.scheme}:// leads to no group; write multicast://group:port?interface=eth0`)
  transport.check(endpoint, "dial", "PUB", links)
  transport.check(endpoint, "listen", "SUB", links)
}

function invalid(what: string): HeddleError {
  return new HeddleError("EINVAL", `Invalid argument: option carry: ${what}`)
}
