import assert from "node:assert/strict"
import { Alarm } from "../../../transports/multicast/clock.ts"
import {
  type GroupHost,
  GroupReceiver,
  GroupSender,
  type InboundSession,
  newSessionId,
  RECEIVER_DEFAULTS,
  type ReceiverSettings,
  SENDER_DEFAULTS,
  type SenderSettings,
} from "../../../transports/multicast/engine.ts"
import type { SimulatedHost } from "../../../transports/simulated/host.ts"
import type { SimulatedPort } from "../../../transports/simulated/port.ts"
import type { SeededRandom } from "../../../transports/simulated/random.ts"
import type { PortOptions } from "../../../transports/udp/port.ts"
import { Follower, type Sent } from "./follower.ts"

export const GROUP = "239.7.7.7"
export const GROUP_PORT = 7_777

const PORT: PortOptions = {
  family: 4,
  host: "0.0.0.0",
  port: 0,
  shared: false,
  group: null,
  interface: undefined,
  hops: 1,
  loopback: false,
  sendBuffer: -1,
  receiveBuffer: -1,
  service: 0,
  device: null,
}
const MEMBER: PortOptions = { ...PORT, host: GROUP, group: GROUP, port: GROUP_PORT, shared: true }

interface Engine {
  received(bytes: Buffer, source: string): void
  drained?(): void
}

function listen(port: SimulatedPort, engine: Engine): SimulatedPort {
  port.start({
    datagram: (bytes, host, from) => engine.received(bytes, `${host}:${from}`),
    unsent: () => {},
    drained: () => engine.drained?.(),
    failed: () => {},
  })
  return port
}

/** A process that sends: an engine on a simulated host, and what its application gave it. */
export class SendingProcess implements GroupHost, Sent {
  readonly id: string
  /** As receivers see it. */
  readonly source: string
  readonly messages: (readonly Buffer[])[] = []
  readonly engine: GroupSender
  readonly random: () => number
  readonly host: SimulatedHost
  readonly port: SimulatedPort
  readonly startedAt: number
  alive = true
  closed = false
  /** The engine said stop. */
  blocked = false
  onDrain: () => void = () => {}
  private readonly group: SimulatedPort | null
  private readonly alarm: Alarm

  /** `replies`: receivers answer it alone; otherwise it listens to the group, too. */
  constructor(host: SimulatedHost, random: SeededRandom, settings: Partial<SenderSettings>, replies: boolean) {
    this.host = host
    this.random = () => random.next()
    this.id = newSessionId(this.random)
    this.alarm = new Alarm(host.clock, () => this.engine.tick())
    this.startedAt = host.clock.now()
    this.port = host.bind(PORT)
    this.source = `${host.address}:${this.port.port}`
    this.engine = new GroupSender(this, { ...SENDER_DEFAULTS, ...settings }, this.id)
    listen(this.port, this.engine)
    this.group = replies ? null : listen(host.bind(MEMBER), this.engine)
    this.engine.onDrain = () => {
      this.blocked = false
      this.onDrain()
    }
    this.engine.onClosed = () => {
      assert.ok(!this.closed, "a sender is closed twice")
      this.closed = true
    }
  }

  now(): number {
    return this.host.clock.now()
  }

  send(bytes: Buffer): boolean {
    return this.port.send(bytes, GROUP, GROUP_PORT)
  }

  wake(at: number): void {
    this.alarm.set(at)
  }

  give(message: readonly Buffer[]): void {
    this.messages.push(message)
    if (!this.engine.send(message)) this.blocked = true
  }

  /** Gone, without a word to anybody. */
  kill(): void {
    this.alive = false
    this.alarm.cancel()
    this.port.close()
    this.group?.close()
  }
}

