import type { Context } from "../../../../core/context.ts"
import { Context as CoreContext } from "../../../../core/context.ts"
import type { Fabric, JoinOptions } from "../../../../index.ts"
import { seeds } from "../../../../index.ts"
import type { FabricEvent } from "../../../../patterns/fabric/events.ts"
import { join } from "../../../../patterns/fabric/join.ts"
import { TcpTransport } from "../../../../transports/tcp.ts"
import { later } from "../../../support/cleanup.ts"
import type { GroupHub } from "../../../support/group.ts"
import { until } from "../../../support/wait.ts"

const TCP = "tcp://127.0.0.1:0"
export const GROUP = "group://g"

let fabrics = 0

/** Milliseconds: as short as a busy machine allows. */
export const PROBE = 600

/** Nodes of one fabric, linked over TCP, whose groups are those of the hub. Each is a host of its own name. */
export class CarryRig {
  readonly hub: GroupHub
  readonly nodes: Fabric[] = []
  private readonly fabric = `carry-${fabrics++}`

  constructor(hub: GroupHub) {
    this.hub = hub
  }

  get open(): Fabric[] {
    return this.nodes.filter(({ closed }) => !closed)
  }

  context(host: string): Context {
    return new CoreContext([new TcpTransport(), this.hub.host(host)])
  }

  async join(name: string, options: JoinOptions = {}): Promise<Fabric> {
    const node = await join(this.fabric, {
      name,
      listen: TCP,
      discovery: this.open.slice(0, 1).map(({ endpoints }) => seeds([endpoints[0]])),
      context: this.context(name),
      carry: { "ticks.>": { group: GROUP, probe: PROBE } },
      ...options,
    })
    later(() => node.close())
    this.nodes.push(node)
    for (const one of this.open) await one.ready({ peers: this.open.length - 1 })
    return node
  }

  /** A publisher `p` and so many subscribers `s0`, `s1`... of ticks.>, all of them by the group, with what each has got. */
  async carried(count: number, options: JoinOptions = {}): Promise<{ p: Fabric; subscribers: Subscriber[] }> {
    const p = await this.join("p", options)
    const subscribers: Subscriber[] = []
    for (let i = 0; i < count; i++) subscribers.push(await this.subscriber(`s${i}`, options))
    await this.byGroup(p, count)
    return { p, subscribers }
  }

  async subscriber(name: string, options: JoinOptions = {}, pattern = "ticks.>"): Promise<Subscriber> {
    const one = new Subscriber(await this.join(name, options), pattern)
    await one.ready
    return one
  }

  /** Publishes until so many peers get by the group. The numbers go on. */
  async byGroup(p: Fabric, count: number): Promise<void> {
    await until(() => {
      if (carryOf(p).to === count) return true
      this.tick(p)
      return false
    })
  }

  /** Numbers published by a node, one after the other. */
  private readonly numbers = new Map<Fabric, number>()

  tick(p: Fabric, count = 1): void {
    let number = this.numbers.get(p) ?? 0
    for (let i = 0; i < count; i++) p.publish(`ticks.${number % 3}`, number++)
    this.numbers.set(p, number)
  }

  published(p: Fabric): number {
    return this.numbers.get(p) ?? 0
  }
}

export class Subscriber {
  readonly node: Fabric
  readonly got: number[] = []
  readonly events: FabricEvent[] = []
  readonly ready: Promise<void>

  constructor(node: Fabric, pattern: string) {
    this.node = node
    this.ready = node.subscribe<string>(pattern, message => void this.got.push(message.data as number)).ready
    for (const type of ["carry", "gap", "warning", "error", "drop", "down"] as const)
      node.events.on(type, event => void this.events.push(event))
  }

  ways(): string[] {
    return this.events.flatMap(event => (event.type === "carry" ? [`${event.where} ${event.by}: ${event.reason}`] : []))
  }

  get missing(): number {
    return this.events.reduce((sum, event) => sum + (event.type === "gap" ? (event.missing ?? 0) : 0), 0)
  }

  /** How many numbers are missing from the first to `count`; throws what is wrong with the order. */
  holes(count: number): number {
    let holes = 0
    for (let i = 1; i < this.got.length; i++) {
      const step = this.got[i] - this.got[i - 1]
      if (step < 1) throw new Error(`${this.got[i]} came after ${this.got[i - 1]}`)
      holes += step - 1
    }
    return holes + (this.got.length === 0 ? count : this.got[0] + count - 1 - (this.got.at(-1) as number))
  }
}

export function carryOf(node: Fabric) {
  const [first] = node.stats().carry ?? []
  return first
}

interface BreakableLink {
  readonly name: string
  readonly connection: { close(): void } | null
}

/** The links of a node, which tests may break as a network does. */
export function linksOf(fabric: object): BreakableLink[] {
  return [...(fabric as { node: { peers: { links: Map<string, BreakableLink> } } }).node.peers.links.values()]
}
