import dgram from "node:dgram"
import net from "node:net"
import { fromSystem, HeddleError } from "../../../core/errors.ts"
import { readAnnouncement } from "./announcement.ts"
import { type Beacon, decodeBeacon, encodeBeacon, KINDS } from "./beacon.ts"
import type { Announcement, DiscoveryHost } from "./discovery.ts"
import { interfacesFor, namedInterfaces, type Reach } from "./interfaces.ts"
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
  /** Null: as the endpoints say. */
  readonly interfaces: readonly string[] | null
  readonly interval: number
  readonly ttl: number
  readonly limit: number
}

/** A node as it is heard from one address: by several interfaces it has several. */
interface Heard {
  body: Buffer
  endpoints: readonly string[]
  /** When its last beacon came, and when it was last given to the host (`performance.now`). */
  at: number
  offered: number
}

interface Known {
  readonly bySource: Map<string, Heard>
  /** When it said goodbye. */
  left: number
}

/** One interface: what leaves by it. */
interface Voice {
  readonly socket: dgram.Socket
  readonly warnings: Warnings
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
/** Addresses of one node that are kept in mind: a machine has some, a forger any number. */
const MAX_SOURCES = 8
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
  private networks = new net.BlockList()
  /** Some interface leads out of this machine. */
  private outside = false
  private receiver: dgram.Socket | null = null
  /** By the address that they send from. */
  private readonly voices = new Map<string, Voice>()
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
      async () => {
        this.forgetSilent()
        if (this.asked) await this.lookForInterfaces()
        await this.send(this.asked ? KINDS.here : KINDS.whoIsThere)
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
    const sockets = [...this.voices.values()].map(({ socket }) => socket)
    this.voices.clear()
    if (this.receiver !== null) sockets.push(this.receiver)
    for (const socket of sockets) await new Promise<void>(resolve => socket.close(resolve))
  }

  private async open(): Promise<void> {
    encodeBeacon(KINDS.here, this.self)
    const { group, port, interfaces } = this.settings
    const usable = this.usable()
    try {
      // Bound to the group, it gets no unicast and no other group. Windows cannot do that.
      const place = process.platform === "win32" ? {} : { address: group }
      const receiver = dgram.createSocket({ type: "udp4", reuseAddr: true })
      this.receiver = await this.socket(receiver, { port, ...place }, error => this.trouble(this.warnings, error))
      receiver.on("message", (bytes, { address: source }) => this.receive(bytes, source))
    } catch (error) {
      throw fromSystem(error, "Multicast in the group", `${group}:${port}`)
    }
    const failures = await this.use(usable)
    // Who names an interface means it.
    if (failures.length > 0 && (interfaces !== null || this.voices.size === 0)) throw failures[0]
    for (const failure of failures) this.host.warn(failure)
    if (this.stopped) return
    await this.repeat.now()
    this.asked = true
    await this.look()
  }

  /** Throws EADDRNOTAVAIL for an interface that is named and not there. */
  private usable(): Reach[] {
    const { interfaces } = this.settings
    return interfaces === null ? interfacesFor(this.self.endpoints) : namedInterfaces(interfaces)
  }

  /** Networks come and go while a node lives. */
  private async lookForInterfaces(): Promise<void> {
    let usable: Reach[]
    try {
      usable = this.usable()
    } catch (error) {
      this.warnings.trouble(error as HeddleError)
      return
    }
    const failures = await this.use(usable)
    if (failures.length > 0) this.warnings.trouble(failures[0])
    else this.warnings.settled()
  }

  /** Sends and listens by these interfaces and no others. Returns what failed. */
  private async use(usable: readonly Reach[]): Promise<HeddleError[]> {
    const failures: HeddleError[] = []
    const { group } = this.settings
    for (const [address, { socket }] of [...this.voices]) {
      if (usable.some(one => one.address === address)) continue
      this.voices.delete(address)
      socket.close()
      try {
        this.receiver?.dropMembership(group, address)
      } catch {
        // The system has done so with the interface.
      }
    }
    for (const { name, address } of usable) {
      if (this.voices.has(address) || this.stopped) continue
      try {
        await this.join(address)
      } catch (error) {
        failures.push(fromSystem(error, `Multicast by ${name} in the group`, `${group}:${this.settings.port}`))
      }
    }
    this.networks = new net.BlockList()
    for (const { networks } of usable)
      for (const [address, bits] of networks) this.networks.addSubnet(address, bits, "ipv4")
    this.outside = usable.some(({ address }) => !isLoopback(address))
    return failures
  }

