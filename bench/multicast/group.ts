import { randomInt } from "node:crypto"
import type { Contestant } from "../peers/peer.ts"
import { Child } from "../process.ts"
import { WATCHDOG } from "../settings.ts"
import type { Command } from "../task.ts"
import type { Delays } from "./delays.ts"
import type { Hosts } from "./hosts.ts"

export interface Burst {
  /** From the first `send` until the last receiver had the last message. */
  readonly seconds: number
  /** Nanoseconds of the sender's processor for each message, until then. */
  readonly cpu: number
  /** Messages that receivers did not get, all of them together. */
  readonly missing: number
}

/** A sender and its receivers, each a process, that stay up for all rounds. */
export class Group {
  private readonly sender: Child
  private readonly receivers: readonly Child[]

  /** `hosts`: the sender is on the first, each receiver on one of its own; null = all on this machine, by loopback. */
  static async open(who: Contestant, size: number, receivers: number, hosts: Hosts | null): Promise<Group> {
    const place = who.way.startsWith("multicast") ? multicastEndpoint(hosts) : () => "tcp://127.0.0.1:*"
    const command = (role: "group-send" | "group-receive", index: number, endpoint: string): Command => {
      const plain = who.peer.command({ role, values: { size, endpoint, receivers } }, who.way)
      return hosts === null ? plain : hosts.at(index, plain)
    }
    const sender = new Child(`${who.label} sender`, command("group-send", 0, place(0)))
    const children = [sender]
    try {
      const endpoint = await sender.ready(WATCHDOG)
      for (let index = 1; index <= receivers; index++) {
        const there = who.way.startsWith("multicast") ? place(index) : endpoint
        children.push(new Child(`${who.label} receiver ${index}`, command("group-receive", index, there)))
      }
      const group = new Group(sender, children.slice(1))
      await Promise.all(group.receivers.map(one => one.ready(WATCHDOG)))
      await group.meet()
      return group
    } catch (error) {
      await Promise.all(children.map(child => child.end()))
      throw error
    }
  }

  private constructor(sender: Child, receivers: readonly Child[]) {
    this.sender = sender
    this.receivers = receivers
  }

  /** So many messages, as fast as all take them. */
  async burst(count: number): Promise<Burst> {
    await this.all(`begin ${count}`)
    const { began, cpu: before } = await this.sender.ask(`burst ${count}`, WATCHDOG)
    const results = await this.all("await")
    const { cpu: after } = await this.sender.ask("cpu", WATCHDOG)
    const last = Math.max(...results.map(one => Number(one.last)))
    const missing = results.reduce((sum, one) => sum + count - Number(one.received), 0)
    return {
      seconds: (last - Number(began)) / 1000,
      cpu: ((Number(after) - Number(before)) * 1000) / count,
      missing,
    }
  }

  /** So many messages at an even pace, each on its own; `late` of all receivers, ascending. */
  async paced(count: number): Promise<Delays & { missing: number }> {
    await this.all(`begin ${count}`)
    await this.sender.ask(`paced ${count}`, WATCHDOG)
    const results = await this.all("await")
    const delays = (await this.all("delays")).map(one => JSON.parse(String(one.delays)) as Delays)
    const usual = delays.map(one => one.usual).sort((a, b) => a - b)
    return {
      usual: usual[usual.length >> 1],
      late: delays.flatMap(one => one.late).sort((a, b) => a - b),
      repaired: delays.flatMap(one => one.repaired).sort((a, b) => a - b),
      missing: results.reduce((sum, one) => sum + count - Number(one.received), 0),
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.sender, ...this.receivers].map(child => child.end()))
  }

  /** Greets until everybody has heard it: nobody joins late. */
  private async meet(): Promise<void> {
    const heard = this.all("met")
    await this.sender.ask("greet", WATCHDOG)
    await heard
    await this.sender.ask("greeted", WATCHDOG)
  }

  private all(line: string) {
    return Promise.all(this.receivers.map(one => one.ask(line, WATCHDOG)))
  }
}

/** A group that is nobody else's, by the interface of each host. */
function multicastEndpoint(hosts: Hosts | null): (index: number) => string {
  const group = `239.255.${randomInt(256)}.${randomInt(1, 255)}:${randomInt(20_000, 30_000)}`
  return index => `multicast://${group}?interface=${hosts === null ? "lo" : hosts.names[index]}`
}
