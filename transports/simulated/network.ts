import { HeddleError } from "../../core/errors.ts"
import type { Clock } from "./clock.ts"
import { type Conditions, DEFAULT_CONDITIONS, mergeConditions } from "./conditions.ts"
import { SimulatedHost } from "./host.ts"
import { noTraffic, Path, type Traffic } from "./path.ts"
import type { SimulatedPort } from "./port.ts"
import { SeededRandom } from "./random.ts"

export interface NetworkOptions {
  readonly clock: Clock
  /** The same seed, conditions and calls on a virtual clock give the same run, byte for byte. */
  readonly seed: number
  /** Of every way that gets none of its own. */
  readonly conditions?: Partial<Conditions>
}

/** Addresses are numbered within 10.0.0.0/16 and fd00::/112. */
const MOST_HOSTS = 65_534

/** Hosts and the ways between them: datagrams, groups of them, and streams. */
export class SimulatedNetwork {
  readonly clock: Clock
  readonly random: SeededRandom
  private conditions: Conditions
  private readonly hosts = new Map<string, SimulatedHost>()
  private readonly addresses = new Map<string, SimulatedHost>()
  private readonly ways = new Map<SimulatedHost, Map<SimulatedHost, Path>>()
  private readonly cuts = new Set<Path>()
  /** Ports that joined a group, by group, number and host. */
  private readonly groups = new Map<string, Map<number, Map<SimulatedHost, SimulatedPort[]>>>()
  /** Which part of a partitioned network a host is in; hosts that were named in none are in part -1. */
  private parts: Map<SimulatedHost, number> | null = null

  constructor({ clock, seed, conditions = {} }: NetworkOptions) {
    this.clock = clock
    this.random = new SeededRandom(seed)
    this.conditions = mergeConditions(DEFAULT_CONDITIONS, conditions)
  }

  /** The host of this name, made when it is first asked for. Throws EINVAL for a name that cannot stand in an endpoint. */
  host(name: string): SimulatedHost {
    const found = this.hosts.get(name)
    if (found !== undefined) return found
    if (!/^[a-z][\w.-]*$/i.test(name)) {
      throw new HeddleError("EINVAL", `Invalid argument: "${name}" is no name of a host; write letters and digits`)
    }
    const number = this.hosts.size + 1
    if (number > MOST_HOSTS) throw new HeddleError("EMFILE", `A simulated network has at most ${MOST_HOSTS} hosts`)
    const host = new SimulatedHost(this, name, number)
    this.hosts.set(name, host)
    for (const address of [host.address, host.address6]) this.addresses.set(address, host)
    return host
  }

  /** By name or address; null = nobody. */
  find(nameOrAddress: string): SimulatedHost | null {
    return this.hosts.get(nameOrAddress) ?? this.addresses.get(nameOrAddress) ?? null
  }

  /** From now on for all ways; what one has of its own stays. Throws EINVAL. */
  set(conditions: Partial<Conditions>): void {
    this.conditions = mergeConditions(this.conditions, conditions)
    for (const path of this.allPaths()) path.inherit(this.conditions)
  }

  /** From now on for the way from one host to another, and for the way back unless `oneWay`. Throws EINVAL. */
  between(from: SimulatedHost, to: SimulatedHost, conditions: Partial<Conditions>, oneWay = false): void {
    this.path(from, to).set(conditions)
    if (!oneWay) this.path(to, from).set(conditions)
  }

  /** Hosts in different parts do not reach each other; those that are named in none are a part of their own. */
  partition(...parts: readonly (readonly SimulatedHost[])[]): void {
    this.parts = new Map(parts.flatMap((hosts, part) => hosts.map(host => [host, part] as const)))
    this.block()
  }

  /** Nothing more goes from one host to another; the other direction stays as it is. */
  cut(from: SimulatedHost, to: SimulatedHost): void {
    this.cuts.add(this.path(from, to))
    this.block()
  }

  /** Ends the cut in this direction. */
  mend(from: SimulatedHost, to: SimulatedHost): void {
    this.cuts.delete(this.path(from, to))
    this.block()
  }

  /** Ends all cuts and partitions. What streams have kept goes on. */
  heal(): void {
    this.parts = null
    this.cuts.clear()
    this.block()
  }

  /** Of all ways together. */
  get traffic(): Traffic {
    const sum = noTraffic()
    for (const { traffic } of this.allPaths()) {
      for (const name of Object.keys(sum) as (keyof Traffic)[]) sum[name] += traffic[name]
    }
    return sum
  }

  /** The way from one host to another, with its counters. */
  path(from: SimulatedHost, to: SimulatedHost): Path {
    let ways = this.ways.get(from)
    if (ways === undefined) {
      ways = new Map()
      this.ways.set(from, ways)
    }
    let path = ways.get(to)
    if (path === undefined) {
      path = new Path(this.conditions, this.random)
      path.blocked = this.apart(from, to)
      ways.set(to, path)
    }
    return path
  }

  /** Hosts with ports in a group; undefined = nobody joined it. */
  members(group: string, port: number): ReadonlyMap<SimulatedHost, readonly SimulatedPort[]> | undefined {
    return this.groups.get(group)?.get(port)
  }

  join(group: string, member: SimulatedPort): void {
    const { port, owner } = member
    const ports = this.groups.get(group) ?? new Map<number, Map<SimulatedHost, SimulatedPort[]>>()
    this.groups.set(group, ports)
    const hosts = ports.get(port) ?? new Map<SimulatedHost, SimulatedPort[]>()
    ports.set(port, hosts)
    hosts.set(owner, [...(hosts.get(owner) ?? []), member])
  }

  leave(group: string, member: SimulatedPort): void {
    const { port, owner } = member
    const ports = this.groups.get(group)
    const hosts = ports?.get(port)
    if (ports === undefined || hosts === undefined) return
    const left = hosts.get(owner)?.filter(one => one !== member) ?? []
    if (left.length > 0) hosts.set(owner, left)
    else hosts.delete(owner)
    if (hosts.size === 0) ports.delete(port)
    if (ports.size === 0) this.groups.delete(group)
  }

  private block(): void {
    for (const [from, ways] of this.ways) {
      for (const [to, path] of ways) path.blocked = this.cuts.has(path) || this.apart(from, to)
    }
  }

  private apart(one: SimulatedHost, other: SimulatedHost): boolean {
    return this.parts !== null && (this.parts.get(one) ?? -1) !== (this.parts.get(other) ?? -1)
  }

  private *allPaths(): Iterable<Path> {
    for (const ways of this.ways.values()) yield* ways.values()
  }
}
