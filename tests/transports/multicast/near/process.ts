import assert from "node:assert/strict"
import { parseEndpoint } from "../../../../core/endpoint.ts"
import { parseMulticastAddress } from "../../../../transports/multicast/address.ts"
import type { GroupSender, InboundSession } from "../../../../transports/multicast/engine.ts"
import { type Role, roleOf } from "../../../../transports/multicast/roles.ts"
import { sourceOf } from "../../../../transports/multicast/source.ts"
import { Station } from "../../../../transports/multicast/station.ts"
import { BELL, DATA, RETX } from "../../../../transports/multicast/wire.ts"
import type { World } from "../../../../transports/multicast/world.ts"
import type { SimulatedHost } from "../../../../transports/simulated/host.ts"
import type { SeededRandom } from "../../../../transports/simulated/random.ts"
import type { OpenPort } from "../../../../transports/udp/port.ts"
import { LINK_OPTIONS } from "../../../support/link-options.ts"
import { Follower, type Sent } from "../follower.ts"
import type { NearScenario } from "./plans.ts"

const GROUP = "239.7.7.8"
const ENDPOINT = parseEndpoint(`multicast://${GROUP}:7778`)

/** What a process finds when it starts. */
export interface Around {
  readonly host: SimulatedHost
  readonly random: SeededRandom
  readonly native: World["native"]
  readonly isOurs: (host: string) => boolean
  readonly options: NearScenario["options"]
  readonly sentBy: (source: string) => Sent | undefined
}

/** One member of the group: a station on a simulated host, what its user gave it, and what that user heard. */
export class NearProcess implements Sent {
  id = ""
  source = ""
  readonly messages: (readonly Buffer[])[] = []
  /** By source: each sender is a process of its own. */
  readonly followers = new Map<string, Follower>()
  readonly startedAt: number
  readonly host: SimulatedHost
  station: Station | null = null
  alive = true
  /** Its sender has closed. */
  closed = false
  blocked = false
  /** Bytes of data that went to the group as datagrams for the first time. */
  asDatagrams = 0
  /** Bells that it has rung. */
  bells = 0
  /** A user that pauses in the midst, so often. */
  nervous = 0
  onDrain: () => void = () => {}
  private readonly around: Around
  private readonly sessions = new Map<string, InboundSession>()
  private readonly halted = new Set<InboundSession>()
  private paused = false

  constructor(around: Around, type: "PUB" | "SUB" | "BUS") {
    this.around = around
    this.host = around.host
    this.startedAt = around.host.clock.now()
    void this.start(roleOf(type) as Role)
  }

  get sender(): GroupSender | null {
    return this.station?.outlet.sender ?? null
  }

  give(message: readonly Buffer[]): void {
    const { sender } = this
    assert.ok(sender !== null)
    this.messages.push(message)
    if (!sender.send([...message])) this.blocked = true
  }

  flush(): void {
    this.sender?.flush()
    this.station?.outlet.flush()
  }

  pause(): void {
    this.paused = true
    for (const session of this.sessions.values()) this.halt(session)
  }

  resume(): void {
    this.paused = false
    for (const session of [...this.halted]) this.goOn(session)
  }

  close(): void {
    this.alive = false
    this.station?.close()
  }

  /** Without a word to anybody; `bury` frees what the system would have freed. */
  kill(): void {
    this.alive = false
    this.host.freeze()
    this.host.crash()
  }

  bury(): void {
    this.station?.close()
  }

  private async start(role: Role): Promise<void> {
    const { host, random, native, isOurs, options } = this.around
    const address = parseMulticastAddress(ENDPOINT, "dial")
    const world = { open: this.open, clock: host.clock, random: () => random.next(), native, isOurs }
    const station = await Station.open(world, ENDPOINT, address, role, { ...LINK_OPTIONS, ...options })
    this.station = station
    const { inlet, outlet } = station
    this.source = sourceOf(host.address, outlet.port.port)
    this.id = host.name
    if (inlet !== null) inlet.onSession = session => this.meet(session)
    if (outlet.sender === null) return
    outlet.sender.onDrain = () => {
      this.blocked = false
      this.onDrain()
    }
    outlet.sender.onClosed = () => {
      this.closed = true
      this.close()
    }
  }

  /** Counts what goes to the group. */
  private readonly open: OpenPort = async options => {
    const port = this.host.bind(options)
    const send = port.send.bind(port)
    port.send = (bytes, host, to) => {
      if (bytes[3] === BELL) this.bells++
      if (host === GROUP && bytes[3] === DATA && (bytes[4] & RETX) === 0) this.asDatagrams += bytes.length
      return send(bytes, host, to)
    }
    return port
  }

  private meet(session: InboundSession): void {
    const { source } = session
    const sent = this.around.sentBy(source)
    assert.ok(sent !== undefined && sent !== this, `${this.host.name} hears of a session of ${source}`)
    let follower = this.followers.get(source)
    if (follower === undefined) {
      follower = new Follower(`${this.host.name} of ${sent.id}`, sent, LINK_OPTIONS.maxMessageSize)
      this.followers.set(source, follower)
    }
    const mine = follower
    mine.begin(false)
    this.sessions.set(source, session)
    session.onMessage = frames => {
      assert.ok(this.alive, `${this.host.name}: a message after the end`)
      assert.ok(!this.halted.has(session), `${this.host.name}: a message of a session that is paused`)
      mine.message(frames)
      if (this.nervous > 0 && this.around.random.chance(this.nervous)) this.fidget(session)
    }
    session.onGap = (first, count, reason) => mine.gap(first, count, reason)
    session.onEnd = reason => {
      this.sessions.delete(source)
      this.halted.delete(session)
      mine.ended(reason)
    }
    if (this.paused) this.halt(session)
  }

  private fidget(session: InboundSession): void {
    this.halt(session)
    this.host.clock.after(this.around.random.between(0, 5), () => this.goOn(session))
  }

  private halt(session: InboundSession): void {
    this.halted.add(session)
    session.pause()
  }

  private goOn(session: InboundSession): void {
    if (this.alive && !this.paused && this.halted.delete(session)) session.resume()
  }
}
