import type { PortOptions } from "../udp/port.ts"
import type { Clock, Timer } from "./clock.ts"
import type { SimulatedNetwork } from "./network.ts"
import type { Path, Traffic } from "./path.ts"
import { SimulatedPort } from "./port.ts"
import { StreamPorts } from "./stream-ports.ts"
import { systemError } from "./system-error.ts"

/** A datagram that has arrived and waits for its process. */
interface Waiting {
  readonly port: SimulatedPort
  readonly bytes: Buffer
  readonly host: string
  readonly from: number
  readonly traffic: Traffic
}

/** Where a system looks for free ports (RFC 6335). */
const FIRST_FREE = 49_152

/** One machine with one process on it. */
export class SimulatedHost {
  readonly network: SimulatedNetwork
  readonly name: string
  readonly address: string
  readonly address6: string
  readonly streams: StreamPorts
  /** Milliseconds that the process takes for each datagram that it reads: what comes faster fills the buffer. */
  cost = 0
  /** Bytes per second that the interface sends of datagrams; 0 = no limit. What waits for it fills the socket's buffer. */
  uplink = 0
  /** Probability that a datagram to a group is lost before the ways part: to all alike. */
  groupLoss = 0
  /** Timers of the process: while it is frozen none of them runs. */
  readonly clock: Clock
  private readonly ports = new Map<number, SimulatedPort[]>()
  private inbox: Waiting[] = []
  private busyUntil = 0
  private working: Timer | null = null
  private halted = false
  private late: (() => void)[] = []
  private nextFree = FIRST_FREE
  /** When the interface has sent all that it was given. */
  sendsUntil = 0

  constructor(network: SimulatedNetwork, name: string, number: number) {
    this.network = network
    this.name = name
    this.address = `10.0.${number >> 8}.${number & 255}`
    this.address6 = `fd00::${number.toString(16)}`
    this.streams = new StreamPorts(this)
    const { clock } = network
    this.clock = {
      now: () => clock.now(),
      after: (milliseconds, run) =>
        clock.after(milliseconds, () => {
          if (this.halted) this.late.push(run)
          else run()
        }),
    }
  }

  get frozen(): boolean {
    return this.halted
  }

  /** The process stands still (SIGSTOP, a long pause for garbage): its system goes on to receive until buffers are full. */
  freeze(): void {
    this.halted = true
  }

  thaw(): void {
    if (!this.halted) return
    this.halted = false
    const late = this.late
    this.late = []
    for (const run of late) run()
    this.work()
  }

  /** Power fails and comes back: ports, listeners and streams are gone, and nobody was told. */
  crash(): void {
    for (const ports of [...this.ports.values()]) for (const port of [...ports]) port.close()
    this.streams.forget()
    this.inbox = []
    this.late = []
  }

  /** Who is meant by a name or an address, seen from here; null = nobody. */
  resolve(target: string): SimulatedHost | null {
    if (target === "localhost" || target.startsWith("127.") || target === "::1") return this
    return this.network.find(target)
  }

  /** What the transports of datagrams take for their ports. Rejects as `bind` throws. */
  readonly open = async (options: PortOptions): Promise<SimulatedPort> => this.bind(options)

  /** Throws EADDRINUSE, EADDRNOTAVAIL. */
  bind(options: PortOptions): SimulatedPort {
    const port = options.port === 0 ? this.freePort(number => this.ports.has(number)) : options.port
    const others = this.ports.get(port) ?? []
    if (others.some(other => other.excludes(options))) throw systemError("EADDRINUSE", `port ${port} of ${this.name}`)
    if (options.group === null && !this.owns(options.host)) {
      throw systemError("EADDRNOTAVAIL", `${options.host} of ${this.name}`)
    }
    const opened = new SimulatedPort(this, port, options)
    this.ports.set(port, [...others, opened])
    if (options.group !== null) this.network.join(options.group, opened)
    return opened
  }

