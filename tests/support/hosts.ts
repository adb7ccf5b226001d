import { execFileSync } from "node:child_process"
import { later } from "./cleanup.ts"
import { Program } from "./processes.ts"

function run(command: string, ...words: string[]): void {
  execFileSync(command, words, { stdio: "pipe" })
}

function works(command: string, ...words: string[]): boolean {
  try {
    run(command, ...words)
    return true
  } catch {
    return false
  }
}

let made = 0

/** Whether there may be hosts: that takes root and network namespaces. Says so when not. */
export function haveHosts(): boolean {
  const name = `h${process.pid}x`
  if (works("ip", "netns", "add", name) && works("ip", "netns", "del", name)) return true
  console.log("      skipped: no network namespaces here")
  return false
}

/** A machine of its own as far as the network goes: a namespace with one interface, which has the host's name. */
export class Host {
  readonly name: string
  readonly address: string
  readonly address6: string

  constructor(name: string, number: number) {
    this.name = name
    this.address = `10.99.1.${number}`
    this.address6 = `fd99::${number}`
  }

  /** Runs the text of a module there, as soon as the cable is seen to be plugged in. */
  program(module: string): Program {
    const plugged = `
      import { networkInterfaces as __nics } from "node:os"
      while (__nics()["${this.name}"] === undefined) await new Promise(resolve => setTimeout(resolve, 5))
    `
    return Program.start(`${plugged}${module}`, undefined, ["ip", "netns", "exec", this.name])
  }

  /** The cable: plugged in or not. */
  link(up: boolean): void {
    run("ip", "-n", this.name, "link", "set", this.name, up ? "up" : "down")
  }

  /** Loses this share of the UDP datagrams that come in. False: there is no iptables here, or no such match in the kernel. */
  lose(share: number): boolean {
    return this.filter("-m", "statistic", "--mode", "random", "--probability", `${share}`)
  }

  /** Loses all UDP datagrams that come in for this address. False as `lose`. */
  block(address: string): boolean {
    return this.filter("-d", address)
  }

  private filter(...match: string[]): boolean {
    return works("ip", "netns", "exec", this.name, "iptables", "-A", "INPUT", "-p", "udp", ...match, "-j", "DROP")
  }
}

/** Hosts that are joined by a switch, gone after the test. Names are of this run only: nobody else's are touched. */
export function joinedHosts(count: number): Host[] {
  const prefix = `h${process.pid}n${made++}`
  const hub = `${prefix}s`
  run("ip", "netns", "add", hub)
  later(() => run("ip", "netns", "del", hub))
  // Without snooping every port hears every group, at once.
  run("ip", "-n", hub, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
  run("ip", "-n", hub, "link", "set", "br0", "up")
  return Array.from({ length: count }, (_none, index) => {
    const host = new Host(`${prefix}${String.fromCharCode(97 + index)}`, index + 1)
    const { name } = host
    run("ip", "netns", "add", name)
    later(() => run("ip", "netns", "del", name))
    run("ip", "link", "add", name, "netns", name, "type", "veth", "peer", "name", name, "netns", hub)
    run("ip", "-n", hub, "link", "set", name, "master", "br0", "up")
    // Otherwise the interface's own address may not be used for its first two seconds.
    run("ip", "netns", "exec", name, "sh", "-c", `echo 0 > /proc/sys/net/ipv6/conf/${name}/accept_dad`)
    run("ip", "-n", name, "addr", "add", `${host.address}/24`, "dev", name)
    run("ip", "-n", name, "addr", "add", `${host.address6}/64`, "dev", name, "nodad")
    run("ip", "-n", name, "link", "set", "lo", "up")
    host.link(true)
    return host
  })
}
