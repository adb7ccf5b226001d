import dgram from "node:dgram"
import net from "node:net"
import os from "node:os"
import { fromSystem, HeddleError } from "../../../core/errors.ts"
import { readAnnouncement } from "./announcement.ts"
import { type Beacon, decodeBeacon, encodeBeacon, KINDS } from "./beacon.ts"
import type { Announcement, DiscoveryHost } from "./discovery.ts"
import { isLoopback, reachable } from "./net-address.ts"
import { Repeat } from "./repeat.ts"
import type { Session } from "./session.ts"
import { Warnings } from "./warnings.ts"

/**
 * Why a datagram was not used: another program's; not a beacon though it says so; of another fabric; from a network that
 * the interface is not of; none of its endpoints can be dialled from here; more nodes than `limit`.
 */
export type Ignored = "foreign" | "malformed" | "fabric" | "network" | "unreachable" | "limit"

export interface MulticastSettings {
  readonly group: string
  readonly port: number
  readonly interface: string
  readonly interval: number
  readonly ttl: number
  readonly limit: number
}

interface Known {
  source: string
  body: Buffer
  endpoints: readonly string[]
  /** When its last beacon came, when it was last given to the host, when it said goodbye (`performance.now`). */
  heard: number
  offered: number
  left: number
}

/** Milliseconds that the first look lasts: a round trip on a local network, and the answers' delay. */
const LOOK = 100
/** Milliseconds within which an answer to "who is there" is sent at random, and how many more for each node known. */
const ANSWER_SPREAD = 20
const ANSWER_SPREAD_A_NODE = 1
/** Milliseconds between two beacons of ours at least, whatever is asked. */
const BEACON_GAP = 50
/** Milliseconds until a node that goes on announcing itself is given to the host again, which may have lost it. */
const OFFER_AGAIN = 5_000
/** Beacons missed until a node is forgotten. It is not called lost: silence proves nothing. */
const MISSED = 10
/** Milliseconds between warnings of malformed beacons: anybody can send them, at any rate. */
const WARN_AGAIN = 60_000

export class MulticastSession implements Session {
  private readonly host: DiscoveryHost
  private readonly self: Announcement
  private readonly settings: MulticastSettings
  private readonly ignored: Record<Ignored, number>
  private readonly warnings: Warnings
  private readonly repeat: Repeat
  private readonly known = new Map<string, Known>()
  private readonly networks = new net.BlockList()
  private receiver: dgram.Socket | null = null
  private sender: dgram.Socket | null = null
  private beginning: Promise<void> = Promise.resolve()
  private endLook: (() => void) | null = null
  private answer: NodeJS.Timeout | undefined
  private sent = Number.NEGATIVE_INFINITY
  private warned = Number.NEGATIVE_INFINITY
  private full = false
  private asked = false
  private stopped = false

  constructor(host: DiscoveryHost, self: Announcement, settings: MulticastSettings, ignored: Record<Ignored, number>) {
    this.host = host
    this.self = self
    this.settings = settings
    this.ignored = ignored
    this.warnings = new Warnings(error => host.warn(error))
    this.repeat = new Repeat(
      () => {
        this.forgetSilent()
        return this.send(this.asked ? KINDS.here : KINDS.whoIsThere)
      },
      () => settings.interval,
    )
  }

  begin(): Promise<void> {
    this.beginning = this.open()
    return this.beginning
  }

  async end(): Promise<void> {
    this.stopped = true
    clearTimeout(this.answer)
    this.endLook?.()
    await this.beginning.catch(() => {})
    await this.repeat.stop()
    if (this.asked) await this.send(KINDS.goodbye)
    for (const socket of [this.sender, this.receiver]) {
      if (socket !== null) await new Promise<void>(resolve => socket.close(resolve))
    }
  }

  private async open(): Promise<void> {
    encodeBeacon(KINDS.here, this.self)
    const { group, port, ttl, interface: wanted } = this.settings
    const address = this.findInterface(wanted)
    try {
      // Two sockets: what one bound to the group's address sends has, on some systems, no address to come from.
      this.sender = await this.socket(dgram.createSocket({ type: "udp4" }), { port: 0, address })
      this.sender.setMulticastInterface(address)
      this.sender.setMulticastTTL(ttl)
      this.sender.setMulticastLoopback(true)
      // Bound to the group, it gets no unicast and no other group. Windows cannot do that.
      const place = process.platform === "win32" ? {} : { address: group }
      const receiver = dgram.createSocket({ type: "udp4", reuseAddr: true })
      this.receiver = await this.socket(receiver, { port, ...place })
      receiver.addMembership(group, address)
      receiver.on("message", (bytes, { address: source }) => this.receive(bytes, source))
    } catch (error) {
      throw fromSystem(error, `Multicast by ${wanted} in the group`, `${group}:${port}`)
    }
    if (this.stopped) return
    await this.repeat.now()
    this.asked = true
    await this.look()
  }