  /** Puts a datagram on the way that claims to come from `from`. */
  forge(
    bytes: Buffer,
    from: { readonly host: string; readonly port: number },
    to: { readonly host: string; readonly port: number },
  ): void {
    this.dispatch(this.network.clock.now(), Buffer.from(bytes), from.host, from.port, to.host, to.port, true)
  }

  /** A free port for `taken`. Throws EADDRINUSE. */
  freePort(taken: (port: number) => boolean): number {
    for (let tries = FIRST_FREE; tries < 65_536; tries++) {
      const port = this.nextFree
      this.nextFree = port === 65_535 ? FIRST_FREE : port + 1
      if (!taken(port)) return port
    }
    throw systemError("EADDRINUSE", `all ports of ${this.name} are taken`)
  }

  owns(address: string): boolean {
    return ["0.0.0.0", "::", "*"].includes(address) || this.resolve(address) === this
  }

  // From ports and from the network

  release(port: SimulatedPort): void {
    const left = this.ports.get(port.port)?.filter(one => one !== port) ?? []
    if (left.length > 0) this.ports.set(port.port, left)
    else this.ports.delete(port.port)
    const { group } = port.options
    if (group !== null) this.network.leave(group, port)
  }

  /** Sends a datagram to whom it is for, each by the way to him, at the moment `leaves`. The bytes must not change. */
  dispatch(leaves: number, bytes: Buffer, host: string, from: number, to: string, port: number, loops: boolean): void {
    const members = this.network.members(to, port)
    if (members !== undefined) {
      if (this.groupLoss > 0 && this.network.random.chance(this.groupLoss)) return
      for (const member of members.keys()) {
        if (member !== this || loops) this.put(leaves, member, bytes, host, from, to, port)
      }
      return
    }
    const target = this.resolve(to)
    if (target !== null) this.put(leaves, target, bytes, host, from, to, port)
  }

  /** The process reads what waits, as far as it may. */
  private work(): void {
    this.working?.cancel()
    this.working = null
    const { clock } = this.network
    while (!this.halted && clock.now() >= this.busyUntil) {
      const next = this.inbox.shift()
      if (next === undefined) break
      this.busyUntil = clock.now() + this.cost
      next.port.free(next.bytes.length)
      next.port.read(next.bytes, next.host, next.from, next.traffic)
    }
    if (this.inbox.length > 0 && !this.halted && this.working === null) {
      this.working = clock.after(this.busyUntil - clock.now(), () => this.work())
    }
  }

  private put(
    leaves: number,
    target: SimulatedHost,
    bytes: Buffer,
    host: string,
    from: number,
    to: string,
    port: number,
  ): void {
    const { clock } = this.network
    const path = this.network.path(this, target)
    const at = path.arrival(leaves, bytes.length)
    if (Number.isNaN(at)) return
    const arrive = (): void => target.arrive(path, bytes, host, from, to, port)
    clock.after(at - clock.now(), arrive)
    if (path.duplicates()) clock.after(at - clock.now() + path.echo(), arrive)
  }

  private arrive(path: Path, bytes: Buffer, host: string, from: number, to: string, port: number): void {
    const { traffic } = path
    const group = this.network.members(to, port)
    const ports = group === undefined ? this.heirs(to, port) : (group.get(this) ?? [])
    if (ports.length === 0) traffic.unheard++
    for (const one of ports) {
      if (!this.halted && this.cost === 0 && this.inbox.length === 0) one.read(bytes, host, from, traffic)
      else if (one.reserve(bytes.length)) this.inbox.push({ port: one, bytes, host, from, traffic })
      else traffic.overflowed++
    }
    if (this.inbox.length > 0 && this.working === null) this.work()
  }

  /** Of several sockets at one port the last one gets what is not for a group. */
  private heirs(to: string, port: number): readonly SimulatedPort[] {
    const found = this.ports.get(port)?.filter(one => one.hears(to)) ?? []
    return found.slice(-1)
  }
}
