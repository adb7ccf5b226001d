import { execFileSync } from "node:child_process"
import type { Command } from "../task.ts"

/** Bytes of an IP packet with a STATUS of the protocol (transports/multicast/wire.ts): NAKs are longer, nothing is as short. */
const REPORT = 20 + 8 + 48

function run(command: string, ...words: string[]): string {
  return execFileSync(command, words, { stdio: "pipe", encoding: "utf8" })
}

let reason: string | null | undefined

/** Why there can be no hosts that lose datagrams, in a line; null = there can. Looked for once. */
export function whyNoLossyHosts(): string | null {
  reason ??= attempt()
  return reason
}

function attempt(): string | null {
  const name = `hb${process.pid}t`
  try {
    run("ip", "netns", "add", name)
  } catch {
    return "hosts are network namespaces: it takes Linux, root and the command ip"
  }
  try {
    lose(name, 0.5)
    return null
  } catch {
    return "loss is made by iptables with its match `statistic`, which is not here"
  } finally {
    run("ip", "netns", "del", name)
  }
}

/** Of UDP datagrams that come in, each by itself. */
function lose(name: string, share: number): void {
  const random = ["-m", "statistic", "--mode", "random", "--probability", `${share}`]
  run("ip", "netns", "exec", name, "iptables", "-A", "INPUT", "-p", "udp", ...random, "-j", "DROP")
}

/** What has left a host by UDP, in bytes of IP packets. */
export interface Traffic {
  readonly reports: number
  readonly rest: number
}

let made = 0

/** Machines as far as the network goes: namespaces joined by a switch, each with one interface, whose name is the host's. */
export class Hosts {
  readonly names: readonly string[]
  private readonly hub: string
  private readonly remove = () => this.close()

  /** `loss`: share of the datagrams that each of them does not get, 0 to 1. */
  constructor(count: number, loss: number) {
    const prefix = `hb${process.pid}n${made++}`
    this.hub = `${prefix}s`
    this.names = Array.from({ length: count }, (_none, index) => `${prefix}x${index}`)
    process.on("exit", this.remove)
    try {
      run("ip", "netns", "add", this.hub)
      // Without snooping every port hears every group, at once.
      run("ip", "-n", this.hub, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
      run("ip", "-n", this.hub, "link", "set", "br0", "up")
      for (const [index, name] of this.names.entries()) this.add(name, `10.99.2.${index + 1}/24`, loss)
    } catch (error) {
      this.close()
      throw error
    }
  }

  /** The command, run there. */
  at(index: number, { file, args }: Command): Command {
    return { file: "ip", args: ["netns", "exec", this.names[index], file, ...args] }
  }

  traffic(index: number): Traffic {
    const lines = run("ip", "netns", "exec", this.names[index], "iptables", "-nvxL", "OUTPUT").split("\n").slice(2)
    const [reports, rest] = lines.map(line => Number(line.trim().split(/\s+/)[1]))
    return { reports, rest }
  }

  close(): void {
    process.off("exit", this.remove)
    for (const name of [...this.names, this.hub]) {
      try {
        run("ip", "netns", "del", name)
      } catch {
        // It was not made.
      }
    }
  }

  private add(name: string, address: string, loss: number): void {
    const { hub } = this
    const inside = (...words: string[]): string => run("ip", "-n", name, ...words)
    run("ip", "netns", "add", name)
    run("ip", "link", "add", name, "netns", name, "type", "veth", "peer", "name", name, "netns", hub)
    run("ip", "-n", hub, "link", "set", name, "master", "br0", "up")
    // What leaves as one packet would be lost as one: each datagram for itself, as on a cable.
    inside("link", "set", name, "gso_max_segs", "1")
    inside("addr", "add", address, "dev", name)
    inside("link", "set", "lo", "up")
    inside("link", "set", name, "up")
    // Also none of them: the rule itself costs 9 % of the rate, and what is compared is the loss.
    lose(name, loss)
    // Rules without a target only count.
    for (const lengths of [`0:${REPORT}`, `${REPORT + 1}:65535`]) {
      const match = ["-p", "udp", "-m", "length", "--length", lengths]
      run("ip", "netns", "exec", name, "iptables", "-A", "OUTPUT", ...match)
    }
  }
}
