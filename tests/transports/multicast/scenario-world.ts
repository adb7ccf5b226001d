import assert from "node:assert/strict"
import type { InboundSession } from "../../../transports/multicast/engine.ts"
import type { SimulatedHost } from "../../../transports/simulated/host.ts"
import { SimulatedNetwork } from "../../../transports/simulated/network.ts"
import type { Traffic } from "../../../transports/simulated/path.ts"
import { SeededRandom } from "../../../transports/simulated/random.ts"
import { VirtualClock } from "../../../transports/simulated/virtual-clock.ts"
import { Attacker } from "./attacker.ts"
import type { Sent } from "./follower.ts"
import { ReceivingProcess, SendingProcess } from "./group-processes.ts"
import type { Incident, ReceiverPlan, Scenario, SenderPlan } from "./scenarios.ts"

/** Noise that bodies are cut from: made once. */
const noise = Buffer.alloc(1024 * 1024)
for (let i = 0, random = new SeededRandom(1); i < noise.length; i += 4) {
  noise.writeUInt32LE(Math.floor(random.next() * 2 ** 32), i)
}

/** How often a condition is looked at, and after a while (virtual milliseconds). */
const FIRST_SLICE = 5
const LONGEST_SLICE = 500

/** A host that sends, and the processes that ran on it one after another. */
interface SendingHost {
  readonly plan: SenderPlan
  readonly host: SimulatedHost
  readonly processes: SendingProcess[]
  /** Messages that are still to be sent, whichever process does it. */
  left: number
}

/** The processes of a scenario, its network, and what happens to both. */
export class World {
  readonly scenario: Scenario
  readonly clock: VirtualClock
  readonly network: SimulatedNetwork
  readonly sending: SendingHost[] = []
  readonly receivers: ReceivingProcess[] = []
  private readonly random: SeededRandom
  private readonly bySession = new Map<string, SendingProcess>()
  private readonly sentBy = (session: string): Sent | undefined => this.bySession.get(session)
  private readonly receiverHosts: SimulatedHost[] = []
  /** When the last incident is over. */
  private calmAt = 0
  /** Moments at which an incident is due still. */
  private due = 0

  constructor(scenario: Scenario) {
    this.scenario = scenario
    this.clock = new VirtualClock({ start: 1_000 })
    const { seed, conditions } = scenario
    this.network = new SimulatedNetwork({ clock: this.clock, seed: seed ^ 0x5eed, conditions })
    this.random = new SeededRandom(seed ^ 0xface)
    for (const [i, plan] of scenario.senders.entries()) this.addSender(plan, `s${i}`)
    for (const [i, plan] of scenario.receivers.entries()) this.addReceiver(plan, `r${i}`)
    const attacker = new Attacker(
      this.network,
      this.random,
      this.sending.flatMap(({ host }) => host),
    )
    for (const incident of scenario.incidents) this.plan(incident, attacker)
  }

  /** Processes that send and have not been killed. */
  get senders(): SendingProcess[] {
    return this.sending.flatMap(({ processes }) => processes.filter(({ alive }) => alive))
  }

  get everySender(): SendingProcess[] {
    return this.sending.flatMap(({ processes }) => processes)
  }

  get alive(): ReceivingProcess[] {
    return this.receivers.filter(({ alive }) => alive)
  }

  get calm(): boolean {
    return this.due === 0 && this.clock.now() >= this.calmAt
  }

  /** All that was to be sent was given to the engines. */
  get allGiven(): boolean {
    return this.sending.every(({ left, processes }) => left === 0 && processes.length > 0)
  }

  get traffic(): Traffic {
    return this.network.traffic
  }

  /** Time passes until `holds`, at most `limit` milliseconds; false = it does not hold then. */
  until(holds: () => boolean, limit: number): boolean {
    const end = this.clock.now() + limit
    for (let slice = FIRST_SLICE; !holds(); slice = Math.min(LONGEST_SLICE, slice * 1.2)) {
      if (this.clock.now() >= end) return false
      this.clock.run(this.clock.now() + slice)
      this.checkMemory()
    }
    return true
  }

  /** From now on the network is good and everybody quick. */
  calmDown(): void {
    this.network.set({ loss: 0, burst: null, rate: 0 })
    for (const { host } of this.sending) host.groupLoss = 0
    for (const host of this.receiverHosts) host.cost = 0
  }

  /** One more message of each sender, which everybody has to get. */
  probe(): void {
    for (const one of this.sending) {
      const process = one.processes.at(-1) as SendingProcess
      const number = Buffer.alloc(4)
      number.writeUInt32BE(process.messages.length)
      process.give([number])
      process.engine.flush()
    }
  }

  private addSender(plan: SenderPlan, name: string): void {
    const host = this.network.host(name)
    host.groupLoss = this.scenario.groupLoss
    host.uplink = this.scenario.uplink
    const one: SendingHost = { plan, host, processes: [], left: plan.messages }
    this.sending.push(one)
    this.at(plan.startsAt, () => this.startSender(one))
    if (plan.restartsAt === null) return
    this.at(Math.max(plan.restartsAt, plan.startsAt), () => {
      one.processes.at(-1)?.kill()
      this.startSender(one)
    })
  }

