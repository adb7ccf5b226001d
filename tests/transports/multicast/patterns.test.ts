import assert from "node:assert/strict"
import { Context } from "../../../core/context.ts"
import type { Message } from "../../../core/contract.ts"
import type { MessageLike } from "../../../core/message.ts"
import { Bus } from "../../../patterns/bus/bus.ts"
import { Pull } from "../../../patterns/pipeline/pull.ts"
import { Push } from "../../../patterns/pipeline/push.ts"
import { Publisher } from "../../../patterns/pubsub/publisher.ts"
import { Subscriber } from "../../../patterns/pubsub/subscriber.ts"
import { XPublisher } from "../../../patterns/pubsub/xpublisher.ts"
import { XSubscriber } from "../../../patterns/pubsub/xsubscriber.ts"
import { Dish } from "../../../patterns/radio-dish/dish.ts"
import { Radio } from "../../../patterns/radio-dish/radio.ts"
import { Request } from "../../../patterns/reqrep/request.ts"
import { MulticastTransport } from "../../../transports/multicast/transport.ts"
import { TcpTransport } from "../../../transports/tcp.ts"
import { closesAfterEach, using } from "../../support/cleanup.ts"
import { freeMulticastPort } from "../../support/multicast.ts"
import { coded } from "../../support/pattern.ts"
import { multicastWorks } from "../../support/udp.ts"
import { event, turns, until } from "../../support/wait.ts"

const GROUP = "239.255.77.41"
const context = new Context([new MulticastTransport(), new TcpTransport()])
const OPTIONS = { context, multicastHops: 0 }
const text = (message: Message): string => message.map(frame => `${frame}`).join("|")
const freePort = async (): Promise<string> => `multicast://${GROUP}:${await freeMulticastPort()}?interface=lo`

/** Sends until the other side has heard of us: who joins a group hears what is sent from then on. */
async function heard(send: () => unknown, has: () => boolean): Promise<void> {
  while (!has()) {
    send()
    await turns(3)
  }
}

