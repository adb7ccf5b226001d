import type { DatagramPort, DatagramReader } from "../udp/port.ts"
import { Alarm, type Clock } from "./clock.ts"
import {
  type GroupHost,
  GroupReceiver,
  type GroupSender,
  type InboundSession,
  type ReceiverSettings,
} from "./engine.ts"
import type { NearMembers } from "./near/members.ts"
import type { NearSenders } from "./near/senders.ts"
import { partsOf, sourceOf } from "./source.ts"
import { BELL, isPacket, NEAR } from "./wire.ts"

/**
 * Bytes of datagrams in one turn of the event loop, more than elsewhere: flow control sees to it that receivers can keep them,
 * and each pause of the sender costs it what twenty receivers' sleep and waking costs. Half of a window; some 4 ms where
 * a datagram of 64 KiB goes to twenty processes.
 */
export const TURN_BYTES = 4 * 1024 * 1024

/** Where a group's datagrams go. */
export interface Group {
  readonly host: string
  readonly port: number
}

/** What both engines of an endpoint have in common. */
export interface Surroundings {
  readonly group: Group
  readonly clock: Clock
  readonly random: () => number
}

/**
 * Our own port: what we send to the group comes from here, and receivers answer here, each alone. It is no member of the
 * group: it would hear all that it sends.
 */
export class Outlet implements DatagramReader {
  readonly port: DatagramPort
  /** Of a sender. */
  readonly host: GroupHost
  sender: GroupSender | null = null
  /** Members on this machine, where their memory can be shared. */
  readonly members: NearMembers | null
  senders: NearSenders | null = null
  onFailed: (error: Error) => void = () => {}
  private readonly group: Group
  private readonly alarm: Alarm
  private lastHost = ""
  private lastPort = 0
  private lastKey = ""
  /** Datagrams for the group, and those of them that the operating system refused. */
  private tried = 0
  private refused = 0
  /** Bytes that went out in shared memory in this turn of the event loop. */
  private turnBytes = 0
  private readonly turnEnded = (): void => {
    const full = this.turnBytes >= TURN_BYTES
    this.turnBytes = 0
    if (full && !this.closed) this.drained()
  }
  private closed = false

  constructor(port: DatagramPort, { group, clock, random }: Surroundings, members: NearMembers | null) {
    this.members = members
    this.port = port
    this.group = group
    this.alarm = new Alarm(clock, () => {
      this.sender?.tick()
      this.members?.tick()
      this.flush()
    })
    this.host = {
      now: () => clock.now(),
      random,
      send: bytes => this.toGroup(bytes),
      shares: bytes => this.members?.shares(bytes) ?? false,
      nearby: members,
      wake: at => this.alarm.set(at),
    }
    port.start(this)
  }

  toGroup(bytes: Buffer): boolean {
    const { members } = this
    const datagram = members === null ? bytes : members.publish(bytes)
    if (datagram === null) return this.goesOn(bytes.length)
    this.tried++
    return this.port.send(datagram, this.group.host, this.group.port)
  }

  /** Packets in shared memory take no time that anybody else counts: others shall read, and timers run, where flow control does not hold. */
  private goesOn(bytes: number): boolean {
    if (this.turnBytes === 0) setImmediate(this.turnEnded)
    this.turnBytes += bytes
    return this.turnBytes < TURN_BYTES
  }

  /** `to`: what a receiver heard as `source`. */
  reply(bytes: Buffer, to: string): void {
    const { host, port } = partsOf(to)
    this.port.send(bytes, host, port)
  }

  flush(): void {
    this.members?.ring()
    this.port.flush?.()
  }

  close(): void {
    this.closed = true
    this.alarm.cancel()
    this.members?.close()
    this.port.close()
  }

  datagram(bytes: Buffer, host: string, port: number, more = false): void {
    const { sender, senders } = this
    if (port !== this.lastPort || host !== this.lastHost) {
      this.lastHost = host
      this.lastPort = port
      this.lastKey = sourceOf(host, port)
    }
    const type = bytes[3]
    if ((type === NEAR || type === BELL) && isPacket(bytes)) {
      if (type === NEAR) senders?.offered(bytes, this.lastKey)
      else if (this.members?.isOf(bytes)) this.members.rung()
      else senders?.rung(bytes)
      return
    }
    sender?.received(bytes, this.lastKey, more)
  }

  /**
   * MCT-14 what could not be sent is in the window: who misses it asks for it, or is told that it is gone. But where nothing
   * could ever be sent (no route, a firewall) nobody would hear of it.
   */
  unsent(error: Error): void {
    if (this.sender !== null && ++this.refused === this.tried) this.failed(error)
  }

  drained(): void {
    this.sender?.drained()
    this.flush()
  }

  failed(error: Error): void {
    this.onFailed(error)
  }
}

/** The group's port: what all members send to all. */
export class Inlet implements DatagramReader {
  readonly port: DatagramPort
  readonly receiver: GroupReceiver
  senders: NearSenders | null = null
  onSession: (session: InboundSession) => void = session => session.close()
  onFailed: (error: Error) => void = () => {}
  private readonly alarm: Alarm
  private lastHost = ""
  private lastPort = 0
  private lastSource = ""

  constructor(port: DatagramPort, outlet: Outlet, { clock, random }: Surroundings, settings: ReceiverSettings) {
    this.port = port
    this.alarm = new Alarm(clock, () => {
      this.receiver.tick()
      this.senders?.review()
    })
    const host: GroupHost = {
      now: () => clock.now(),
      random,
      send: bytes => outlet.toGroup(bytes),
      reply: (bytes, source) => outlet.reply(bytes, source),
      wake: at => this.alarm.set(at),
    }
    this.receiver = new GroupReceiver(host, settings, { session: session => this.onSession(session) })
    port.start(this)
  }

  close(): void {
    this.receiver.close()
    this.senders?.close()
    this.alarm.cancel()
    this.port.close()
  }

  datagram(bytes: Buffer, host: string, port: number): void {
    if (port !== this.lastPort || host !== this.lastHost) {
      this.lastHost = host
      this.lastPort = port
      this.lastSource = sourceOf(host, port)
    }
    const { senders } = this
    if (senders === null) this.receiver.received(bytes, this.lastSource)
    else {
      if (senders.before(bytes, this.lastSource)) this.receiver.received(bytes, this.lastSource)
      senders.after(bytes, this.lastSource)
    }
  }

  // Nothing is sent by this port.
  unsent(): void {}
  drained(): void {}

  failed(error: Error): void {
    this.onFailed(error)
  }
}