  /** Referenced: who waits for the first look has nothing else that keeps the process alive. */
  private look(): Promise<void> {
    if (this.stopped) return Promise.resolve()
    return new Promise(resolve => {
      const timer = setTimeout(resolve, LOOK)
      this.endLook = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  private async socket(socket: dgram.Socket, place: dgram.BindOptions): Promise<dgram.Socket> {
    await new Promise<void>((resolve, reject) => {
      socket.once("error", error => {
        socket.close()
        reject(error)
      })
      // Exclusive: in a worker of a cluster, the primary process would hold it.
      socket.bind({ ...place, exclusive: true }, resolve)
    })
    socket.removeAllListeners("error").on("error", error => this.failed(error))
    return socket.unref()
  }

  /** The address of the interface, and what may come by it. */
  private findInterface(wanted: string): string {
    for (const [name, addresses = []] of Object.entries(os.networkInterfaces())) {
      const usable = addresses.filter(one => one.family === "IPv4")
      const found = usable.find(one => name === wanted || one.address === wanted)
      if (found === undefined) continue
      for (const { address, cidr } of usable) {
        this.networks.addSubnet(address, Number(cidr?.split("/")[1] ?? 32), "ipv4")
      }
      return found.address
    }
    throw new HeddleError(
      "EADDRNOTAVAIL",
      `This machine has no interface ${wanted} with an IPv4 address; name one of: ${Object.keys(os.networkInterfaces()).join(", ")}`,
      { address: wanted },
    )
  }

  private async send(kind: Beacon["kind"]): Promise<void> {
    const { sender } = this
    if (sender === null) return
    clearTimeout(this.answer)
    this.answer = undefined
    this.sent = performance.now()
    const { port, group } = this.settings
    const error = await new Promise<Error | null>(resolve =>
      sender.send(encodeBeacon(kind, this.self), port, group, resolve),
    )
    if (error === null) this.warnings.settled()
    else this.failed(error)
  }

  private failed(error: Error): void {
    const { group, port } = this.settings
    this.warnings.trouble(fromSystem(error, "The beacon to", `${group}:${port}`))
  }

  /**
   * The system hands us what comes to the group by any interface that any program joined it on; only what comes from the
   * networks of ours is taken.
   */
  private admits(source: string): boolean {
    if (this.networks.check(source, "ipv4")) return true
    return this.settings.ttl > 1 && !isLoopback(source) && !this.networks.check("127.0.0.1", "ipv4")
  }

  private receive(bytes: Buffer, source: string): void {
    if (this.stopped) return
    const beacon = decodeBeacon(bytes)
    if (beacon === "foreign") this.ignored.foreign++
    else if (!this.admits(source)) this.ignored.network++
    else if (beacon === "malformed") this.malformed(source, "its head is wrong")
    else if (beacon.node === this.self.node) return
    else if (beacon.kind === KINDS.goodbye) this.goodbye(beacon.node, source)
    else if (this.hear(beacon, source) && beacon.kind === KINDS.whoIsThere) this.answerSoon()
  }

  /** True = it is a node of our fabric. */
  private hear({ node, body }: Beacon, source: string): boolean {
    const now = performance.now()
    const old = this.known.get(node)
    if (old?.source === source && old.body.equals(body)) {
      old.heard = now
      if (now - old.offered >= OFFER_AGAIN) this.offer(node, old, now)
      return true
    }
    const said = readAnnouncement(body.toString("utf8"), { node })
    if (typeof said === "string") return this.malformed(source, said)
    if (said.fabric !== this.self.fabric) return this.ignore("fabric")
    // What a node says changes seldom: who forges it is not to make us dial at the rate of its datagrams.
    if (old !== undefined && now - old.offered < this.settings.interval) return true
    const endpoints = reachable(said.endpoints, source)
    if (endpoints.length === 0) return this.ignore("unreachable")
    if (old === undefined && this.known.size >= this.settings.limit) return this.overfull()
    // A copy: the datagram is a view of a larger piece of memory.
    const left = old?.left ?? Number.NEGATIVE_INFINITY
    const one = { source, body: Buffer.from(body), endpoints, heard: now, offered: now, left }
    this.known.set(node, one)
    this.offer(node, one, now)
    return true
  }

  private offer(node: string, one: Known, now: number): void {
    // A beacon may arrive after the goodbye that it was sent before.
    if (now - one.left < this.settings.interval) return
    one.offered = now
    this.host.found({ endpoints: one.endpoints, node })
  }

  private goodbye(node: string, source: string): void {
    const one = this.known.get(node)
    const now = performance.now()
    if (one === undefined || one.source !== source || now - one.left < this.settings.interval) return
    one.left = now
    this.host.lost(node)
  }

  private answerSoon(): void {
    if (this.answer !== undefined || this.sender === null) return
    const spread = Math.min(ANSWER_SPREAD + ANSWER_SPREAD_A_NODE * this.known.size, this.settings.interval)
    const wait = Math.max(Math.random() * spread, this.sent + BEACON_GAP - performance.now())
    this.answer = setTimeout(() => void this.send(KINDS.here), wait).unref()
  }

  private forgetSilent(): void {
    const since = performance.now() - MISSED * this.settings.interval
    for (const [node, { heard }] of this.known) if (heard < since) this.known.delete(node)
    if (this.known.size < this.settings.limit) this.full = false
  }

  private ignore(why: Ignored): false {
    this.ignored[why]++
    return false
  }

  private malformed(source: string, why: string): false {
    this.ignored.malformed++
    const now = performance.now()
    if (now - this.warned < WARN_AGAIN) return false
    this.warned = now
    this.host.warn(
      new HeddleError(
        "EPROTO",
        `A malformed beacon from ${source} is ignored: ${why}; another program may use ${this.settings.group}:${this.settings.port}, choose another port then`,
        { address: source },
      ),
    )
    return false
  }

  private overfull(): false {
    if (!this.full) {
      this.full = true
      this.host.warn(
        new HeddleError(
          "EMFILE",
          `More than ${this.settings.limit} nodes announce themselves; the others are ignored: raise the option limit, or use several fabrics`,
        ),
      )
    }
    return this.ignore("limit")
  }
}
