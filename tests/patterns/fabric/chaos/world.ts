import { type Fabric, join, seeds } from "../../../../index.ts"
import { type HostOfSimulation, SeededRandom, type Simulation, simulate } from "../../../../testing.ts"

/** Milliseconds that links are kept for; partitions are shorter or longer. */
export const WINDOW = 8_000

/** One `join` on a host. */
export class Member {
  readonly host: HostOfSimulation
  readonly fabric: Fabric
  /** Its host has crashed, or it leaves: nothing more is begun at it. */
  gone = false
  /** Numbers of what it has published, by kind of subject. */
  readonly published = new Map<string, number>()

  constructor(host: HostOfSimulation, fabric: Fabric) {
    this.host = host
    this.fabric = fabric
  }

  /** The number of the next message of this kind. */
  next(kind: string): number {
    const n = (this.published.get(kind) ?? -1) + 1
    this.published.set(kind, n)
    return n
  }

  wait(milliseconds: number): Promise<void> {
    return new Promise(resolve => setTimeout(resolve, milliseconds))
  }
}

/** Hosts of a simulated network with one node each, in virtual time, and what befalls them. */
export class World {
  readonly random: SeededRandom
  readonly net: Simulation
  readonly members: Member[] = []
  readonly faults: string[] = []
  /** What happened, for who looks into a failure. */
  readonly log: string[] = []
  private readonly hosts: HostOfSimulation[]
  private readonly bytes: number
  /** Called for each member, also for those that join later. */
  private readonly settle: (member: Member) => void
  private joins = 0

  constructor(seed: number, size: number, settle: (member: Member) => void) {
    this.random = new SeededRandom(seed)
    seedTokens(new SeededRandom(seed + 1))
    this.settle = settle
    this.bytes = this.random.pick([2_000, 20_000, 8 * 1024 * 1024])
    this.net = simulate({ seed, time: "virtual", delay: [1, 20], loss: 0.01, split: 0.05 })
    this.hosts = Array.from({ length: size }, (_, i) => this.net.host(`h${i}`))
  }

  say(text: string): void {
    this.log.push(`${this.net.now().toFixed(1)} ${text}`)
  }

  get alive(): Member[] {
    return this.members.filter(member => !member.gone)
  }

  async begin(): Promise<void> {
    for (const host of this.hosts) await this.net.until(this.join(host))
    await this.complete()
  }

  /** All are linked with all. */
  async complete(): Promise<void> {
    const { alive } = this
    await this.net.until(Promise.all(alive.map(({ fabric }) => fabric.ready({ peers: alive.length - 1 }))))
  }

  /** One more thing goes wrong, and is right again after a while. */
  harm(): void {
    const { random, net, hosts } = this
    const time = random.chance(0.3) ? random.int(WINDOW, 3 * WINDOW) : random.int(100, WINDOW / 2)
    const host = random.pick(hosts)
    const other = random.pick(hosts)
    const [what, heal] = random.pick<[string, () => (() => void) | undefined]>([
      [
        "cut in two",
        () => {
          net.partition(hosts.filter(() => random.chance(0.5)))
          return () => net.heal()
        },
      ],
      [
        `cut from ${host.name} to ${other.name}`,
        () => {
          net.cut(host, other)
          return () => net.mend(host, other)
        },
      ],
      [`reset ${host.name}`, () => void host.reset()],
      [
        `freeze ${host.name}`,
        () => {
          host.freeze()
          return () => host.thaw()
        },
      ],
      [
        "slow",
        () => {
          net.set({ rate: random.int(5_000, 50_000), delay: [1, random.int(1, 200)] })
          return () => net.set({ rate: 0, delay: [1, 20] })
        },
      ],
      [`crash ${host.name}`, () => this.restart(host, "crash", time)],
      [`close ${host.name}`, () => this.restart(host, "close", time)],
      [`drain ${host.name}`, () => this.restart(host, "drain", time)],
    ])
    this.say(`${what} for ${time}`)
    const heals = heal()
    if (heals !== undefined)
      setTimeout(() => {
        this.say(`${what}: over`)
        heals()
      }, time)
  }

  /** Everything is well again, and those who are away come back. */
  async heal(): Promise<void> {
    await this.net.run(3 * WINDOW)
    this.net.heal()
    this.net.set({ rate: 0, delay: [1, 20] })
    for (const host of this.hosts) host.thaw()
    // Who counts as dead is dialled again every ten seconds.
    await this.net.run(30_000)
    await this.complete()
    await this.net.run(10_000)
  }

  async end(): Promise<void> {
    try {
      await this.net.until(Promise.all(this.members.map(({ fabric }) => fabric.close())))
    } finally {
      await this.net.close()
      seedTokens(null)
    }
  }

  private restart(host: HostOfSimulation, how: "crash" | "close" | "drain", time: number): undefined {
    const member = this.alive.find(one => one.host === host)
    // It is away already.
    if (member === undefined) return
    member.gone = true
    const { fabric } = member
    const left = async (): Promise<void> => {
      if (how === "crash") host.crash()
      if (how === "drain") await fabric.drain({ timeout: WINDOW })
      else await fabric.close()
      this.say(`${host.name} is away`)
      await member.wait(time)
      await this.join(host)
    }
    left().catch(error => this.faults.push(`restart of ${host.name}: ${error.stack}`))
  }

  private async join(host: HostOfSimulation): Promise<void> {
    const others = this.hosts.filter(one => one !== host)
    const fabric = await join("chaos", {
      name: `${host.name}.${this.joins++}`,
      context: host.context,
      discovery: [seeds(others.map(one => `tcp://${one.name}:7000`))],
      listen: "tcp://*:7000",
      resume: { time: WINDOW, bytes: this.bytes },
      // It would look for answers in real time.
      busyPoll: 0,
    })
    const member = new Member(host, fabric)
    this.members.push(member)
    this.say(`${fabric.name} is ${fabric.id}`)
    for (const type of ["join", "leave", "up", "down", "gap", "drop"] as const)
      fabric.events.on(type, event =>
        this.say(`${fabric.name}: ${type} ${JSON.stringify({ ...event, error: undefined, type: undefined })}`),
      )
    fabric.events.on("error", ({ error }) => this.faults.push(`${fabric.name}: a handler threw ${String(error)}`))
    this.settle(member)
  }
}

/** Ids of nodes decide who dials whom: the same for each run of a seed. Null = as they were. */
function seedTokens(random: SeededRandom | null): void {
  if (random === null) {
    Reflect.deleteProperty(crypto, "getRandomValues")
    return
  }
  const fill = (bytes: Uint8Array): Uint8Array => {
    for (let i = 0; i < bytes.length; i++) bytes[i] = random.int(0, 255)
    return bytes
  }
  Object.defineProperty(crypto, "getRandomValues", { value: fill, configurable: true })
}