  private startSender(one: SendingHost): void {
    const { sender, replies } = this.scenario
    const process = new SendingProcess(one.host, this.random, sender, replies)
    one.processes.push(process)
    this.bySession.set(process.id, process)
    this.produce(one, process)
  }

  /** Sends one burst, and the next one later. */
  private produce(one: SendingHost, process: SendingProcess): void {
    const { burst, pause } = one.plan
    let due = burst
    const go = (): void => {
      while (due > 0 && one.left > 0 && process.alive && !process.blocked) {
        due--
        one.left--
        process.give(this.message(one.plan, process.messages.length))
      }
      if (process.alive) process.engine.flush()
    }
    const next = (): void => {
      if (!process.alive || one.left === 0) return
      due = burst
      go()
      one.host.clock.after(pause, next)
    }
    process.onDrain = go
    next()
  }

  /** Begins with its number where it has room for it. */
  private message(plan: SenderPlan, number: number): readonly Buffer[] {
    const random = new SeededRandom(this.scenario.seed ^ Math.imul(number + 1, 0x9e3779b1))
    // Small ones prevail: a third of the largest on average.
    const size = Math.floor(plan.largest * random.next() ** 2)
    const frames: Buffer[] = []
    const count = random.int(1, plan.frames)
    for (let i = 0, left = size; i < count; i++) {
      const length = i === count - 1 ? left : Math.floor(left * random.next())
      left -= length
      const at = random.int(0, noise.length - length)
      frames.push(noise.subarray(at, at + length))
    }
    if (frames[0].length < 4) return frames
    const first = Buffer.from(frames[0])
    first.writeUInt32BE(number)
    return [first, ...frames.slice(1)]
  }

  private addReceiver(plan: ReceiverPlan, name: string): void {
    const host = this.network.host(name)
    host.cost = plan.cost
    this.receiverHosts.push(host)
    this.at(plan.joinsAt, () => {
      const { receiver, replies } = this.scenario
      const settings = { ...receiver, parity: plan.parity }
      const process = new ReceivingProcess(host, this.random, settings, replies, this.sentBy)
      process.believesNobody = this.scenario.hostile
      this.receivers.push(process)
      if (plan.nervous > 0) process.onMessage = session => this.fidget(process, session, plan.nervous)
      for (const [at, inOrder] of [
        [plan.diesAt, false],
        [plan.leavesAt, true],
      ] as const) {
        if (at !== null) this.at(Math.max(at, plan.joinsAt) - plan.joinsAt, () => process.leave(inOrder))
      }
    })
  }

  /** From within a delivery. */
  private fidget(process: ReceivingProcess, session: InboundSession, probability: number): void {
    if (!this.random.chance(probability)) return
    process.halt(session)
    if (this.random.chance(0.2)) process.goOn(session)
    else this.clock.after(this.random.between(0, 5), () => process.goOn(session))
  }

  private plan(incident: Incident, attacker: Attacker): void {
    const { from, to } = incident
    this.calmAt = Math.max(this.calmAt, 1_000 + to)
    const both = (begin: () => void, end: () => void): void => {
      this.at(from, begin)
      this.at(to, end)
    }
    const hosts = [...this.receiverHosts, ...this.sending.map(({ host }) => host)]
    switch (incident.kind) {
      case "partition": {
        const there = incident.who.map(number => hosts[number])
        const here = hosts.filter(host => !there.includes(host))
        const pairs = here.flatMap(one => there.flatMap(other => [[one, other] as const, [other, one] as const]))
        both(
          () => pairs.forEach(([one, other]) => void this.network.cut(one, other)),
          () => pairs.forEach(([one, other]) => void this.network.mend(one, other)),
        )
        return
      }
      case "deaf":
      case "mute": {
        const who = hosts[incident.who]
        const pairs = hosts
          .filter(host => host !== who)
          .map(host => (incident.kind === "deaf" ? [host, who] : [who, host]))
        both(
          () => pairs.forEach(([one, other]) => void this.network.cut(one, other)),
          () => pairs.forEach(([one, other]) => void this.network.mend(one, other)),
        )
        return
      }
      case "freeze":
        both(
          () => hosts[incident.who].freeze(),
          () => hosts[incident.who].thaw(),
        )
        return
      case "pause": {
        const who = this.receiverHosts[incident.who]
        const processes = (): ReceivingProcess[] => this.alive.filter(({ host }) => host === who)
        both(
          () => processes().forEach(process => void process.pause()),
          () => processes().forEach(process => void process.resume()),
        )
        return
      }
      default:
        for (let at = from; at < to; at += incident.every) this.at(at, () => attacker.attack(incident.kind))
    }
  }

  private at(milliseconds: number, run: () => void): void {
    this.due++
    this.clock.after(milliseconds, () => {
      this.due--
      run()
    })
  }

  private checkMemory(): void {
    for (const { engine, settings, host } of this.receivers) {
      const { memory, sessions } = engine.stats
      assert.ok(memory <= settings.memory, `${host.name} keeps ${memory} bytes; ${settings.memory} are allowed`)
      assert.ok(sessions <= settings.maxSessions, `${host.name} knows ${sessions} sessions`)
    }
  }
}
