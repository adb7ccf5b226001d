import assert from "node:assert/strict"
import { randomBytes } from "node:crypto"
import { machineClock } from "../../../../transports/multicast/clock.ts"
import { MulticastTransport } from "../../../../transports/multicast/transport.ts"
import { BELL, NEAR } from "../../../../transports/multicast/wire.ts"
import { loadNative, nativeStatus } from "../../../../transports/native/native.ts"
import { openPort } from "../../../../transports/udp/open-port.ts"
import type { DatagramPort, DatagramReader, PortOptions } from "../../../../transports/udp/port.ts"
import { closesAfterEach } from "../../../support/cleanup.ts"
import { multicastWorks } from "../../../support/udp.ts"
import { pass, until } from "../../../support/wait.ts"
import { ANY, accepted, GROUP, type Member, Members } from "../members.ts"

/** Ports that count what they send, by type, and can lose what they read. */
class Watch {
  readonly sent: number[] = []
  readonly ports: WatchedPort[] = []
  last = Buffer.alloc(0)
  loses: (bytes: Buffer) => boolean = () => false

  readonly open = async (options: PortOptions): Promise<DatagramPort> => {
    const port = new WatchedPort(await openPort(options), this)
    this.ports.push(port)
    return port
  }

  of(type: number): number {
    return this.sent[type] ?? 0
  }
}

class WatchedPort implements DatagramPort {
  readonly closed: Promise<void>
  readonly host: string
  readonly port: number
  readonly receiveBuffer: number | undefined
  reader: DatagramReader | null = null
  private readonly inner: DatagramPort
  private readonly watch: Watch

  constructor(inner: DatagramPort, watch: Watch) {
    this.inner = inner
    this.watch = watch
    this.closed = inner.closed
    this.host = inner.host
    this.port = inner.port
    this.receiveBuffer = inner.receiveBuffer
  }

  start(reader: DatagramReader): void {
    this.reader = reader
    this.inner.start({
      datagram: (bytes, host, port, more) => {
        if (!this.watch.loses(bytes)) reader.datagram(bytes, host, port, more)
      },
      unsent: error => reader.unsent(error),
      drained: () => reader.drained(),
      failed: error => reader.failed(error),
    })
  }

  send(bytes: Buffer, host: string, port: number): boolean {
    this.watch.last = Buffer.from(bytes.subarray(0, 40))
    this.watch.sent[bytes[3]] = this.watch.of(bytes[3]) + 1
    return this.inner.send(bytes, host, port)
  }

  flush(): void {
    this.inner.flush?.()
  }

  close(): void {
    this.inner.close()
  }
}

const random = (): number => randomBytes(6).readUIntBE(0, 6) / 2 ** 48
const BODY = Buffer.alloc(4_000)
const PACKET = 65_507
/** Enough that memory is shared, and read by all. */
const FILL = 4_000

describe("Members of a multicast group that share memory", () => {
  closesAfterEach()

  before(async function () {
    if (loadNative() !== null && (await multicastWorks(GROUP))) return
    console.log(`      skipped: ${nativeStatus().reason || `this machine carries no multicast to ${GROUP} on lo`}`)
    this.skip()
  })

  async function group(count: number): Promise<{
    sender: Watch
    readers: Watch
    members: Members
    out: Member
    receivers: Member[]
    listeners: { close(): Promise<void> }[]
    numbers: number[][]
    fill: (count?: number) => Promise<void>
  }> {
    const sender = new Watch()
    const readers = new Watch()
    const native = loadNative()
    const members = new Members(openPort)
    const listening = new MulticastTransport(readers.open, machineClock, random, native)
    const dialling = new MulticastTransport(sender.open, machineClock, random, native)
    const options = { multicastMaxTransportDataUnit: PACKET }
    const listeners: { close(): Promise<void> }[] = []
    const doors = []
    let address = ANY
    for (let index = 0; index < count; index++) {
      const { listener, door, endpoint } = await members.listen("SUB", { options }, address, listening)
      address = endpoint
      listeners.push(listener)
      doors.push(door)
    }
    const out = await members.dial(address, "PUB", { options }, dialling)
    let sent = 0
    const say = (): boolean => out.connection.send([Buffer.from(`${sent++}`), BODY])
    say()
    const receivers = await Promise.all(doors.map(accepted))
    const numbers = receivers.map(({ sink }) => {
      sink.keeps = false
      const heard: number[] = sink.messages.map(([number]) => Number(number))
      sink.onMessage = ([number]) => heard.push(Number(number))
      return heard
    })
    const fill = async (more = FILL): Promise<void> => {
      for (let left = more; left > 0; left--) {
        const { drains } = out.sink
        if (!say()) await until(() => out.sink.drains > drains)
      }
    }
    return { sender, readers, members, out, receivers, listeners, numbers, fill }
  }

  it("MC-84 a bell is not passed on to who has everything already: they would ring each other for ever", async () => {
    const { sender, readers, numbers, fill } = await group(3)
    await fill()
    for (const heard of numbers) await until(() => heard.at(-1) === FILL)
    assert.ok(sender.of(NEAR) >= 3)
    // Nobody is on the way any more.
    for (let rung = -1; rung !== readers.of(BELL); await pass(50)) rung = readers.of(BELL)
    const bell = sender.last
    bell[3] = BELL
    const rung = readers.of(BELL)
    for (const port of readers.ports) port.reader?.datagram(bell, "127.0.0.1", 1)
    assert.equal(readers.of(BELL), rung)
  })

  it("may be left in the midst of what is read there", async () => {
    const { receivers, listeners, numbers, fill } = await group(2)
    await fill()
    const { sink, connection } = receivers[0]
    const [first, second] = numbers
    sink.onMessage = ([number]) => {
      first.push(Number(number))
      if (first.length !== FILL + 500) return
      void listeners[0].close()
      connection.close()
    }
    await fill()
    await until(() => second.at(-1) === 2 * FILL)
    assert.deepEqual(second, [...Array(2 * FILL + 1).keys()])
    assert.equal(first.length, FILL + 500)
  })
})