describe("Patterns over multicast", () => {
  closesAfterEach()

  before(async function () {
    if (await multicastWorks(GROUP)) return
    console.log(`      skipped: this machine carries no multicast to ${GROUP} on the interface lo`)
    this.skip()
  })

  for (const [name, binds] of [
    ["subscribers bind", "SUB"],
    ["publishers bind", "PUB"],
    ["all bind", "ALL"],
    ["all connect", "NONE"],
  ] as const) {
    it(`PUB-16, SUB-5 give each subscriber what it wants, where ${name}`, async () => {
      const endpoint = await freePort()
      const pub = using(new Publisher(OPTIONS))
      const subs = [using(new Subscriber({ context })), using(new Subscriber({ context }))]
      subs[0].subscribe("a", "b")
      subs[1].subscribe("b")
      for (const sub of subs) {
        if (binds === "SUB" || binds === "ALL") await sub.bind(endpoint)
        else sub.connect(endpoint)
      }
      if (binds === "PUB" || binds === "ALL") await pub.bind(endpoint)
      else pub.connect(endpoint)
      if (binds === "PUB" || binds === "NONE") await Promise.all(subs.map(sub => sub.ready()))
      for (const topic of ["a1", "b1", "c1", "a2", "b2"]) await pub.send([topic, "x"])
      const got: string[][] = [[], []]
      subs.forEach((sub, index) => {
        sub.consume(message => void got[index].push(text(message)))
      })
      await until(() => got[0].length === 4 && got[1].length === 2)
      assert.deepEqual(got, [
        ["a1|x", "b1|x", "a2|x", "b2|x"],
        ["b1|x", "b2|x"],
      ])
      assert.deepEqual(
        subs.map(sub => sub.stats().dropped),
        [{ filtered: 1 }, { filtered: 3 }],
      )
      assert.deepEqual(pub.stats().dropped, {})
      assert.equal(pub.topicsCount, 1)
    })
  }

  it("PUB-16 keep what is sent before the port is open, for the receivers that are there", async () => {
    const endpoint = await freePort()
    const sub = using(new Subscriber({ context }))
    sub.subscribe()
    await sub.bind(endpoint)
    const pub = using(new Publisher(OPTIONS))
    pub.connect(endpoint)
    for (let index = 0; index < 100; index++) assert.equal(pub.trySend(`${index}`), true)
    for (let index = 0; index < 100; index++) assert.equal(text(await sub.receive()), `${index}`)
  })

  it("reach a group and tcp peers with one publisher", async () => {
    const endpoint = await freePort()
    const pub = using(new Publisher(OPTIONS))
    const [near, far] = [using(new Subscriber({ context })), using(new Subscriber({ context }))]
    near.subscribe("a")
    far.subscribe()
    await near.bind(endpoint)
    await pub.bind("tcp://127.0.0.1:0")
    far.connect(pub.lastEndpoint as string)
    pub.connect(endpoint)
    await pub.ready({ peers: 2 })
    for (const topic of ["a1", "b1", "a2"]) await pub.send(topic)
    for (const topic of ["a1", "a2"]) assert.equal(text(await near.receive()), topic)
    for (const topic of ["a1", "b1", "a2"]) assert.equal(text(await far.receive()), topic)
  })

  it("XPUB-12, XSUB-2 work with XPublisher and XSubscriber, which gets everything", async () => {
    const endpoint = await freePort()
    const xsub = using(new XSubscriber({ context }))
    await xsub.bind(endpoint)
    const xpub = using(new XPublisher({ ...OPTIONS, welcomeMessage: "hello" }))
    xpub.connect(endpoint)
    await xpub.send("one")
    assert.equal(text(await xsub.receive()), "one")
    // What it says goes nowhere, and is counted.
    await xsub.send("back")
    await xsub.send("\u0001topic")
    assert.deepEqual(xsub.stats().dropped, { unroutable: 1 })
    assert.equal(xpub.tryReceive(), null)
  })

  it("RADIO-11, DISH-5 work with Radio and Dish, with messages larger than a datagram", async () => {
    const endpoint = await freePort()
    const dish = using(new Dish({ context }))
    dish.join("news")
    await dish.bind(endpoint)
    const radio = using(new Radio(OPTIONS))
    radio.connect(endpoint)
    const large = Buffer.alloc(200_000, "x")
    await radio.send("no", { group: "weather" })
    await radio.send(large, { group: "news" })
    await radio.send("yes", { group: "news" })
    const [body, { group }] = await dish.receive()
    assert.deepEqual([body, `${group}`], [large, "news"])
    assert.equal(`${(await dish.receive())[0]}`, "yes")
    assert.equal(dish.stats().dropped.filtered, 1)
  })

  it("BUS-1, BUS-3 give each Bus what all others say", async () => {
    const endpoint = await freePort()
    const buses = [0, 1, 2].map(() => using(new Bus(OPTIONS)))
    await buses[0].bind(endpoint)
    for (const bus of buses.slice(1)) bus.connect(endpoint)
    await Promise.all(buses.map(bus => bus.ready()))
    for (const [index, bus] of buses.entries()) await bus.send(`from ${index}`)
    for (const [index, bus] of buses.entries()) {
      const got = [text(await bus.receive()), text(await bus.receive())]
      const others = [0, 1, 2].filter(one => one !== index)
      assert.deepEqual(
        got.sort(),
        others.map(one => `from ${one}`),
      )
      assert.equal(bus.tryReceive(), null)
    }
  })

  it("MCT-1 are refused where each message is for one peer", async () => {
    const endpoint = await freePort()
    for (const socket of [new Push({ context }), new Pull({ context }), new Request({ context })]) {
      using(socket)
      await assert.rejects(socket.bind(endpoint), coded("ENOCOMPATPROTO", /Publisher and Subscriber/))
      assert.throws(() => socket.connect(endpoint), coded("ENOCOMPATPROTO"))
    }
  })

  it("wait for a slow subscriber with noDrop, and lose nothing", async () => {
    const endpoint = await freePort()
    const small = { multicastWindow: 128 * 1024 }
    const sub = using(new Subscriber({ context, ...small, receiveHighWaterMark: 10 }))
    sub.subscribe()
    await sub.bind(endpoint)
    const pub = using(new Publisher({ ...OPTIONS, ...small, noDrop: true, sendHighWaterMark: 10 }))
    pub.connect(endpoint)
    await pub.send(["0", "x"])
    assert.equal(`${(await sub.receive())[0]}`, "0")
    const body = Buffer.alloc(5_000)
    let sent = 1
    // So many do not fit into all queues and windows together.
    const sending = (async () => {
      while (sent < 500) await pub.send([`${sent++}`, body])
    })()
    await turns(50)
    assert.ok(sent < 500, `${sent} were taken, and none was received`)
    for (let next = 1; next < 500; next++) assert.equal(`${(await sub.receive())[0]}`, `${next}`)
    await sending
    assert.deepEqual(pub.stats().dropped, {})
    assert.deepEqual(sub.stats().dropped, {})
  })

  for (const how of ["bind", "connect"] as const) {
    it(`MCT-7 count what is lost for good, and say who lost it, after ${how}`, async () => {
      const endpoint = await freePort()
      const sub = using(new Subscriber({ context, maxMessageSize: 1_000 }))
      sub.subscribe()
      if (how === "bind") await sub.bind(endpoint)
      else sub.connect(endpoint)
      await (how === "bind" ? null : sub.ready())
      const gap = event(sub.events, "gap")
      const pub = using(new Publisher(OPTIONS))
      pub.connect(endpoint)
      const messages: MessageLike[] = ["0", "1", Buffer.alloc(1_001), Buffer.alloc(2_000), "4"]
      for (const message of messages) await pub.send(message)
      for (const wanted of ["0", "1", "4"]) assert.equal(text(await sub.receive()), wanted)
      const { sender, from, address, reason } = await gap
      assert.match(sender, /^multicast:\/\/127\.0\.0\.1:\d+$/)
      assert.equal(address, how === "bind" ? sender : endpoint)
      assert.deepEqual([from, reason], [2, "size"])
      assert.deepEqual(sub.stats().dropped, { gap: 2 })
    })
  }

  it("let somebody in later, who hears all from there on", async () => {
    const endpoint = await freePort()
    const pub = using(new Publisher(OPTIONS))
    await pub.bind(endpoint)
    let sent = 0
    const send = (): boolean => pub.trySend(`${sent++}`)
    for (let index = 0; index < 1_000; index++) send()
    const sub = using(new Subscriber({ context }))
    sub.subscribe()
    await sub.bind(endpoint)
    const got: number[] = []
    sub.consume(message => void got.push(Number(text(message))))
    await heard(send, () => got.length > 0)
    for (let index = 0; index < 1_000; index++) send()
    await until(() => got.at(-1) === sent - 1)
    assert.ok(got[0] >= 1_000)
    assert.deepEqual(
      got,
      Array.from({ length: sent - got[0] }, (_none, index) => got[0] + index),
    )
  })

  it("MCT-11 send what was given to send before close, and free the port", async () => {
    const endpoint = await freePort()
    for (let round = 0; round < 2; round++) {
      const sub = new Subscriber({ context })
      sub.subscribe()
      await sub.bind(endpoint)
      const pub = new Publisher(OPTIONS)
      await pub.bind(endpoint)
      const gone = event(sub.events, "disconnect")
      for (let index = 0; index < 500; index++) await pub.send(`${index}`)
      const closing = pub.close()
      for (let index = 0; index < 500; index++) assert.equal(text(await sub.receive()), `${index}`)
      await closing
      assert.equal((await gone).error, undefined)
      await sub.close()
    }
  })

  it("MCT-11 do not wait longer than `linger` for a receiver that does not read", async () => {
    const endpoint = await freePort()
    const small = { multicastWindow: 128 * 1024 }
    const sub = using(new Subscriber({ context, ...small, receiveHighWaterMark: 1 }))
    sub.subscribe()
    await sub.bind(endpoint)
    const pub = using(new Publisher({ ...OPTIONS, ...small }))
    pub.connect(endpoint)
    await pub.send("0")
    await until(() => sub.stats().waiting === 1)
    for (let index = 1; index < 200; index++) await pub.send([`${index}`, Buffer.alloc(5_000)])
    const { queued } = pub.stats()
    assert.ok(queued > 0)
    await pub.close({ linger: 100 })
    assert.equal(pub.stats().dropped.closed, queued)
  })

  it("take the options of multicast, and refuse what makes no sense", () => {
    const given = {
      rate: 10_000,
      recoveryInterval: 5_000,
      multicastMaxTransportDataUnit: 1_400,
      multicastWindow: 1024 * 1024,
      multicastFlow: "fastest" as const,
      multicastParity: 8 as const,
    }
    const pub = using(new Publisher({ ...OPTIONS, ...given }))
    for (const [name, value] of Object.entries(given)) assert.equal(pub[name as keyof typeof given], value)
    for (const wrong of [
      { rate: -1 },
      { recoveryInterval: 0 },
      { multicastMaxTransportDataUnit: 100 },
      { multicastMaxTransportDataUnit: 65_536 },
      { multicastWindow: 1_000 },
      { multicastFlow: "slow" as "slowest" },
      { multicastParity: 5 as 4 },
      { multicastParity: true as false },
    ]) {
      assert.throws(() => new Publisher({ ...OPTIONS, ...wrong }), coded("EINVAL", new RegExp(Object.keys(wrong)[0])))
    }
  })

  it("send no faster than `rate`", async () => {
    const endpoint = await freePort()
    const sub = using(new Subscriber({ context, receiveHighWaterMark: 0 }))
    sub.subscribe()
    await sub.bind(endpoint)
    // 1 MB a second, in datagrams that are small enough to be spread.
    const pub = using(new Publisher({ ...OPTIONS, rate: 8_000, multicastMaxTransportDataUnit: 1_500, noDrop: true }))
    pub.connect(endpoint)
    const began = performance.now()
    const total = 300
    for (let index = 0; index < total; index++) void pub.send(Buffer.alloc(1_000, index))
    for (let index = 0; index < total; index++) await sub.receive()
    // 300 kB less what may go out at once.
    assert.ok(performance.now() - began > 100, `${performance.now() - began} ms`)
  })
})
