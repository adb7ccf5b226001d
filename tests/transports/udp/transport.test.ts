import assert from "node:assert/strict"
import type dgram from "node:dgram"
import type { Connection, Listener } from "../../../core/contract.ts"
import { parseEndpoint } from "../../../core/endpoint.ts"
import { HeddleError } from "../../../core/errors.ts"
import { loadNative } from "../../../transports/native/native.ts"
import { descriptorOf } from "../../../transports/native/udp.ts"
import { NodePort } from "../../../transports/udp/node-port.ts"
import type { PortOptions, PortSettings } from "../../../transports/udp/port.ts"
import { UdpTransport } from "../../../transports/udp/transport.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { LINK_OPTIONS, type LocalOptions, local } from "../../support/link-options.ts"
import { coded } from "../../support/pattern.ts"
import { Collector, Door } from "../../support/sinks.ts"
import { partsOf, RawDatagrams } from "../../support/udp.ts"

const transport = new UdpTransport()
/** What the options say unless told otherwise. */
const DEFAULTS: PortSettings = {
  hops: 1,
  loopback: true,
  sendBuffer: -1,
  receiveBuffer: -1,
  service: 0,
  device: null,
}
const NEVER = new AbortController().signal

async function listen(address: string, options: LocalOptions = {}): Promise<[Listener, Connection]> {
  const door = new Door()
  const listener = await transport.listen(parseEndpoint(address), local("DISH", options), door)
  later(() => listener.close())
  const connection = door.connections[0]
  later(() => connection.close())
  return [listener, connection]
}

async function dial(address: string, options: LocalOptions = {}): Promise<Connection> {
  const connection = await transport.dial(parseEndpoint(address), local("RADIO", options), NEVER)
  later(() => connection.close())
  return connection
}

/** Node's socket behind a port. */
async function rawPort(settings: PortSettings): Promise<dgram.Socket> {
  const where = { family: 4, host: "127.0.0.1", port: 0, shared: false, group: null, interface: undefined } as const
  const port = await NodePort.open({ ...where, ...settings })
  later(() => port.close())
  return (port as unknown as { socket: dgram.Socket }).socket
}

/** What the transport would bind, and what became of it. */
function spy(): { asked: PortOptions[]; transport: UdpTransport } {
  const asked: PortOptions[] = []
  const watched = new UdpTransport(options => {
    asked.push(options)
    return NodePort.open({ ...options, host: "127.0.0.1", family: 4, group: null, interface: undefined })
  })
  return { asked, transport: watched }
}

