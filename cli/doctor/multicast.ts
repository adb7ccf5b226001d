import { plural, whole } from "../units.ts"
import { check } from "./check.ts"
import { type Finding, fail, ok, warn } from "./finding.ts"
import { type Interface, interfaces } from "./interfaces.ts"
import { type ProbeFacts, probe, tryTransport } from "./multicast-probe.ts"

export interface InterfaceFacts extends Interface {
  readonly probes: readonly ProbeFacts[]
  /** Why a message over multicast:// did not come by this interface; null = it did, or plain datagrams did not either. */
  readonly transport: string | null
}

export const multicast = check<readonly InterfaceFacts[]>({
  name: "multicast",
  about: "datagrams to a group, by each interface",
  read: () => Promise.all(interfaces().map(examine)),
  judge: judgeMulticast,
})

async function examine(one: Interface): Promise<InterfaceFacts> {
  const families = [...(one.address === null ? [] : [4 as const]), ...(one.ipv6 ? [6 as const] : [])]
  const probes = await Promise.all(families.map(family => probe(one, family)))
  const way = probes.find(works)
  return { ...one, probes, transport: way === undefined ? null : await tryTransport(one, way.family) }
}

const works = ({ received }: ProbeFacts): boolean => received > 0

export function judgeMulticast(all: readonly InterfaceFacts[]): Finding[] {
  if (all.length === 0) return [fail("interfaces", "none is up", "Bring one up:", "$ ip link set lo up")]
  const findings = all.map(judgeInterface)
  const carriers = all.filter(one => one.probes.some(works))
  const outside = carriers.find(one => !one.loopback)
  if (carriers.length === 0) {
    findings.push(
      fail(
        "multicast",
        "works by no interface",
        "multicast:// and beacons have no way; the fabric takes links, found by folder, seeds or DNS.",
      ),
    )
  } else if (outside === undefined) {
    findings.push(
      warn(
        "multicast",
        "works on this machine only",
        "To reach other hosts, an interface besides loopback must carry it; seeds and DNS find nodes without it.",
      ),
    )
  } else {
    findings.push({ ...ok("between hosts", "takes two to see"), advice: pair(outside.name) })
  }
  return findings
}

/** That a datagram comes back says nothing of switches. */
function pair(name: string): string[] {
  const endpoint = `'multicast://239.255.42.42:5542?interface=${name}'`
  return [
    "Whether switches carry it, only two hosts can see. On the one, then on the other:",
    `$ heddle sub --bind ${endpoint} --count 1`,
    `$ heddle pub --connect ${endpoint} --wait 0 hello`,
    "Nothing comes: IGMP snooping without a querier, a cloud network, or a firewall. Then use seeds or DNS.",
  ]
}

function judgeInterface(one: InterfaceFacts): Finding {
  const { name, mtu } = one
  const packet = mtu === null ? "" : `, MTU ${whole(mtu)}`
  const good = one.probes.filter(works)
  const bad = one.probes.filter(probe => !works(probe))
  if (good.length === 0) return silent(one, `nothing comes back${packet}`)
  const families = good.map(({ family }) => `IPv${family}`).join(" and ")
  const cut = good.find(({ largestCame }) => !largestCame)
  const value = `${families}${packet}`
  if (cut !== undefined) {
    const advice = `Datagrams of ${cut.largest} bytes do not come back, though the interface takes them. Send smaller ones:`
    return warn(name, value, advice, "new Publisher({ multicastMaxTransportDataUnit: 1280 })")
  }
  if (one.transport !== null) {
    return warn(
      name,
      `${value}; multicast:// fails: ${one.transport}`,
      "Plain datagrams come back, Heddle's do not: please report it with this sheet.",
    )
  }
  // Loopback has no route for groups of IPv6 as systems come, and IPv4 is enough there.
  if (bad.length > 0 && !one.loopback) {
    const { advice = [] } = silent({ ...one, probes: bad }, "")
    return warn(name, `${value}; not ${bad.map(({ family }) => `IPv${family}`).join(", ")}`, ...advice)
  }
  return ok(name, bad.length === 0 ? value : `${value} (not IPv6)`)
}

/** Nothing came back of any family. */
function silent({ name, loopback, multicastFlag, probes }: InterfaceFacts, value: string): Finding {
  const [first] = probes
  if (first === undefined) return warn(name, "no address", `$ ip addr show ${name}`)
  const range = first.family === 4 ? "224.0.0.0/4" : "ff00::/8"
  const family = first.family === 4 ? "" : " -6"
  if (first.failure === "ENETUNREACH" || first.failure === "ENODEV" || first.failure === "EADDRNOTAVAIL") {
    return warn(
      name,
      value,
      `The system has no way to ${range} by it (${first.failure}).`,
      `$ ip${family} route add ${range} dev ${name}`,
    )
  }
  if (first.failure !== null) {
    return warn(
      name,
      value,
      `The system refuses (${first.failure}): a firewall for what goes out, or a container that may not.`,
      "$ iptables -S OUTPUT; nft list ruleset",
    )
  }
  // Loopback carries it without saying so.
  if (multicastFlag === false && !loopback) {
    return warn(name, value, "It is set not to carry multicast.", `$ ip link set ${name} multicast on`)
  }
  return warn(
    name,
    value,
    `${plural(first.sent, "datagram")} went to ${first.group} and none came back: a firewall drops what comes in. Let UDP to ${range} in:`,
    `$ ${first.family === 4 ? "iptables" : "ip6tables"} -I INPUT -i ${name} -p udp -d ${range} -j ACCEPT`,
  )
}
