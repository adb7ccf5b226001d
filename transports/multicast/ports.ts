import type { DatagramPort, DatagramReader } from "../udp/port.ts"
import { Alarm, type Clock } from "./clock.ts"
import {
  type GroupHost,
  GroupReceiver,
  type GroupSender,
  type InboundSession,
  type ReceiverSettings,
} from "./engine.ts"

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
  onFailed: (error: Error) => void = () => {}
  private readonly group: Group
  private readonly alarm: Alarm
  private lastHost = ""
  private lastPort = 0
  private lastKey = ""
  /** Datagrams for the group, and those of them that the operating system refused. */
  private tried = 0
  private refused = 0

  constructor(port: DatagramPort, { group, clock, random }: Surroundings) {
    this.port = port
    this.group = group
    this.alarm = new Alarm(clock, () => {
      this.sender?.tick()
      port.flush?.()
    })
    this.host = {
      now: () => clock.now(),
      random,
      send: bytes => this.toGroup(bytes),
      wake: at => this.alarm.set(at),
    }
    port.start(this)
  }

  toGroup(bytes: Buffer): boolean {
    this.tried++
    return this.port.send(bytes, this.group.host, this.group.port)
  }

  /** `to`: what a receiver heard as `source`. */
  reply(bytes: Buffer, to: string): void {
    const { host, port } = partsOf(to)
    this.port.send(bytes, host, port)
  }

  close(): void {
    this.alarm.cancel()
    this.port.close()
  }

  datagram(bytes: Buffer, host: string, port: number, more = false): void {
    const { sender } = this
    if (sender === null) return
    if (port !== this.lastPort || host !== this.lastHost) {
      this.lastHost = host
      this.lastPort = port
      this.lastKey = sourceOf(host, port)
    }
    sender.received(bytes, this.lastKey, more)
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
    this.port.flush?.()
  }

  failed(error: Error): void {
    this.onFailed(error)
  }
}

/** The group's port: what all members send to all. */
export class Inlet implements DatagramReader {
  readonly port: DatagramPort
  readonly receiver: GroupReceiver
  onSession: (session: InboundSession) => void = session => session.close()
  onFailed: (error: Error) => void = () => {}
  private readonly alarm: Alarm
  private lastHost = ""
  private lastPort = 0
  private lastSource = ""

  constructor(port: DatagramPort, outlet: Outlet, { clock, random }: Surroundings, settings: ReceiverSettings) {
    this.port = port
    this.alarm = new Alarm(clock, () => this.receiver.tick())
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
    this.alarm.cancel()
    this.port.close()
  }

  datagram(bytes: Buffer, host: string, port: number): void {
    if (port !== this.lastPort || host !== this.lastHost) {
      this.lastHost = host
      this.lastPort = port
      this.lastSource = sourceOf(host, port)
    }
    this.receiver.received(bytes, this.lastSource)
  }

  // Nothing is sent by this port.
  unsent(): void {}
  drained(): void {}

  failed(error: Error): void {
    this.onFailed(error)
  }
}

function sourceOf(host: string, port: number): string {
  return `${host} ${port}`
}

/** Host and port of what `datagram` made of them. */
export function partsOf(source: string): { host: string; port: number } {
  const cut = source.lastIndexOf(" ")
  return { host: source.slice(0, cut), port: Number(source.slice(cut + 1)) }
}
