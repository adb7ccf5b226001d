import { Context } from "../../core/context.ts"
import { HeddleError } from "../../core/errors.ts"
import { InprocTransport } from "../inproc/transport.ts"
import { MulticastTransport } from "../multicast/transport.ts"
import { UdpTransport } from "../udp/transport.ts"
import type { Clock } from "./clock.ts"
import type { Conditions } from "./conditions.ts"
import type { SimulatedHost } from "./host.ts"
import { withHostNames } from "./named-hosts.ts"
import { SimulatedNetwork } from "./network.ts"
import type { Traffic } from "./path.ts"
import { ProcessClock } from "./process-clock.ts"
import { SeededRandom } from "./random.ts"
import { RealClock } from "./real-clock.ts"
import { SimulatedTcpTransport } from "./stream-transport.ts"

export interface SimulationOptions extends Partial<Conditions> {
  /** Decides what is lost, delayed, doubled. Default: another one each time; `Simulation.seed` tells it. */
  readonly seed?: number
  /**
   * `"real"` (default): delays pass in real time. `"virtual"`: time passes only by `Simulation.run`, and for the whole
   * thread: `setTimeout`, `setInterval`, `performance.now` and `Math.random` are replaced until `close`.
   */
  readonly time?: "real" | "virtual"
}

/** A machine of a simulated network, and the context for the sockets on it. */
export interface HostOfSimulation {
  readonly name: string
  /** As others reach it; its name does as well. */
  readonly address: string
  /** Give it to sockets and to `join`: `new Publisher({ context: host.context })`. It has tcp, udp, multicast and inproc. */
  readonly context: Context
  /** The process stands still: what comes for it waits in the buffers of its system, and is lost when they are full. */
  freeze(): void
  thaw(): void
  /** Breaks all its streams; both ends hear of it. */
  reset(): void
  /** Power fails and comes back: ports and streams are gone, and nobody was told. */
  crash(): void
  /** Milliseconds that it takes for each datagram that it reads. Default 0. */
  cost: number
}

/** Several hosts in one process, and a network between them that is as bad as you want it. See `simulate`. */
export class Simulation {
  readonly seed: number
  private readonly network: SimulatedNetwork
  private readonly clock: Clock
  private readonly virtual: ProcessClock | null
  private readonly hosts = new Map<string, Host>()
  private readonly random: () => number

  /** See `simulate`. */
  constructor({ seed, time = "real", ...conditions }: SimulationOptions) {
    this.seed = (seed ?? Math.floor(Math.random() * 2 ** 32)) >>> 0
    // Numbers of their own: how often the program asks for chance must not change what the network does.
    const random = new SeededRandom(~this.seed)
    this.random = () => random.next()
    this.virtual = time === "virtual" ? new ProcessClock(this.random) : null
    this.clock = this.virtual ?? new RealClock()
    this.network = new SimulatedNetwork({ clock: this.clock, seed: this.seed, conditions })
    this.virtual?.install()
  }

  /** The host of this name, made when it is first asked for. */
  host(name: string): HostOfSimulation {
    let host = this.hosts.get(name)
    if (host === undefined) {
      host = new Host(this.network.host(name), this.random)
      this.hosts.set(name, host)
    }
    return host
  }

  /** Milliseconds; virtual ones begin at 0. */
  now(): number {
    return this.clock.now()
  }

  /** From now on, for all ways that have none of their own. Throws EINVAL. */
  set(conditions: Partial<Conditions>): void {
    this.network.set(conditions)
  }

  /** From now on, between two hosts; with `oneWay` only from the first to the second. Throws EINVAL. */
  between(from: HostOfSimulation, to: HostOfSimulation, conditions: Partial<Conditions>, oneWay = false): void {
    this.network.between(inner(from), inner(to), conditions, oneWay)
  }

  /** Hosts of different parts do not reach each other; those that are named in none are a part of their own. */
  partition(...parts: readonly (readonly HostOfSimulation[])[]): void {
    this.network.partition(...parts.map(hosts => hosts.map(inner)))
  }

