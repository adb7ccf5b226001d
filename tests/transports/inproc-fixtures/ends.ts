/** What the tests of inproc share: fake handshakes, sinks that remember, seeded messages. */
import type {
  Connection,
  ConnectionSink,
  ControlName,
  Endpoint,
  Handshake,
  Hello,
  LinkOptions,
  Listener,
  ListenerSink,
  Message,
  PeerHello,
} from "../../../core/contract.ts"
import type { InprocTransport } from "../../../transports/inproc/index.ts"

export const OPTIONS: LinkOptions = {
  handshakeInterval: 30_000,
  connectTimeout: 0,
  maxMessageSize: -1,
  heartbeatInterval: 0,
  heartbeatTimeout: 0,
  heartbeatTimeToLive: 0,
  backlog: 511,
  maxHandshakes: 1024,
  sharedMemory: 1024 * 1024,
  busyPoll: 0,
  ipv6: false,
  tcpKeepalive: -1,
  tcpKeepaliveIdle: -1,
  tcpAcceptFilter: [],
  sendHighWaterMark: 1000,
  receiveHighWaterMark: 1000,
}

export interface Side extends Partial<Handshake> {
  hello?: Partial<Hello>
  limits?: Partial<LinkOptions>
}

export function handshake({ hello = {}, limits = {}, ...rest }: Side = {}): Handshake {
  return {
    options: { ...OPTIONS, ...limits },
    adaptive: false,
    answer: () => ({ socketType: "PAIR", routingId: Buffer.alloc(0), metadata: new Map(), ...hello }),
    admit: () => {},
    ...rest,
  }
}

export function endpoint(name: string): Endpoint {
  return { scheme: "inproc", address: name, href: `inproc://${name}` }
}

/** Resolves when `condition` holds, rejects after 30 s: a watchdog, not an expectation. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 30_000
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`Waited in vain: ${what}`)
    await new Promise(resolve => setImmediate(resolve))
  }
}

export class Recorder implements ConnectionSink {
  readonly messages: Message[] = []
  /** Everything in order: `message`, `SUBSCRIBE x`, `drain`, `closed`. */
  readonly events: string[] = []
  closings = 0
  drains = 0
  reason: Error | undefined
  onMessage: (message: Message) => void = () => {}
  onDrain: () => void = () => {}

  message(message: Message): void {
    this.messages.push(message)
    this.events.push(message.map(frame => frame.toString("latin1", 0, 40)).join("|"))
    this.onMessage(message)
  }

  controlReceived(name: ControlName, body: Buffer): void {
    this.events.push(`${name} ${body.toString("latin1", 0, 40)}`)
  }

  drain(): void {
    this.drains++
    this.events.push("drain")
    this.onDrain()
  }

  closed(reason?: Error): void {
    this.closings++
    this.reason = reason
    this.events.push("closed")
  }
}

export class Accepting implements ListenerSink {
  readonly addresses: string[] = []
  readonly connections: Connection[] = []
  readonly failures: Error[] = []

  accepted(address: string): void {
    this.addresses.push(address)
  }

  connection(connection: Connection): void {
    this.connections.push(connection)
  }

  failed(_address: string, error: Error): void {
    this.failures.push(error)
  }

  async next(): Promise<Connection> {
    // Several may wait at once, and another one may be faster.
    for (;;) {
      await until(() => this.connections.length > 0, "a connection at the listener")
      const connection = this.connections.shift()
      if (connection !== undefined) return connection
    }
  }
}

export function dial(transport: InprocTransport, name: string, side: Side = {}): Promise<Connection> {
  return transport.dial(endpoint(name), handshake(side), new AbortController().signal)
}

export interface Pair {
  listener: Listener
  /** The dialling end and the listening one, started, and what they heard. */
  a: Connection
  b: Connection
  heardA: Recorder
  heardB: Recorder
}

export async function connect(transport: InprocTransport, name: string, a: Side = {}, b: Side = {}): Promise<Pair> {
  const accepting = new Accepting()
  const listener = await transport.listen(endpoint(name), handshake(b), accepting)
  const dialled = await dial(transport, name, a)
  const accepted = await accepting.next()
  const pair = { listener, a: dialled, b: accepted, heardA: new Recorder(), heardB: new Recorder() }
  dialled.start(pair.heardA)
  accepted.start(pair.heardB)
  return pair
}

export function peerOf(connection: Connection): PeerHello {
  return connection.peer
}

/** The timer that `action` sets, to be fired by hand. */
export function takeTimer(action: () => void): { delay: number; fire: () => void } {
  const original = globalThis.setTimeout
  const taken: { delay: number; fire: () => void }[] = []
  globalThis.setTimeout = ((fire: () => void, delay: number) => {
    taken.push({ delay, fire })
    return original(() => {}, 0)
  }) as typeof setTimeout
  try {
    action()
  } finally {
    globalThis.setTimeout = original
  }
  if (taken.length !== 1) throw new Error(`${taken.length} timers were set`)
  return taken[0]
}

/** Counts how many timers of `delay` milliseconds fire until `stop`. */
export function countFired(delay: number): { stop(): number } {
  const original = globalThis.setTimeout
  let fired = 0
  globalThis.setTimeout = ((action: () => void, wait: number) => {
    const counted = (): void => {
      if (wait === delay) fired++
      action()
    }
    return original(counted, wait)
  }) as typeof setTimeout
  return {
    stop: () => {
      globalThis.setTimeout = original
      return fired
    },
  }
}

/** mulberry32: numbers from 0 to 1 that depend on the seed only. */
export function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** From the environment, to repeat a failure; otherwise new each time. */
export function newSeed(): number {
  return process.env.HEDDLE_SEED ? Number(process.env.HEDDLE_SEED) : Math.floor(Math.random() * 2 ** 31)
}

/** Mostly small, now and then large or of many frames; every byte depends on the generator. */
export function randomMessage(random: () => number, largest: number): Buffer[] {
  const kind = random()
  const frames = kind < 0.6 ? 1 : kind < 0.95 ? 1 + Math.floor(random() * 6) : Math.floor(random() * 300) + 1
  return Array.from({ length: frames }, () => {
    const shape = random()
    const top = shape < 0.7 ? 100 : shape < 0.97 ? 3000 : frames > 8 ? 500 : largest
    return patterned(Math.floor(random() * top), Math.floor(random() * 256))
  })
}

export function patterned(length: number, first: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  for (let i = 0; i < length; i++) bytes[i] = (first + i * 7) & 0xff
  return bytes
}

export function same(a: Message, b: Message): boolean {
  return a.length === b.length && a.every((frame, i) => frame.equals(b[i]))
}
