import assert from "node:assert/strict"
import { Context } from "../../../core/context.ts"
import { Datagram } from "../../../patterns/datagram/datagram.ts"
import { TcpTransport } from "../../../transports/tcp.ts"
import { UdpTransport } from "../../../transports/udp/transport.ts"
import { closesAfterEach, using } from "../../support/cleanup.ts"
import { coded } from "../../support/pattern.ts"
import { seeded } from "../../support/random.ts"
import { RawDatagrams } from "../../support/udp.ts"
import { until } from "../../support/wait.ts"

const context = new Context([new TcpTransport(), new UdpTransport()])
const datagram = (options = {}): Datagram => using(new Datagram({ context, ...options }))

describe("Datagram", () => {
  closesAfterEach()

  for (const host of ["127.0.0.1", "[::1]"]) {
    it(`DGRAM-1, DGRAM-2 answers whoever speaks to it at ${host}`, async () => {
      const socket = datagram()
      await socket.bind(`udp://${host}:*`)
      const raw = await RawDatagrams.open(host.replace(/[[\]]/g, ""))
      await raw.send("hello", socket.lastEndpoint as string)
      const [address, payload] = await socket.receive()
      assert.deepEqual([`${address}`, `${payload}`], [`${host}:${raw.port}\0`, "hello"])
      await socket.send([address, "with NUL"])
      await socket.send([`${host}:${raw.port}`, ""])
      assert.deepEqual([`${(await raw.next()).bytes}`, `${(await raw.next()).bytes}`], ["with NUL", ""])
      assert.equal(socket.stats().peers[0].address, socket.lastEndpoint)
    })
  }

  it("DGRAM-2 sends up to 8,192 bytes, and takes longer ones from others", async () => {
    const [here, there] = [datagram(), datagram()]
    await here.bind("udp://127.0.0.1:0")
    await there.bind("udp://127.0.0.1:0")
    const to = (there.lastEndpoint as string).slice("udp://".length)
    const most = Buffer.alloc(8192, "abc")
    await here.send([to, most])
    assert.ok((await there.receive())[1].equals(most))
    await assert.rejects(here.send([to, Buffer.alloc(8193)]), coded("EMSGSIZE", /8193.*8192/))
    const raw = await RawDatagrams.open()
    await raw.send(Buffer.alloc(30_000, "xyz"), there.lastEndpoint as string)
    assert.ok((await there.receive())[1].equals(Buffer.alloc(30_000, "xyz")))
  })

  it("DGRAM-3 has one address, of udp, and connects to nobody", async () => {
    const socket = datagram()
    await assert.rejects(socket.bind("tcp://127.0.0.1:0"), coded("ENOCOMPATPROTO", /udp:/))
    assert.throws(() => socket.connect("udp://127.0.0.1:5"), coded("ENOCOMPATPROTO"))
    await assert.rejects(socket.bind("udp://127.0.0.1"), coded("EINVAL"))
    await socket.bind("udp://127.0.0.1:0")
    const first = socket.lastEndpoint as string
    await assert.rejects(socket.bind("udp://127.0.0.1:0"), coded("EBUSY", /unbind/))
    await socket.unbind(first)
    await socket.bind(first)
    await socket.close()
    await assert.rejects(socket.bind(first), coded("EBADF"))
  })

  it("DGRAM-4 keeps what is sent before it is bound", async () => {
    const raw = await RawDatagrams.open()
    const socket = datagram()
    const early = socket.send([`127.0.0.1:${raw.port}`, "early"])
    assert.equal(socket.writable, false)
    await socket.bind("udp://127.0.0.1:0")
    await early
    assert.equal(socket.writable, true)
    assert.equal(`${(await raw.next()).bytes}`, "early")
  })

  it("DGRAM-5, UDP-7 bounds what waits, and counts the rest of a flood as full", async () => {
    const socket = datagram({ receiveHighWaterMark: 10 })
    await socket.bind("udp://127.0.0.1:0")
    const raw = await RawDatagrams.open()
    while ((socket.stats().dropped.full ?? 0) < 100) {
      for (let i = 0; i < 20; i++) await raw.send("x", socket.lastEndpoint as string)
    }
    const { waiting, messagesReceived, bytesReceived, dropped } = socket.stats()
    assert.equal(waiting, 10)
    assert.equal(messagesReceived, 10)
    assert.equal(bytesReceived, 10 + (dropped.full as number))
    for (let i = 0; i < 10; i++) await socket.receive()
    await until(() => {
      void raw.send("y", socket.lastEndpoint as string)
      return socket.readable
    })
  })

  it("survives noise of any length", () =>
    seeded(async random => {
      const socket = datagram({ receiveHighWaterMark: 0 })
      await socket.bind("udp://127.0.0.1:0")
      const raw = await RawDatagrams.open()
      for (let i = 0; i < 300; i++) {
        const bytes = random.bytes(random.int(0, 2_000))
        await raw.send(bytes, socket.lastEndpoint as string)
        assert.ok((await socket.receive())[1].equals(bytes))
      }
    }))

  it("UDP-8 counts what the system would not send, and goes on", async () => {
    const socket = datagram()
    await socket.bind("udp://127.0.0.1:0")
    // A socket for IPv4 cannot send to IPv6.
    await socket.send(["[::1]:5", "x"])
    await until(() => socket.stats().dropped.unroutable === 1)
    const raw = await RawDatagrams.open()
    await socket.send([`127.0.0.1:${raw.port}`, "next"])
    assert.equal(`${(await raw.next()).bytes}`, "next")
  })
})
