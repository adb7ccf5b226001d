import type {
  Connection,
  ConnectionSink,
  Endpoint,
  Listener,
  ListenerSink,
  Message,
  PeerHello,
  Transport,
} from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"

const ADDRESSED: Omit<PeerHello, "address"> = {
  socketType: "PUB",
  routingId: Buffer.alloc(0),
  metadata: new Map(),
  mechanism: "NULL",
  userId: "",
}

/**
 * Groups without a network, for what is built on reliable multicast: `group://name` reaches every listener of that name. Each has a
 * transport of its own by `host`, so that tests can say who hears whom. What is lost is lost for good, as when a repair
 * came too late; order is kept for each sender; nothing comes twice. Messages arrive in a later turn of the event loop.
 */
export class GroupHub {
  /** True = this message (counted from 0 for each pair) is lost. */
  lose: (from: string, to: string, index: number) => boolean = () => false
  /** The last message of each sender that is taken from now on: what comes then waits until `flow`. */
  private readonly stalled = new Set<string>()
  private readonly frozen = new Set<string>()
  private readonly ears = new Set<Ear>()
  private readonly voices = new Set<Voice>()
  /** Messages that hosts have sent, in order. */
  readonly sent: { from: string; group: string; message: Message }[] = []

  host(name: string): Transport {
    return {
      scheme: "group",
      addressed: true,
      check: ({ address, href }) => {
        if (address === "nowhere") throw new HeddleError("EINVAL", `${href} is no group`)
      },
      listen: (endpoint, _local, sink) => this.listen(name, endpoint, sink),
      dial: endpoint => Promise.resolve(this.dial(name, endpoint)),
    }
  }

  /** Nobody takes what this host sends until `flow`: its connections say that they are full. */
  stall(host: string): void {
    this.stalled.add(host)
  }

  flow(host: string): void {
    this.stalled.delete(host)
    for (const voice of [...this.voices]) if (voice.host === host) voice.flow()
  }

  /** What reaches this host waits there until `thaw`. */
  freeze(host: string): void {
    this.frozen.add(host)
  }

  thaw(host: string): void {
    this.frozen.delete(host)
    for (const ear of this.ears) if (ear.host === host) for (const source of ear.sources.values()) source.pump()
  }

  isStalled(host: string): boolean {
    return this.stalled.has(host)
  }

  isFrozen(host: string): boolean {
    return this.frozen.has(host)
  }

  /** Somebody sends to a group, whoever it says to be. */
  inject(host: string, address: string, message: Message): void {
    const voice = this.dial(host, { scheme: "group", address, href: `group://${address}` })
    voice.send(message)
  }

  /** The ports of a host fail. */
  fail(host: string): void {
    for (const voice of [...this.voices])
      if (voice.host === host) voice.finish(new HeddleError("EADDRNOTAVAIL", `The network of ${host} is down`))
  }

  /** Ports that are open. */
  get open(): { senders: number; receivers: number } {
    return { senders: this.voices.size, receivers: this.ears.size }
  }

  carry(voice: Voice, message: Message): void {
    this.sent.push({ from: voice.host, group: voice.group, message })
    for (const ear of this.ears) if (ear.group === voice.group) ear.take(voice, message)
  }

  ended(voice: Voice): void {
    this.voices.delete(voice)
    for (const ear of this.ears) ear.sources.get(voice)?.finish()
  }

  private dial(host: string, { address }: Endpoint): Voice {
    const voice = new Voice(this, host, address.split("?")[0])
    this.voices.add(voice)
    return voice
  }

  private async listen(host: string, { address, href }: Endpoint, sink: ListenerSink): Promise<Listener> {
    const ear = new Ear(this, host, address.split("?")[0], sink)
    this.ears.add(ear)
    return {
      endpoint: href,
      close: async () => {
        this.ears.delete(ear)
      },
    }
  }
}

