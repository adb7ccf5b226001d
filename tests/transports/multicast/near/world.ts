import { Buffer } from "node:buffer"
import type { SimulatedHost } from "../../../../transports/simulated/host.ts"
import { SimulatedNetwork } from "../../../../transports/simulated/network.ts"
import { SeededRandom } from "../../../../transports/simulated/random.ts"
import { VirtualClock } from "../../../../transports/simulated/virtual-clock.ts"
import type { Sent } from "../follower.ts"
import type { MachineMemory } from "./machine-memory.ts"
import type { NearScenario, Phase, ProcessPlan, ReceiverPlan, SenderPlan } from "./plans.ts"
import { NearProcess } from "./process.ts"

/** Noise that bodies are cut from: made once. */
const noise = Buffer.alloc(1024 * 1024)
for (let i = 0, random = new SeededRandom(1); i < noise.length; i += 4) {
  noise.writeUInt32LE(Math.floor(random.next() * 2 ** 32), i)
}

/** A machine with senders, receivers on it and elsewhere, and what happens to them. */
export class NearWorld {
  readonly clock = new VirtualClock({ start: 1_000 })
  readonly network: SimulatedNetwork
  readonly senders: { readonly plan: SenderPlan; readonly process: NearProcess; left: number }[] = []
  /** Receivers, and each Bus. */
  readonly receivers: NearProcess[] = []
  private readonly scenario: NearScenario
  private readonly memory: MachineMemory
  private readonly random: SeededRandom
  private readonly bySource = new Map<string, Sent>()
  private readonly machine = new Set<string>()
  /** Incidents that are still to come. */
  private due = 0

  constructor(scenario: NearScenario, memory: MachineMemory) {
    this.scenario = scenario
    this.memory = memory
    const { seed, conditions } = scenario
    this.network = new SimulatedNetwork({ clock: this.clock, seed: seed ^ 0x5eed, conditions })
    this.random = new SeededRandom(seed ^ 0xface)
    for (const [i, plan] of scenario.receivers.entries()) this.at(plan.startsAt, () => this.receive(plan, `r${i}`))
    for (const [i, plan] of scenario.senders.entries()) this.at(plan.startsAt, () => this.send(plan, `s${i}`))
  }

  get everybody(): NearProcess[] {
    return [...new Set([...this.receivers, ...this.senders.map(({ process }) => process)])]
  }

  get alive(): NearProcess[] {
    return this.receivers.filter(({ alive }) => alive)
  }

  /** All that was to be sent was given, and nothing more will happen to anybody. */
  get calm(): boolean {
    return this.due === 0 && this.senders.every(({ left, process }) => left === 0 || !process.alive)
  }

  /** Time passes until `holds`, at most `limit` milliseconds; false = it does not hold then. */
  async until(holds: () => boolean, limit: number): Promise<boolean> {
    const { clock } = this
    const end = clock.now() + limit
    while (!holds()) {
      if (clock.next > end) return false
      clock.run(clock.next)
      // What processes do behind a turn of theirs: readers that go on, and bells.
      await new Promise(setImmediate)
    }
    return true
  }

  /** One more message of a sender, which everybody has to get. */
  probe(process: NearProcess): void {
    const number = Buffer.alloc(4)
    number.writeUInt32BE(process.messages.length)
    process.give([number])
    process.flush()
  }

  private receive(plan: ReceiverPlan, name: string): void {
    const process = this.start(name, "SUB", plan, plan.place)
    process.host.cost = plan.cost
    process.nervous = plan.nervous
    this.receivers.push(process)
    const { leavesAt, paused } = plan
    if (leavesAt !== null) this.at(leavesAt, () => process.alive && process.close())
    if (paused === null) return
    this.at(paused.from, () => process.pause())
    this.at(paused.to, () => process.resume())
  }

  private send(plan: SenderPlan, name: string): void {
    const process = this.start(name, plan.type, plan, "near")
    if (plan.type === "BUS") this.receivers.push(process)
    const left = plan.phases.reduce((sum, { messages }) => sum + messages, 0)
    const one = { plan, process, left }
    this.senders.push(one)
    // Behind the promise of its ports.
    this.at(0.01, () => {
      this.bySource.set(process.source, process)
      this.play(one, 0)
    })
  }

  /** One phase, then the next. */
  private play(one: NearWorld["senders"][number], index: number): void {
    const { plan, process } = one
    const phase = plan.phases[index]
    const { clock } = process.host
    if (phase === undefined) {
      if (plan.linger === null || !process.alive) return
      process.sender?.end()
      process.station?.outlet.flush()
      this.at(plan.linger, () => process.alive && process.close())
      return
    }
    let left = phase.messages
    let due = 0
    const go = (): void => {
      while (due > 0 && left > 0 && process.alive && !process.blocked) {
        due--
        left--
        one.left--
        process.give(this.message(phase, process.messages.length))
        if (phase.flushed) process.flush()
      }
      if (process.alive) process.flush()
    }
    const next = (): void => {
      if (!process.alive) return
      if (left === 0) {
        this.play(one, index + 1)
        return
      }
      due = phase.burst
      go()
      // Who is held back begins again by itself: to look at it all the time would only take ours.
      clock.after(process.blocked ? Math.max(phase.pause, 5) : phase.pause, next)
    }
    process.onDrain = go
    clock.after(phase.wait, next)
  }

  /** Begins with its number. */
  private message({ largest }: Phase, number: number): readonly Buffer[] {
    const random = new SeededRandom(this.scenario.seed ^ Math.imul(number + 1, 0x9e3779b1))
    const size = Math.max(4, Math.floor(largest * random.between(0.5, 1)))
    const at = random.int(0, noise.length - size)
    const body = Buffer.from(noise.subarray(at, at + size))
    body.writeUInt32BE(number)
    if (random.chance(0.8)) return [body]
    const cut = random.int(4, size)
    return [body.subarray(0, cut), body.subarray(cut)]
  }

  private start(
    name: string,
    type: "PUB" | "SUB" | "BUS",
    plan: ProcessPlan,
    place: ReceiverPlan["place"],
  ): NearProcess {
    const { machine, memory, random, scenario, bySource } = this
    const host: SimulatedHost = this.network.host(name)
    if (place !== "remote") machine.add(host.address)
    const refuses = (): boolean => plan.refuses > 0 && random.chance(plan.refuses)
    const process = new NearProcess(
      {
        host,
        random,
        native: place === "stranger" ? null : memory.native({ create: refuses, open: refuses }),
        isOurs: address => machine.has(address),
        options: scenario.options,
        sentBy: source => bySource.get(source),
      },
      type,
    )
    const { frozen, diesAt } = plan
    if (diesAt !== null) this.at(diesAt, () => process.alive && process.kill())
    if (frozen !== null) {
      this.at(frozen.from, () => process.alive && host.freeze())
      this.at(frozen.to, () => process.alive && host.thaw())
    }
    return process
  }

  private at(milliseconds: number, run: () => void): void {
    this.due++
    this.clock.after(milliseconds, () => {
      this.due--
      run()
    })
  }
}
