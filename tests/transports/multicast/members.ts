import type { Connection, DropReason, Gap, Listener, SocketType } from "../../../core/contract.ts"
import { parseEndpoint } from "../../../core/endpoint.ts"
import { MulticastTransport } from "../../../transports/multicast/transport.ts"
import { NodePort } from "../../../transports/udp/node-port.ts"
import { openPort } from "../../../transports/udp/open-port.ts"
import type { DatagramPort, OpenPort, PortOptions } from "../../../transports/udp/port.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { type LocalOptions, local } from "../../support/link-options.ts"
import type { Random } from "../../support/random.ts"
import { Collector, Door } from "../../support/sinks.ts"
import { multicastWorks } from "../../support/udp.ts"

export const GROUP = "239.255.77.40"
export const ANY = `multicast://${GROUP}:*?interface=lo`
const NEVER = new AbortController().signal

/** A port of its own. */
export const FREE: PortOptions = {
  family: 4,
  host: "127.0.0.1",
  port: 0,
  shared: false,
  group: null,
  interface: undefined,
  hops: 0,
  loopback: true,
  sendBuffer: -1,
  receiveBuffer: -1,
  service: 0,
  device: null,
}

export class Sink extends Collector {
  readonly drops: Partial<Record<DropReason, number>> = {}
  readonly gaps: (Gap & { count: number })[] = []

  lost(reason: DropReason, count: number, gap?: Gap): void {
    this.drops[reason] = (this.drops[reason] ?? 0) + count
    if (gap !== undefined) this.gaps.push({ ...gap, count })
  }
}

/** A port that loses what the test wants, before it is read. */
class LossyPort implements DatagramPort {
  readonly closed: Promise<void>
  private readonly inner: DatagramPort
  private readonly loses: (bytes: Buffer) => boolean

  constructor(inner: DatagramPort, loses: (bytes: Buffer) => boolean) {
    this.inner = inner
    this.loses = loses
    this.closed = inner.closed
  }

  get host(): string {
    return this.inner.host
  }

  get port(): number {
    return this.inner.port
  }

  start(reader: Parameters<DatagramPort["start"]>[0]): void {
    this.inner.start({
      datagram: (bytes, host, port) => {
        if (!this.loses(bytes)) reader.datagram(bytes, host, port)
      },
      unsent: error => reader.unsent(error),
      drained: () => reader.drained(),
      failed: error => reader.failed(error),
    })
  }

  send(bytes: Buffer, host: string, port: number): boolean {
    return this.inner.send(bytes, host, port)
  }

  close(): void {
    this.inner.close()
  }
}

/** Loses datagrams at random. */
export function losing(random: Random, share: number): OpenPort {
  return async options => new LossyPort(await openPort(options), () => random.chance(share))
}

export interface Member {
  readonly connection: Connection
  readonly sink: Sink
}

/** Members of a group, over one kind of ports; closed after each test. */
export class Members {
  readonly open: OpenPort
  readonly transport: MulticastTransport

  constructor(open: OpenPort) {
    this.open = open
    this.transport = new MulticastTransport(open)
  }

  async listen(
    type: SocketType = "SUB",
    given: LocalOptions = {},
    address = ANY,
    by = this.transport,
  ): Promise<{ listener: Listener; door: Door; endpoint: string }> {
    const door = new Door()
    const listener = await by.listen(parseEndpoint(address), local(type, given), door)
    later(async () => {
      for (const connection of door.connections) connection.close()
      await listener.close()
    })
    return { listener, door, endpoint: listener.endpoint }
  }

  async dial(
    address: string,
    type: SocketType = "PUB",
    given: LocalOptions = {},
    by = this.transport,
  ): Promise<Member> {
    const connection = await by.dial(parseEndpoint(address), local(type, given), NEVER)
    later(() => connection.close())
    return started(connection)
  }
}

/** The next connection of a listener, started. */
export async function accepted(door: Door): Promise<Member> {
  return started(await door.next())
}

function started(connection: Connection): Member {
  const sink = new Sink()
  connection.start(sink)
  return { connection, sink }
}

export function say(connection: Connection, ...frames: string[]): boolean {
  return connection.send(frames.map(frame => Buffer.from(frame, "latin1")))
}

/** One suite over each kind of ports; skipped where loopback carries no multicast. */
export function describeMembers(title: string, suite: (members: Members) => void): void {
  for (const [name, open] of [
    ["over the usual port", openPort],
    ["over Node's dgram", NodePort.open],
  ] as const) {
    describe(`${title} ${name}`, () => {
      closesAfterEach()

      before(async function () {
        if (await multicastWorks(GROUP)) return
        console.log(`      skipped: this machine carries no multicast to ${GROUP} on the interface lo`)
        this.skip()
      })

      suite(new Members(open))
    })
  }
}
