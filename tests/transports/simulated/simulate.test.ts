import assert from "node:assert/strict"
import {
  Dish,
  type Fabric,
  join,
  Publisher,
  Pull,
  Push,
  Radio,
  Reply,
  Request,
  Subscriber,
  seeds,
} from "../../../index.ts"
import { type HostOfSimulation, type Simulation, type SimulationOptions, simulate } from "../../../testing.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { coded } from "../../support/pattern.ts"

const text = (frames: readonly Buffer[]): string[] => frames.map(frame => frame.toString())

describe("simulate", () => {
  closesAfterEach()

  const start = (options: SimulationOptions): Simulation => {
    const net = simulate(options)
    later(() => net.close())
    return net
  }

  it("gives hosts on which sockets run as they are", async () => {
    const net = start({ seed: 7, delay: [1, 5], split: 0.2, loss: 0.01 })
    const [a, b] = [net.host("a"), net.host("b")]
    const reply = new Reply({ context: a.context })
    await reply.bind("tcp://*:5000")
    assert.equal(reply.lastEndpoint, `tcp://${a.address}:5000`)
    const request = new Request({ context: b.context })
    request.connect("tcp://a:5000")
    for (const word of ["warp", "weft"]) {
      await request.send(word)
      const [heard] = await reply.receive()
      await reply.send(`${heard}!`)
      assert.deepEqual(text(await request.receive()), [`${word}!`])
    }
    assert.ok(net.traffic(b, a).streamBytes > 10)
    const nobody = new Request({ context: b.context })
    await assert.rejects(nobody.bind("tcp://a:5001"), coded("EADDRNOTAVAIL"))
    await assert.rejects(reply.bind("tcp://*:5000"), coded("EADDRINUSE"))
    assert.throws(() => reply.connect("ipc://nowhere"), coded("EPROTONOSUPPORT"))
  })

  it("carries datagrams to hosts and to groups, and counts those that it loses", async () => {
    const net = start({ seed: 3, loss: 0.5 })
    const radio = new Radio({ context: net.host("radio").context })
    radio.connect("udp://239.1.1.1:7000")
    const single = new Radio({ context: net.host("single").context })
    single.connect("udp://dish0:7001")
    const dishes = await Promise.all(
      [0, 1, 2].map(async n => {
        const dish = new Dish({ context: net.host(`dish${n}`).context })
        await dish.bind("udp://239.1.1.1:7000")
        if (n === 0) await dish.bind("udp://*:7001")
        dish.join("news")
        return dish
      }),
    )
    const counts = dishes.map(() => 0)
    dishes.forEach((dish, i) => {
      dish.consume(() => {
        counts[i]++
      })
    })
    await Promise.all([radio.ready(), single.ready()])
    for (let i = 0; i < 100; i++) await radio.send(String(i), { group: "news" })
    await net.run(30)
    for (const count of counts) assert.ok(count > 20 && count < 80, `${counts}`)
    const { sent, lost, delivered } = net.traffic()
    assert.deepEqual([sent, lost + delivered], [300, 300])
    net.set({ loss: 0 })
    await single.send("to you", { group: "news" })
    await net.run(10)
    assert.equal(net.traffic(net.host("single"), net.host("dish0")).delivered, 1)
  })

  it("carries reliable multicast: a tenth of the datagrams is lost, and not one message", async () => {
    const net = start({ seed: 4, loss: 0.1, delay: [0.1, 0.5], time: "virtual" })
    const publisher = new Publisher({ context: net.host("p").context })
    publisher.connect("multicast://239.7.7.7:7000")
    const heard: string[][] = []
    for (const name of ["s", "t", "u"]) {
      const subscriber = new Subscriber({ context: net.host(name).context })
      subscriber.connect("multicast://239.7.7.7:7000")
      subscriber.subscribe("")
      const mine: string[] = []
      heard.push(mine)
      subscriber.consume(([message]) => {
        mine.push(message.toString())
      })
    }
    await net.run(1_000)
    const sent = Array.from({ length: 1_000 }, (_, i) => `${i} ${"x".repeat(i)}`)
    for (const message of sent) {
      await net.until(publisher.send(message))
      await net.run(1)
    }
    await net.run(10_000)
    for (const mine of heard) assert.deepEqual(mine, sent)
    const { lost, delivered } = net.traffic()
    assert.ok(lost > 100 && delivered > 1_000, `${lost} lost, ${delivered} delivered`)
  })

  it("lets minutes pass in a moment: heartbeats find a dead link, and the socket reconnects", async () => {
    const net = start({ seed: 1, delay: 10, time: "virtual" })
    const [a, b] = [net.host("a"), net.host("b")]
    const pull = new Pull({ context: a.context, heartbeatInterval: 10_000 })
    await pull.bind("tcp://*:5000")
    const push = new Push({ context: b.context, heartbeatInterval: 10_000 })
    const told: string[] = []
    for (const type of ["connect", "disconnect"] as const) push.events.on(type, () => told.push(`${type} ${net.now()}`))
    push.connect("tcp://a:5000")
    await net.until(push.send("one"))
    assert.deepEqual(text(await net.until(pull.receive())), ["one"])
    assert.equal(told.length, 1)
    net.partition([a], [b])
    await net.run(600_000)
    assert.equal(told.length, 2, told.join())
    assert.match(told[1], /^disconnect/)
    net.heal()
    await net.until(push.send("two"))
    assert.deepEqual(text(await net.until(pull.receive())), ["two"])
    assert.ok(net.now() > 600_000)
    await assert.rejects(net.until(pull.receive(), 3_000), coded("ETIMEDOUT"))
    await Promise.all([push.close({ linger: 0 }), net.until(pull.close())])
  })

  it("gives the same run for the same seed", async () => {
    const run = async (seed: number): Promise<string> => {
      const net = simulate({ seed, time: "virtual", delay: [1, 9], loss: 0.1, split: 0.3 })
      try {
        const publisher = new Publisher({ context: net.host("p").context })
        await publisher.bind("tcp://*:1")
        const log: string[] = []
        for (const name of ["s", "t"]) {
          const subscriber = new Subscriber({ context: net.host(name).context })
          subscriber.connect("tcp://p:1")
          subscriber.subscribe()
          subscriber.consume(([message]) => {
            log.push(`${name} ${message} ${net.now()}`)
          })
        }
        await net.until(publisher.ready({ peers: 2, topic: "" }))
        for (let i = 0; i < 20; i++) {
          await publisher.send(String(i))
          await net.run(3)
        }
        net.host("s").reset()
        await net.run(2000)
        await publisher.send("again")
        await net.run(1000)
        return log.join("\n")
      } finally {
        await net.close()
      }
    }
    const first = await run(5)
    assert.match(first, /s again/)
    assert.equal(first, await run(5))
    assert.notEqual(first, await run(6))
  })

  it("carries whole fabrics: a partition costs no message", async () => {
    const net = start({ seed: 2, delay: [1, 3], time: "virtual" })
    const [a, b] = [net.host("a"), net.host("b")]
    const node = (host: HostOfSimulation): Promise<Fabric> =>
      net.until(join("shop", { discovery: [seeds(["tcp://a:7000"])], listen: "tcp://*:7000", context: host.context }))
    const one = await node(a)
    const two = await node(b)
    later(() => net.until(Promise.all([one.close(), two.close()])))
    const heard: number[] = []
    two.subscribe("orders.*", message => {
      heard.push((message.data as { id: number }).id)
    })
    await net.until(one.ready({ subject: "orders.new", subscribers: 1 }))
    for (let id = 0; id < 100; id++) {
      if (id === 20) net.partition([a], [b])
      if (id === 28) net.heal()
      one.publish("orders.new", { id })
      await net.run(500)
    }
    await net.run(10_000)
    assert.deepEqual(
      heard,
      Array.from({ length: 100 }, (_, id) => id),
    )
  })

  it("is closed with its sockets, and real time is back", async () => {
    const { setTimeout: real } = globalThis
    const net = simulate({ time: "virtual" })
    assert.notEqual(globalThis.setTimeout, real)
    assert.throws(() => simulate({ time: "virtual" }), coded("EBUSY"))
    const push = new Push({ context: net.host("a").context, linger: 5_000 })
    push.connect("tcp://nobody:1")
    push.trySend("never")
    await net.close()
    assert.deepEqual([push.closed, globalThis.setTimeout], [true, real])
    assert.throws(() => simulate({ loss: 7 }), coded("EINVAL"))
    assert.throws(() => simulate({ speed: 7 } as SimulationOptions), coded("EINVAL"))
    assert.throws(() => simulate({ loss: 7, time: "virtual" }), coded("EINVAL"))
    assert.equal(globalThis.setTimeout, real)
  })
})
