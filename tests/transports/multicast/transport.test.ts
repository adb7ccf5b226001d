import assert from "node:assert/strict"
import dgram from "node:dgram"
import { once } from "node:events"
import type { SocketType } from "../../../core/contract.ts"
import { parseEndpoint } from "../../../core/endpoint.ts"
import { MulticastTransport } from "../../../transports/multicast/transport.ts"
import { DATA } from "../../../transports/multicast/wire.ts"
import type { DatagramPort, DatagramReader, PortOptions } from "../../../transports/udp/port.ts"
import { LINK_OPTIONS, local } from "../../support/link-options.ts"
import { coded } from "../../support/pattern.ts"
import { Random } from "../../support/random.ts"
import { partsOf } from "../../support/udp.ts"
import { turns, until } from "../../support/wait.ts"
import { accepted, describeMembers, GROUP, Sink, say } from "./members.ts"

describeMembers("Transport multicast", members => {
  it("MCT-3 gives one connection for each sender, with its address", async () => {
    const { door, endpoint } = await members.listen()
    assert.match(endpoint, /^multicast:\/\/239\.255\.77\.40:[1-9]\d*\?interface=lo$/)
    const first = await members.dial(endpoint)
    const second = await members.dial(endpoint)
    assert.equal(first.connection.peer.address, endpoint)
    assert.equal(first.connection.peer.socketType, "SUB")
    say(first.connection, "a", "b")
    const one = await accepted(door)
    say(second.connection, "c")
    const two = await accepted(door)
    say(first.connection, "d")
    await one.sink.has(2)
    await two.sink.has(1)
    assert.deepEqual([one.sink.texts, two.sink.texts], [["a|b", "d"], ["c"]])
    assert.match(one.connection.peer.address, /^multicast:\/\/127\.0\.0\.1:\d+$/)
    assert.notEqual(one.connection.peer.address, two.connection.peer.address)
    assert.equal(one.connection.peer.socketType, "PUB")
    assert.deepEqual(door.addresses, [one.connection.peer.address, two.connection.peer.address])
    assert.ok(first.connection.bytesSent > 0)
  })

  it("MCT-3 receives by dial, and sends by listen: one connection for all senders", async () => {
    const { endpoint } = await members.listen("DISH")
    const { sink, connection } = await members.dial(endpoint, "SUB")
    const door = (await members.listen("PUB", {}, endpoint)).door
    const publisher = door.connections[0]
    const publisherSink = new Sink()
    publisher.start(publisherSink)
    const other = await members.dial(endpoint)
    say(publisher, "one")
    say(other.connection, "two")
    await sink.has(2)
    assert.deepEqual(sink.texts.sort(), ["one", "two"])
    assert.equal(connection.peer.address, endpoint)
    assert.ok(connection.bytesReceived > 0)
    // MCT-4
    say(connection, "back")
    assert.deepEqual(sink.drops, { unroutable: 1 })
    assert.equal(publisherSink.count, 0)
  })

  it("MCT-8 a Bus hears the others and not itself, by bind and by connect", async () => {
    const first = await members.listen("BUS")
    const one = await accepted(first.door)
    const two = await members.dial(first.endpoint, "BUS")
    const three = await members.dial(first.endpoint, "BUS")
    say(one.connection, "1")
    say(two.connection, "2")
    say(three.connection, "3")
    await Promise.all([one, two, three].map(({ sink }) => sink.has(2)))
    await turns(5)
    assert.deepEqual(one.sink.texts.sort(), ["2", "3"])
    assert.deepEqual(two.sink.texts.sort(), ["1", "3"])
    assert.deepEqual(three.sink.texts.sort(), ["1", "2"])
  })

  it("MCT-9 refuses senders of another kind, and ignores them from then on", async () => {
    const { door, endpoint } = await members.listen("SUB")
    const radio = await members.dial(endpoint, "RADIO")
    const publisher = await members.dial(endpoint, "PUB")
    for (let index = 0; index < 5; index++) {
      say(radio.connection, "g", `${index}`)
      say(publisher.connection, `${index}`)
    }
    const { sink } = await accepted(door)
    await sink.has(5)
    assert.deepEqual(sink.texts, ["0", "1", "2", "3", "4"])
    await until(() => door.failures.length > 0)
    say(radio.connection, "g", "more")
    await turns(10)
    assert.equal(door.failures.length, 1)
    assert.equal((door.failures[0].error as { code?: string }).code, "ERR_PEER_INCOMPATIBLE")
    assert.equal(door.connections.length, 1)
  })

  it("carries messages of any size and shape, each once and in order", async () => {
    const { door, endpoint } = await members.listen()
    const { connection, sink: outward } = await members.dial(endpoint)
    const random = new Random(5)
    const sizes = [0, 1, 255, 256, 1_400, 70_000, 300_000, ...Array.from({ length: 300 }, () => random.int(0, 4_000))]
    const sent = sizes.map(size => [
      Buffer.from(`${size}`),
      random.bytes(size),
      ...Array(random.int(0, 3)).fill(Buffer.alloc(0)),
    ])
    const received = accepted(door)
    for (const message of sent) {
      if (connection.send(message)) continue
      const { drains } = outward
      await until(() => outward.drains > drains)
    }
    const { sink } = await received
    await sink.has(sent.length)
    assert.deepEqual(sink.messages, sent)
    assert.deepEqual(sink.drops, {})
  })

  it("MCT-11 ends in order when the receivers have everything", async () => {
    const { door, endpoint } = await members.listen()
    const { connection, sink: outward } = await members.dial(endpoint)
    for (let index = 0; index < 1_000; index++) say(connection, `${index}`)
    connection.end()
    const { sink } = await accepted(door)
    await sink.gone()
    assert.equal(sink.count, 1_000)
    assert.equal(sink.reason, undefined)
    await outward.gone()
    assert.equal(outward.reason, undefined)
  })

  it("MCT-11 ends at once when nobody is there", async () => {
    const door = (await members.listen("PUB", {}, `multicast://${GROUP}:4?interface=lo`)).door
    const { connection, sink } = await accepted(door)
    for (let index = 0; index < 100; index++) assert.equal(say(connection, "into the void"), true)
    connection.end()
    await sink.gone()
  })

  it("MCT-3 frees the port when the listener and its connections are closed", async () => {
    const { listener, door, endpoint } = await members.listen()
    const { connection } = await members.dial(endpoint)
    say(connection, "x")
    const { connection: inbound } = await accepted(door)
    let free = false
    const closing = listener.close().then(() => {
      free = true
    })
    await turns(5)
    assert.equal(free, false)
    inbound.close()
    await closing
    const socket = dgram.createSocket("udp4").bind(partsOf(endpoint.replace(/\?.*/, "")).port, GROUP)
    await once(socket, "listening")
    socket.close()
  })

  it("starts later than its first messages come, and has them all", async () => {
    const { door, endpoint } = await members.listen()
    const { connection } = await members.dial(endpoint)
    for (let index = 0; index < 10; index++) say(connection, `${index}`)
    const inbound = await door.next()
    say(connection, "10")
    await turns(10)
    const sink = new Sink()
    inbound.start(sink)
    await sink.has(11)
    assert.deepEqual(
      sink.texts,
      Array.from({ length: 11 }, (_none, index) => `${index}`),
    )
  })

  it("MCT-7 tells what is larger than maxMessageSize as a gap, and goes on", async () => {
    const { door, endpoint } = await members.listen("SUB", { options: { maxMessageSize: 5_000 } })
    const { connection } = await members.dial(endpoint)
    say(connection, "small")
    say(connection, "x".repeat(5_001))
    say(connection, "after")
    const { sink, connection: inbound } = await accepted(door)
    await sink.has(2)
    assert.deepEqual(sink.texts, ["small", "after"])
    assert.deepEqual(sink.drops, { gap: 1 })
    assert.deepEqual(sink.gaps, [{ sender: inbound.peer.address, from: 1, count: 1, reason: "size" }])
  })

  it("MCT-1, MCT-2 refuses what can never work", async () => {
    const check = (address: string, side: "listen" | "dial", type: SocketType): (() => void) => {
      return () => members.transport.check(parseEndpoint(address), side, type, LINK_OPTIONS)
    }
    for (const type of ["PUSH", "PULL", "REQ", "REP", "DEALER", "ROUTER", "PAIR", "STREAM", "DGRAM", "PEER"] as const) {
      for (const side of ["listen", "dial"] as const) {
        assert.throws(check("multicast://239.1.2.3:5", side, type), coded("ENOCOMPATPROTO", new RegExp(type)))
      }
    }
    for (const type of ["PUB", "XPUB", "RADIO", "SUB", "XSUB", "DISH", "BUS"] as const) {
      for (const side of ["listen", "dial"] as const) check("multicast://239.1.2.3:5", side, type)()
    }
    check("multicast://239.1.2.3:*", "listen", "BUS")()
    assert.throws(check("multicast://239.1.2.3:*", "listen", "PUB"), coded("EINVAL", /all members/))
    assert.throws(check("multicast://10.1.2.3:5", "dial", "SUB"), coded("EINVAL", /no multicast group/))
    await assert.rejects(members.listen("SUB", {}, "multicast://239.1.2.3:*?interface=no-such-nic"), coded("ENODEV"))
    await assert.rejects(members.dial("multicast://239.1.2.3:5?interface=no-such-nic"), coded("ENODEV"))
    await assert.rejects(members.dial("multicast://239.1.2.3:5", "PUSH"), coded("ENOCOMPATPROTO"))
  })

  it("sends together what is sent by who waited for room", async () => {
    const sent: Buffer[] = []
    let reader: DatagramReader | null = null
    let full = false
    const port: DatagramPort = {
      host: "127.0.0.1",
      port: 9,
      closed: Promise.resolve(),
      start: given => {
        reader = given
      },
      send: bytes => {
        if (bytes[3] !== DATA) return true
        sent.push(bytes)
        return !full
      },
      close: () => {},
    }
    const transport = new MulticastTransport(async () => port)
    const endpoint = parseEndpoint(`multicast://${GROUP}:5?interface=lo`)
    const connection = await transport.dial(endpoint, local("PUB"), new AbortController().signal)
    const sink = new Sink()
    connection.start(sink)
    full = true
    say(connection, "first")
    await until(() => sent.length === 1)
    full = false
    // As a socket does: one that waited goes at once, and the promise of its `send` lets the caller go on.
    sink.drain = () => {
      say(connection, "1")
      Promise.resolve().then(() => {
        for (let index = 2; index < 50; index++) say(connection, `${index}`)
      })
    }
    assert.equal(connection.send([Buffer.alloc(0)]), false)
    const waiting = reader as DatagramReader | null
    // From the event loop, as ports do: in a promise's own turn even a tick comes later than other promises.
    setImmediate(() => waiting?.drained())
    await turns(3)
    // What was held back, and all that the drain let in.
    assert.equal(sent.length, 3)
    connection.close()
  })

  it("gives a dial up when its signal was aborted, and leaves no port open", async () => {
    const opened: DatagramPort[] = []
    const watched = new MulticastTransport(async (options: PortOptions) => {
      const port = await members.open(options)
      opened.push(port)
      return port
    })
    const endpoint = parseEndpoint(`multicast://${GROUP}:5?interface=lo`)
    await assert.rejects(watched.dial(endpoint, local("BUS"), AbortSignal.abort()), coded("ECONNABORTED"))
    assert.equal(opened.length, 2)
    await Promise.all(opened.map(port => port.closed))
  })
})