describe("Transport udp", () => {
  closesAfterEach()

  for (const host of ["127.0.0.1", "[::1]", "localhost"]) {
    it(`UDP-3 has its one connection as soon as it listens at ${host}`, async () => {
      const [listener, there] = await listen(`udp://${host}:*`)
      assert.match(listener.endpoint, /^udp:\/\/(127\.0\.0\.1|\[::1\]):[1-9]\d*$/)
      assert.equal(there.peer.address, listener.endpoint)
      assert.equal(there.peer.socketType, "RADIO")
      const sink = new Collector(there)
      const here = await dial(listener.endpoint)
      new Collector(here)
      assert.equal(here.peer.socketType, "DISH")
      assert.equal(here.peer.address, listener.endpoint)
      here.send([Buffer.from("g"), Buffer.from("body")])
      await sink.has(1)
      assert.deepEqual(sink.texts, ["g|body"])
    })
  }

  it("UDP-3 frees the port when listener and connection are closed", async () => {
    const [listener, connection] = await listen("udp://127.0.0.1:0")
    for (let round = 0; round < 3; round++) {
      const again = round === 0 ? [listener, connection] : await listen(listener.endpoint)
      ;(again[1] as Connection).close()
      await (again[0] as Listener).close()
    }
  })

  it("UDP-4 does not share a unicast port", async () => {
    const [listener] = await listen("udp://127.0.0.1:0")
    await assert.rejects(listen(listener.endpoint), coded("EADDRINUSE", /another socket listens there/))
  })

  it("UDP-1 names what cannot be bound", async () => {
    await assert.rejects(listen("udp://no-such-nic:0"), coded("ENODEV", /no-such-nic/))
    await assert.rejects(listen("udp://no-such-nic;239.0.0.1:0"), coded("ENODEV", /no-such-nic/))
    await assert.rejects(listen("udp://198.51.100.7:0"), coded("EADDRNOTAVAIL"))
    await assert.rejects(dial("udp://no-such-nic;239.0.0.1:5"), coded("ENODEV"))
    await assert.rejects(dial("udp://no-such-host.invalid:5"), HeddleError)
  })

  it("closes the port when the owner does not admit its own kind of peer", async () => {
    const admit = (): void => {
      throw new HeddleError("ERR_PEER_INCOMPATIBLE", "nobody", { fatal: true })
    }
    const { port } = await RawDatagrams.open()
    const free = `udp://127.0.0.1:${port + 1 > 65535 ? port - 1 : port + 1}`
    await assert.rejects(listen(free, { admit }), coded("ERR_PEER_INCOMPATIBLE"))
    await assert.rejects(dial(free, { admit }), coded("ERR_PEER_INCOMPATIBLE"))
    await listen(free)
  })

  it("gives a dial up when its signal was aborted, before or meanwhile", async () => {
    const endpoint = parseEndpoint("udp://127.0.0.1:9")
    await assert.rejects(transport.dial(endpoint, local("RADIO"), AbortSignal.abort()), coded("ECONNABORTED"))
    const abort = new AbortController()
    const dialling = transport.dial(endpoint, local("RADIO"), abort.signal)
    abort.abort()
    await assert.rejects(dialling, coded("ECONNABORTED"))
  })

  it("UDP-10 binds nothing beyond loopback unless the endpoint says so", async () => {
    const { asked, transport: watched } = spy()
    const from = async (address: string): Promise<PortOptions> => {
      const connection = await watched.dial(parseEndpoint(address), local("RADIO"), NEVER)
      connection.close()
      return asked.pop() as PortOptions
    }
    assert.equal((await from("udp://127.0.0.1:5")).host, "127.0.0.1")
    assert.equal((await from("udp://127.9.9.9:5")).host, "127.0.0.1")
    assert.equal((await from("udp://localhost:5")).host, "127.0.0.1")
    assert.equal((await from("udp://[::1]:5")).host, "::1")
    assert.equal((await from("udp://127.0.0.1;239.0.0.1:5")).host, "127.0.0.1")
    assert.equal((await from("udp://198.51.100.7:5")).host, "0.0.0.0")
    const at = async (address: string, options = {}): Promise<PortOptions> => {
      const door = new Door()
      await watched.listen(parseEndpoint(address), local("DISH", { options }), door)
      door.connections[0].close()
      return asked.pop() as PortOptions
    }
    assert.equal((await at("udp://*:0")).host, "0.0.0.0")
    assert.equal((await at("udp://*:0", { ipv6: true })).host, "::")
    assert.deepEqual(await at("udp://127.0.0.1;239.0.0.1:0"), {
      family: 4,
      host: "239.0.0.1",
      port: 0,
      shared: true,
      group: "239.0.0.1",
      interface: "127.0.0.1",
      ...DEFAULTS,
    })
    assert.equal((await at("udp://[ff05::1]:0")).host, "ff05::1")
    assert.equal((await at("udp://[ff02::1]:0")).host, "::")
  })

  it("UDP-10 passes hops, loopback and the interface on", async () => {
    const { asked, transport: watched } = spy()
    const ours = local("RADIO", { options: { multicastHops: 0, multicastLoopback: false } })
    const connection = await watched.dial(parseEndpoint("udp://lo;239.0.0.1:5"), ours, NEVER)
    connection.close()
    const settings = { ...DEFAULTS, hops: 0, loopback: false }
    assert.deepEqual(asked, [
      { ...settings, family: 4, host: "127.0.0.1", port: 0, shared: false, group: null, interface: "127.0.0.1" },
    ])
  })

  it("sets the buffers, the service and the device, or refuses with ENOTSUP", async () => {
    const socket = await rawPort({ ...DEFAULTS, sendBuffer: 20_000, receiveBuffer: 0 })
    // Linux keeps its own books in them, too.
    assert.ok(socket.getSendBufferSize() >= 20_000 && socket.getSendBufferSize() <= 40_000)
    assert.ok(socket.getRecvBufferSize() < 10_000)
    const native = loadNative()
    for (const options of [{ typeOfService: 0x20 }, { interface: "lo" }]) {
      const endpoint = parseEndpoint("udp://127.0.0.1:*")
      const check = (): void => transport.check(endpoint, "listen", "DISH", { ...LINK_OPTIONS, ...options })
      if (native === null) {
        assert.throws(check, coded("ENOTSUP", new RegExp(`${Object.keys(options)[0]} .*native addon`)))
        await assert.rejects(listen("udp://127.0.0.1:*", { options }), coded("ENOTSUP"))
        await assert.rejects(dial("udp://127.0.0.1:5", { options }), coded("ENOTSUP"))
      } else check()
    }
    if (native === null) return
    const special = descriptorOf(await rawPort({ ...DEFAULTS, service: 0x20, device: "lo" }))
    assert.equal(native.getOption(special, "IP_TOS"), 0x20)
    assert.equal(native.deviceOf(special), "lo")
    const [listener, there] = await listen("udp://127.0.0.1:*", { options: { typeOfService: 0x20, interface: "lo" } })
    const here = await dial(listener.endpoint, { options: { typeOfService: 0x20, interface: "lo" } })
    new Collector(here)
    here.send([Buffer.from("g"), Buffer.from("x")])
    await new Collector(there).has(1)
    await assert.rejects(listen("udp://127.0.0.1:*", { options: { interface: "no-such-nic" } }), coded("ENODEV"))
  })

  it("says when to stop, delivers what was taken, and ends in order", async () => {
    const raw = await RawDatagrams.open()
    const here = await dial(raw.endpoint)
    const sink = new Collector(here)
    let taken = 1
    while (here.send([Buffer.from("g"), Buffer.from(`${taken}`)])) taken++
    assert.ok(taken >= 64 && taken < 10_000, `${taken} were taken`)
    here.end()
    await sink.gone()
    assert.equal(sink.reason, undefined)
    assert.equal((await raw.next()).bytes.toString("latin1"), "\x01g1")
  })

  it("drains when the system has everything", async () => {
    const raw = await RawDatagrams.open()
    const here = await dial(raw.endpoint)
    const sink = new Collector(here)
    const drained = new Promise<void>(resolve => {
      sink.onDrain = resolve
    })
    while (here.send([Buffer.from("g"), Buffer.from("x")])) {}
    await drained
    assert.equal(here.send([Buffer.from("g"), Buffer.from("x")]), true)
  })

  it("speaks with IPv4 from a socket for both families, and names it so", async () => {
    const port = await NodePort.open({
      family: 6,
      host: "::",
      port: 0,
      shared: false,
      group: null,
      interface: undefined,
      ...DEFAULTS,
    })
    later(() => port.close())
    const raw = await RawDatagrams.open()
    const came = new Promise<string>(resolve => {
      port.start({
        datagram: (bytes, host) => resolve(`${bytes} from ${host}`),
        unsent: error => resolve(String(error)),
        drained: () => {},
        failed: error => resolve(String(error)),
      })
    })
    port.send(Buffer.from("to"), "127.0.0.1", raw.port)
    assert.equal(`${(await raw.next()).bytes}`, "to")
    await raw.send("fro", `udp://127.0.0.1:${port.port}`)
    assert.equal(await came, "fro from 127.0.0.1")
    assert.equal(partsOf("udp://lo;239.0.0.1:7").host, "239.0.0.1")
  })
})