/** A process that receives: an engine on a simulated host, and what its application hears. */
export class ReceivingProcess implements GroupHost {
  readonly engine: GroupReceiver
  readonly host: SimulatedHost
  readonly random: () => number
  readonly reply?: (bytes: Buffer, source: string) => void
  /** By session, of the senders that there really are. */
  readonly followers = new Map<string, Follower>()
  readonly sessions = new Map<string, InboundSession>()
  readonly settings: ReceiverSettings
  readonly joinedAt: number
  alive = true
  /** Called with each message of a real sender. */
  onMessage: (session: InboundSession) => void = () => {}
  /** Sessions that nobody has sent, or that a forger has. */
  strangers = 0
  /** Somebody lies in the names of senders: nothing is checked that is heard. */
  believesNobody = false
  paused = false
  private readonly halted = new Set<InboundSession>()
  private readonly alarm: Alarm
  private readonly own: SimulatedPort
  private readonly group: SimulatedPort
  private readonly sentBy: (session: string) => Sent | undefined

  /** `sentBy`: what a session has sent; undefined = there is no such sender. */
  constructor(
    host: SimulatedHost,
    random: SeededRandom,
    settings: Partial<ReceiverSettings>,
    replies: boolean,
    sentBy: (session: string) => Sent | undefined,
  ) {
    this.host = host
    this.random = () => random.next()
    this.settings = { ...RECEIVER_DEFAULTS, ...settings }
    this.sentBy = sentBy
    this.joinedAt = host.clock.now()
    this.alarm = new Alarm(host.clock, () => this.engine.tick())
    this.own = host.bind(PORT)
    if (replies) {
      this.reply = (bytes, source) => {
        const colon = source.indexOf(":")
        this.own.send(bytes, source.slice(0, colon), Number(source.slice(colon + 1)))
      }
    }
    this.engine = new GroupReceiver(this, this.settings, { session: session => this.meet(session) })
    this.group = listen(host.bind({ ...MEMBER, receiveBuffer: this.settings.receiveWindow }), this.engine)
  }

  now(): number {
    return this.host.clock.now()
  }

  send(bytes: Buffer): boolean {
    return this.own.send(bytes, GROUP, GROUP_PORT)
  }

  wake(at: number): void {
    this.alarm.set(at)
  }

  pause(): void {
    this.paused = true
    for (const session of this.sessions.values()) this.halt(session)
  }

  resume(): void {
    this.paused = false
    for (const session of [...this.halted]) this.goOn(session)
  }

  halt(session: InboundSession): void {
    this.halted.add(session)
    session.pause()
  }

  goOn(session: InboundSession): void {
    if (!this.alive || this.paused || !this.halted.delete(session)) return
    session.resume()
  }

  /** Without a word, or in order: the senders are told. */
  leave(inOrder: boolean): void {
    if (!this.alive) return
    this.alive = false
    if (inOrder) this.engine.close()
    this.alarm.cancel()
    this.own.close()
    this.group.close()
  }

  private meet(session: InboundSession): void {
    const { id } = session
    const sent = this.sentBy(id)
    if (sent === undefined || sent.source !== session.source || this.believesNobody) {
      this.strangers++
      session.onMessage = () => {}
      session.onGap = () => {}
      session.onEnd = () => {}
      return
    }
    let follower = this.followers.get(id)
    if (follower === undefined) {
      follower = new Follower(`${this.host.name} of ${id}`, sent, this.settings.maxMessageSize)
      this.followers.set(id, follower)
    }
    const mine = follower
    mine.begin(this.strangers + this.followers.size > this.settings.maxSessions)
    assert.ok(!this.sessions.has(id), `${this.host.name}: session ${id} begins twice`)
    this.sessions.set(id, session)
    session.onMessage = frames => {
      assert.ok(this.alive, `${this.host.name}: a message after the receiver was closed`)
      assert.ok(!this.halted.has(session), `${this.host.name}: a message of a session that is paused`)
      mine.message(frames)
      this.onMessage(session)
    }
    session.onGap = (first, count, reason) => mine.gap(first, count, reason)
    session.onEnd = reason => {
      this.sessions.delete(id)
      this.halted.delete(session)
      mine.ended(reason)
    }
    if (this.paused) this.halt(session)
  }
}