  /** Nothing more goes from one host to another; the other direction stays as it is. */
  cut(from: HostOfSimulation, to: HostOfSimulation): void {
    this.network.cut(inner(from), inner(to))
  }

  /** Ends the cut in this direction. */
  mend(from: HostOfSimulation, to: HostOfSimulation): void {
    this.network.mend(inner(from), inner(to))
  }

  /** Ends all cuts and partitions. What streams have kept goes on. */
  heal(): void {
    this.network.heal()
  }

  /** Between two hosts in this direction; without them, of the whole network. */
  traffic(from?: HostOfSimulation, to?: HostOfSimulation): Traffic {
    if (from === undefined || to === undefined) return this.network.traffic
    return { ...this.network.path(inner(from), inner(to)).traffic }
  }

  /** Lets so much time pass; with virtual time that takes no longer than what happens in it. */
  async run(milliseconds: number): Promise<void> {
    if (this.virtual !== null) await this.virtual.advance(milliseconds)
    else await new Promise(resolve => setTimeout(resolve, milliseconds))
  }

  /**
   * Runs, at most `limit` milliseconds (default 60,000), until the promise is settled: what it resolves to. With virtual
   * time a plain `await` would wait for ever. Rejects with ETIMEDOUT.
   */
  async until<T>(promise: Promise<T>, limit = 60_000): Promise<T> {
    let settled = false
    const watched = promise.finally(() => {
      settled = true
    })
    // Heard below, or not at all when time is up.
    watched.catch(() => {})
    const end = this.clock.now() + limit
    if (this.virtual === null) return Promise.race([watched, this.expiry(limit, () => settled)])
    for (;;) {
      await this.virtual.settle()
      if (settled) return watched
      if (this.virtual.next > end) break
      this.virtual.run(this.virtual.next)
    }
    this.virtual.run(end)
    throw tooLate(limit)
  }

  /** Closes the sockets of all hosts, and gives real time back. */
  async close(): Promise<void> {
    const closing = Promise.all([...this.hosts.values()].map(({ context }) => context.close()))
    try {
      await this.until(closing)
    } finally {
      this.virtual?.restore()
    }
  }

  private expiry(limit: number, settled: () => boolean): Promise<never> {
    return new Promise((_, reject) => {
      this.clock.after(limit, () => {
        if (!settled()) reject(tooLate(limit))
      })
    })
  }
}

class Host implements HostOfSimulation {
  readonly inner: SimulatedHost
  readonly context: Context

  constructor(inner: SimulatedHost, random: () => number) {
    this.inner = inner
    this.context = new Context([
      new InprocTransport(),
      new SimulatedTcpTransport(inner),
      withHostNames(new UdpTransport(inner.open), inner),
      new MulticastTransport(inner.open, inner.clock, random),
    ])
  }

  get name(): string {
    return this.inner.name
  }

  get address(): string {
    return this.inner.address
  }

  get cost(): number {
    return this.inner.cost
  }

  set cost(milliseconds: number) {
    this.inner.cost = milliseconds
  }

  freeze(): void {
    this.inner.freeze()
  }

  thaw(): void {
    this.inner.thaw()
  }

  reset(): void {
    this.inner.streams.reset()
  }

  crash(): void {
    this.inner.crash()
  }
}

function inner(host: HostOfSimulation): SimulatedHost {
  return (host as Host).inner
}

function tooLate(limit: number): HeddleError {
  return new HeddleError("ETIMEDOUT", `The simulation ran for ${limit} ms, and what was waited for has not happened`)
}

/**
 * A network in this process: hosts with contexts of their own, for sockets and fabrics as they are, and between them loss,
 * delay, partitions and whatever else real networks do, the same each time for the same seed.
 *
 * With `time: "virtual"` a minute takes milliseconds, and what happens is the same in each run as long as the program itself
 * does nothing that depends on real time. Only one such simulation can be open in a thread. Throws EINVAL, EBUSY.
 */
export function simulate(options: SimulationOptions = {}): Simulation {
  return new Simulation(options)
}