/** What both directions have in common. */
abstract class Port implements Connection {
  readonly peer: PeerHello
  readonly wire = null
  bytesReceived = 0
  bytesSent = 0
  protected sink: ConnectionSink | null = null
  protected over = false

  constructor(address: string) {
    this.peer = { ...ADDRESSED, address: `group://${address}` }
  }

  start(sink: ConnectionSink): void {
    this.sink = sink
  }

  abstract send(message: Message): boolean

  sendEncoded(): boolean {
    throw new Error("it has no wire")
  }

  control(): void {}

  pause(): void {}

  resume(): void {}

  close(reason?: Error): void {
    this.finish(reason)
  }

  end(): void {
    this.finish()
  }

  finish(reason?: Error): void {
    if (this.over) return
    this.over = true
    setImmediate(() => this.sink?.closed(reason))
  }
}

/** A sender's connection to a group. */
class Voice extends Port {
  readonly host: string
  readonly group: string
  private readonly hub: GroupHub
  private readonly waiting: Message[] = []

  constructor(hub: GroupHub, host: string, group: string) {
    super(host)
    this.hub = hub
    this.host = host
    this.group = group
  }

  send(message: Message): boolean {
    if (this.over) return true
    // A copy: what is sent may lie in memory that is used again.
    const copy = message.map(frame => Buffer.from(frame))
    if (this.hub.isStalled(this.host)) {
      this.waiting.push(copy)
      return false
    }
    this.hub.carry(this, copy)
    return true
  }

  flow(): void {
    for (const message of this.waiting.splice(0)) this.hub.carry(this, message)
    setImmediate(() => this.sink?.drain())
  }

  override finish(reason?: Error): void {
    if (this.over) return
    super.finish(reason)
    this.hub.ended(this)
  }
}

/** A listener of one host. */
class Ear {
  readonly host: string
  readonly group: string
  readonly sources = new Map<Voice, Source>()
  private readonly hub: GroupHub
  private readonly sink: ListenerSink

  constructor(hub: GroupHub, host: string, group: string, sink: ListenerSink) {
    this.hub = hub
    this.host = host
    this.group = group
    this.sink = sink
  }

  take(voice: Voice, message: Message): void {
    let source = this.sources.get(voice)
    if (source === undefined) {
      source = new Source(this.hub, voice.host, this.host)
      this.sources.set(voice, source)
    }
    if (!source.take(message)) return
    if (source.isNew) {
      source.isNew = false
      this.sink.connection(source)
    }
  }
}

/** One sender as one listener hears it. */
class Source extends Port {
  isNew = true
  private readonly hub: GroupHub
  private readonly from: string
  private readonly to: string
  private readonly waiting: { message: Message; lost: number }[] = []
  private index = 0
  private lost = 0
  private paused = false
  private scheduled = false

  constructor(hub: GroupHub, from: string, to: string) {
    super(from)
    this.hub = hub
    this.from = from
    this.to = to
  }

  /** False: it is lost. */
  take(message: Message): boolean {
    if (this.over) return false
    if (this.hub.lose(this.from, this.to, this.index++)) {
      // Who has heard nothing yet does not know that anything is missing.
      if (!this.isNew) this.lost++
      return false
    }
    this.waiting.push({ message, lost: this.lost })
    this.lost = 0
    this.pump()
    return true
  }

  send(): boolean {
    return true
  }

  override pause(): void {
    this.paused = true
  }

  override resume(): void {
    this.paused = false
    this.pump()
  }

  pump(): void {
    if (this.scheduled) return
    this.scheduled = true
    setImmediate(() => {
      this.scheduled = false
      while (!this.paused && !this.over && !this.hub.isFrozen(this.to)) {
        const next = this.waiting.shift()
        if (next === undefined) break
        if (next.lost > 0) this.sink?.lost?.("gap", next.lost)
        this.sink?.message(next.message)
      }
    })
  }
}
