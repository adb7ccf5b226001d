import assert from "node:assert/strict"
import dgram from "node:dgram"
import { once } from "node:events"
import { MulticastTransport } from "../../../transports/multicast/transport.ts"
import type { DatagramReader } from "../../../transports/udp/port.ts"
import { later } from "../../support/cleanup.ts"
import { Random, seeded } from "../../support/random.ts"
import { partsOf } from "../../support/udp.ts"
import { pass, turns, until } from "../../support/wait.ts"
import { ANY, accepted, describeMembers, FREE, GROUP, losing, say } from "./members.ts"

describeMembers("Transport multicast in trouble", members => {
  it("delivers everything although a tenth of all datagrams is lost, to each of three receivers", () =>
    seeded(async random => {
      const lossy = new MulticastTransport(losing(random, 0.1))
      // Smaller datagrams, so that there are some to lose; a smaller window, so that its memory is used again.
      const options = { multicastMaxTransportDataUnit: 1_500, multicastWindow: 256 * 1024 }
      const first = await members.listen("SUB", { options }, ANY, lossy)
      const doors = [first.door]
      for (let index = 0; index < 2; index++) {
        doors.push((await members.listen("SUB", { options }, first.endpoint, lossy)).door)
      }
      const { connection, sink: outward } = await members.dial(first.endpoint, "PUB", { options })
      // Who joins hears from there on: the first message must come to all.
      say(connection, "hello")
      const receivers = await Promise.all(doors.map(accepted))
      const total = 20_000
      for (let index = 0; index < total; index++) {
        if (connection.send([Buffer.from(`${index}`), Buffer.alloc(100, `${index} `)])) continue
        const { drains } = outward
        await until(() => outward.drains > drains)
      }
      for (const { sink } of receivers) {
        await until(() => sink.messages.at(-1)?.[0].toString() === `${total - 1}`)
        const numbers = sink.messages.map(([number]) => number.toString()).filter(text => text !== "hello")
        const from = Number(numbers[0])
        assert.deepEqual(
          numbers,
          Array.from({ length: total - from }, (_none, index) => `${from + index}`),
        )
        for (const [number, body] of sink.messages.slice(-numbers.length)) {
          if (`${number}` !== "hello") assert.deepEqual(body, Buffer.alloc(100, `${number} `))
        }
        assert.deepEqual(sink.drops, {})
      }
    }))

  it("MCT-10 who does not read holds a sender back, and loses nothing", async () => {
    const options = { multicastWindow: 256 * 1024 }
    const { door, endpoint } = await members.listen("SUB", { options })
    const { connection, sink: outward } = await members.dial(endpoint, "PUB", { options })
    const body = Buffer.alloc(10_000)
    connection.send([Buffer.from("0"), body])
    const { connection: inbound, sink } = await accepted(door)
    await sink.has(1)
    inbound.pause()
    let sent = 1
    for (let full = 0; full < 20 && sent < 10_000; ) {
      if (connection.send([Buffer.from(`${sent++}`), body])) continue
      const { drains } = outward
      // It is full for good when nothing happens for a while.
      for (let wait = 0; wait < 10 && outward.drains === drains; wait++) await pass(5)
      if (outward.drains === drains) break
      full++
    }
    assert.ok(sent < 1_000, `${sent} messages of 10 kB were taken while nobody read`)
    const before = sink.count
    inbound.resume()
    assert.equal(sink.count, before)
    await sink.has(sent)
    assert.deepEqual(
      sink.messages.map(([number]) => Number(number)),
      Array.from({ length: sent }, (_none, index) => index),
    )
    await until(() => outward.drains > 0)
  })

  it("survives noise and forged datagrams", async () => {
    const { door, endpoint } = await members.listen()
    const { connection } = await members.dial(endpoint)
    const random = new Random(9)
    const noise = dgram.createSocket("udp4").bind(0, "127.0.0.1")
    await once(noise, "listening")
    later(() => noise.close())
    noise.setMulticastInterface("127.0.0.1")
    const { port } = partsOf(endpoint.replace(/\?.*/, ""))
    const heard: Buffer[] = []
    const spy = dgram.createSocket({ type: "udp4", reuseAddr: true }).bind(port, GROUP)
    await once(spy, "listening")
    later(() => spy.close())
    spy.addMembership(GROUP, "127.0.0.1")
    spy.on("message", bytes => heard.push(bytes))
    say(connection, "0")
    const { sink } = await accepted(door)
    for (let index = 1; index < 200; index++) {
      noise.send(random.bytes(random.int(0, 200)), port, GROUP)
      if (heard.length > 0) {
        // What a sender really said, with bits of it changed, from somewhere else.
        const forged = Buffer.from(random.pick(heard))
        forged[random.int(3, forged.length - 1)] ^= 1 << random.int(0, 7)
        noise.send(forged, port, GROUP)
      }
      say(connection, `${index}`)
      await turns(2)
    }
    await until(() => sink.texts.includes("199"))
    assert.deepEqual(
      sink.texts,
      Array.from({ length: 200 }, (_none, index) => `${index}`),
    )
    assert.deepEqual(sink.drops, {})
  })

  it("keeps two senders with one address apart, and a sender that starts anew at the same one", async () => {
    const { door, endpoint } = await members.listen()
    const free = await members.open(FREE)
    const { port } = free
    free.close()
    await free.closed
    // Both may be bound to it; the receivers' reports reach one of them.
    const same = new MulticastTransport(options =>
      members.open(options.shared ? options : { ...options, port, shared: true }),
    )
    const first = await members.dial(endpoint, "PUB", {}, same)
    const second = await members.dial(endpoint, "PUB", {}, same)
    for (let index = 0; index < 50; index++) {
      say(first.connection, `first ${index}`)
      say(second.connection, `second ${index}`)
    }
    const got = [await accepted(door), await accepted(door)]
    for (const { sink } of got) await sink.has(50)
    assert.equal(got[0].connection.peer.address, got[1].connection.peer.address)
    first.connection.close()
    second.connection.close()
    const third = await members.dial(endpoint, "PUB", {}, same)
    for (let index = 0; index < 50; index++) say(third.connection, `third ${index}`)
    got.push(await accepted(door))
    await got[2].sink.has(50)
    const names = ["first", "second", "third"]
    assert.deepEqual(
      got.map(({ sink }) => sink.texts),
      names.map(name => Array.from({ length: 50 }, (_none, index) => `${name} ${index}`)),
    )
  })

  it("MCT-14 closes when nothing could ever be sent, and bears later failures", async () => {
    let fails = true
    const failing = new MulticastTransport(async options => {
      const port = await members.open(options)
      if (options.group !== null) return port
      let reader: DatagramReader | null = null
      return {
        host: port.host,
        port: port.port,
        closed: port.closed,
        start: given => {
          reader = given
          port.start(given)
        },
        send: (bytes, host, to) => {
          if (!fails) return port.send(bytes, host, to)
          const error = Object.assign(new Error("send ENETUNREACH"), { code: "ENETUNREACH" })
          process.nextTick(() => reader?.unsent(error))
          return true
        },
        close: () => port.close(),
      }
    })
    const { door, endpoint } = await members.listen()
    const { sink: outward } = await members.dial(endpoint, "PUB", {}, failing)
    await outward.gone()
    assert.match(String(outward.reason), /ENETUNREACH/)
    fails = false
    const { connection, sink: second } = await members.dial(endpoint, "PUB", {}, failing)
    say(connection, "1")
    const { sink } = await accepted(door)
    await sink.has(1)
    fails = true
    for (let index = 2; index < 10; index++) {
      say(connection, `${index}`)
      await turns(2)
    }
    fails = false
    await sink.has(9)
    assert.deepEqual(sink.texts, [..."123456789"])
    assert.equal(second.closes, 0)
  })
})