  private async join(address: string): Promise<void> {
    const { group, ttl } = this.settings
    const warnings = new Warnings(error => this.host.warn(error))
    // A socket of its own: what one bound to the group's address sends has, on some systems, no address to come from.
    const socket = await this.socket(dgram.createSocket({ type: "udp4" }), { port: 0, address }, error =>
      this.trouble(warnings, error),
    )
    try {
      socket.setMulticastInterface(address)
      socket.setMulticastTTL(ttl)
      socket.setMulticastLoopback(true)
      this.receiver?.addMembership(group, address)
    } catch (error) {
      socket.close()
      throw error
    }
    this.voices.set(address, { socket, warnings })
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

  private async socket(
    socket: dgram.Socket,
    place: dgram.BindOptions,
    failed: (error: Error) => void,
  ): Promise<dgram.Socket> {
    await new Promise<void>((resolve, reject) => {
      socket.once("error", error => {
        socket.close()
        reject(error)
      })
      // Exclusive: in a worker of a cluster, the primary process would hold it.
      socket.bind({ ...place, exclusive: true }, resolve)
    })
    socket.removeAllListeners("error").on("error", failed)
    return socket.unref()
  }

  private async send(kind: Beacon["kind"]): Promise<void> {
    clearTimeout(this.answer)
    this.answer = undefined
    this.sent = performance.now()
    const { port, group } = this.settings
    const bytes = encodeBeacon(kind, this.self)
    await Promise.all(
      [...this.voices.values()].map(async ({ socket, warnings }) => {
        const error = await new Promise<Error | null>(resolve => socket.send(bytes, port, group, resolve))
        if (error === null) warnings.settled()
        else this.trouble(warnings, error)
      }),
    )
  }

  private trouble(warnings: Warnings, error: Error): void {
    const { group, port } = this.settings
    warnings.trouble(fromSystem(error, "The beacon to", `${group}:${port}`))
  }

  /**
   * The system hands us what comes to the group by any interface that any program joined it on; only what comes from the
   * networks of ours is taken.
   */
  private admits(source: string): boolean {
    if (this.networks.check(source, "ipv4")) return true
    return this.settings.ttl > 1 && !isLoopback(source) && this.outside
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
    const known = this.known.get(node)
    const old = known?.bySource.get(source)
    if (known !== undefined && old?.body.equals(body)) {
      old.at = now
      if (now - old.offered >= OFFER_AGAIN) this.offer(node, known, old, now)
      return true
    }
    const said = readAnnouncement(body.toString("utf8"), { node })
    if (typeof said === "string") return this.malformed(source, said)
    if (said.fabric !== this.self.fabric) return this.ignore("fabric")
    // What a node says changes seldom: who forges it is not to make us dial at the rate of its datagrams.
    if (old !== undefined && now - old.offered < this.settings.interval) return true
    const endpoints = reachable(said.endpoints, source)
    if (endpoints.length === 0) return this.ignore("unreachable")
    if (known === undefined && this.known.size >= this.settings.limit) return this.overfull()
    const one = known ?? { bySource: new Map<string, Heard>(), left: Number.NEGATIVE_INFINITY }
    if (old === undefined && one.bySource.size >= MAX_SOURCES) return this.ignore("limit")
    // A copy: the datagram is a view of a larger piece of memory.
    const heard = { body: Buffer.from(body), endpoints, at: now, offered: now }
    one.bySource.set(source, heard)
    this.known.set(node, one)
    this.offer(node, one, heard, now)
    return true
  }

  private offer(node: string, known: Known, heard: Heard, now: number): void {
    // A beacon may arrive after the goodbye that it was sent before.
    if (now - known.left < this.settings.interval) return
    heard.offered = now
    this.host.found({ endpoints: heard.endpoints, node })
  }

  private goodbye(node: string, source: string): void {
    const known = this.known.get(node)
    const now = performance.now()
    if (known === undefined || !known.bySource.has(source) || now - known.left < this.settings.interval) return
    known.left = now
    this.host.lost(node)
  }

  private answerSoon(): void {
    if (this.answer !== undefined || this.voices.size === 0) return
    const spread = Math.min(ANSWER_SPREAD + ANSWER_SPREAD_A_NODE * this.known.size, this.settings.interval)
    const wait = Math.max(Math.random() * spread, this.sent + BEACON_GAP - performance.now())
    this.answer = setTimeout(() => void this.send(KINDS.here), wait).unref()
  }

  private forgetSilent(): void {
    const since = performance.now() - MISSED * this.settings.interval
    for (const [node, { bySource }] of this.known) {
      for (const [source, { at }] of bySource) if (at < since) bySource.delete(source)
      if (bySource.size === 0) this.known.delete(node)
    }
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
