import assert from "node:assert/strict"
import { Context } from "../../../core/context.ts"
import { Dish, type GroupMessage } from "../../../patterns/radio-dish/dish.ts"
import { Radio } from "../../../patterns/radio-dish/radio.ts"
import { TcpTransport } from "../../../transports/tcp.ts"
import { UdpTransport } from "../../../transports/udp/transport.ts"
import { closesAfterEach, using } from "../../support/cleanup.ts"
import { coded } from "../../support/pattern.ts"
import { seeded } from "../../support/random.ts"
import { multicastWorks, RawDatagrams } from "../../support/udp.ts"
import { until } from "../../support/wait.ts"

const context = new Context([new TcpTransport(), new UdpTransport()])
const radio = (options = {}): Radio => using(new Radio({ context, ...options }))
const dish = (options = {}): Dish => using(new Dish({ context, ...options }))
const text = ([body, { group }]: GroupMessage): string => `${group}: ${body}`

/** A dish in `groups`, and a radio that sends to it. */
async function pair(address: string, groups: string[], options = {}): Promise<[Radio, Dish]> {
  const [from, to] = [radio({ multicastHops: 0 }), dish(options)]
  to.join(...groups)
  await to.bind(address)
  from.connect(to.lastEndpoint as string)
  return [from, to]
}

describe("Radio and Dish over udp", () => {
  closesAfterEach()

  it("UDP-1 meet in one way only", async () => {
    await assert.rejects(radio().bind("udp://127.0.0.1:0"), coded("ENOCOMPATPROTO"))
    assert.throws(() => dish().connect("udp://127.0.0.1:5"), coded("ENOCOMPATPROTO"))
  })

  for (const address of ["udp://127.0.0.1:*", "udp://[::1]:*"]) {
    it(`RADIO-11, DISH-5 every group is sent, and the Dish of ${address} filters`, async () => {
      const [from, to] = await pair(address, ["news", "weather"])
      for (const group of ["other", "news", "new", "newsx", "", "weather"]) await from.send(group, { group })
      assert.deepEqual([text(await to.receive()), text(await to.receive())], ["news: news", "weather: weather"])
      assert.equal(to.stats().dropped.filtered, 4)
      to.leave("news")
      to.join("other")
      for (const group of ["news", "other"]) await from.send("2", { group })
      assert.equal(text(await to.receive()), "other: 2")
      assert.deepEqual(from.stats().dropped, {})
    })
  }

  it("RADIO-11 what is sent right after connect goes out, in order", async () => {
    const raw = await RawDatagrams.open()
    const from = radio()
    await from.send("nobody", { group: "g" })
    from.connect(raw.endpoint)
    for (let i = 0; i < 20; i++) assert.equal(from.trySend(`${i}`, { group: "g" }), true)
    for (let i = 0; i < 20; i++) assert.equal(`${(await raw.next()).bytes}`, `\x01g${i}`)
    assert.deepEqual(from.stats().dropped, { "no-peer": 1 })
    from.disconnect(raw.endpoint)
    await until(() => from.stats().peers.length === 0)
    await from.send("nobody", { group: "g" })
    assert.deepEqual(from.stats().dropped, { "no-peer": 2 })
  })

  it("RADIO-10, UDP-9 what was sent right before close goes out", async () => {
    const raw = await RawDatagrams.open()
    const from = radio()
    from.connect(raw.endpoint)
    for (let i = 0; i < 50; i++) void from.send(`${i}`, { group: "g" })
    await from.close()
    for (let i = 0; i < 50; i++) assert.equal(`${(await raw.next()).bytes}`, `\x01g${i}`)
  })

  it("RADIO-11 reach tcp and udp at once, each Dish what it joined", async () => {
    const from = radio()
    const [one, two] = [dish(), dish()]
    one.join("a", "b")
    two.join("a")
    await one.bind("udp://127.0.0.1:0")
    await from.bind("tcp://127.0.0.1:0")
    two.connect(from.lastEndpoint as string)
    from.connect(one.lastEndpoint as string)
    // Who joins over tcp is known some time after it connected.
    await until(() => {
      from.trySend("hello", { group: "a" })
      return two.readable
    })
    await from.send("b", { group: "b" })
    await from.send("end", { group: "a" })
    const collect = async (to: Dish): Promise<string[]> => {
      const found: string[] = []
      while (found.at(-1) !== "a: end") found.push(text(await to.receive()))
      return found.filter(one => one !== "a: hello")
    }
    assert.deepEqual(await collect(one), ["b: b", "a: end"])
    assert.deepEqual(await collect(two), ["a: end"])
    two.leave("a")
    await one.unbind(one.lastEndpoint as string)
    await from.send("x", { group: "a" })
  })

  it("RADIO-12 rejects what does not fit, and sends what just does", async () => {
    const [from, to] = await pair("udp://127.0.0.1:0", ["four"])
    const most = Buffer.alloc(8192 - 5, "abc")
    await from.send(most, { group: "four" })
    assert.ok((await to.receive())[0].equals(most))
    const wanted = coded("EMSGSIZE", /8188 bytes.*at most 8187/)
    await assert.rejects(from.send(Buffer.alloc(8188), { group: "four" }), wanted)
    assert.throws(() => from.trySend(Buffer.alloc(8188), { group: "four" }), wanted)
    await from.send("next", { group: "four" })
    assert.equal(text(await to.receive()), "four: next")
  })

  it("UDP-6 what is malformed is counted, and nothing else happens", async () => {
    const to = dish({ maxMessageSize: 1_000 })
    to.join("g")
    await to.bind("udp://127.0.0.1:0")
    const raw = await RawDatagrams.open()
    const bad = ["", "\x02g", Buffer.concat([Buffer.from([255]), Buffer.alloc(254)]), Buffer.alloc(1_001)]
    for (const bytes of bad) await raw.send(bytes, to.lastEndpoint as string)
    await raw.send("\x01gwell", to.lastEndpoint as string)
    assert.equal(text(await to.receive()), "g: well")
    assert.deepEqual(to.stats().dropped, { malformed: 4 })
  })

  it("UDP-6 noise reaches nobody, and every datagram is counted", () =>
    seeded(async random => {
      const to = dish()
      to.join("a group that noise does not find")
      await to.bind("udp://127.0.0.1:0")
      const raw = await RawDatagrams.open()
      let sent = 0
      for (; sent < 300; sent++) {
        await raw.send(random.bytes(random.int(0, 600)), to.lastEndpoint as string)
        const { malformed = 0, filtered = 0 } = to.stats().dropped
        if (sent - malformed - filtered > 50) await until(() => arrived(to) > sent - 50)
      }
      await until(() => arrived(to) === sent)
      assert.equal(to.readable, false)
    }))

  it("UDP-7 a flood fills the queue and no more", async () => {
    const [from, to] = await pair("udp://127.0.0.1:0", ["g"], { receiveHighWaterMark: 10 })
    await until(() => {
      for (let i = 0; i < 50; i++) from.trySend("x", { group: "g" })
      return (to.stats().dropped.full ?? 0) > 100
    })
    assert.equal(to.stats().waiting, 10)
    for (let i = 0; i < 10; i++) await to.receive()
    await until(() => {
      from.trySend("y", { group: "g" })
      return to.readable
    })
  })

  it("RADIO-5 a burst that is larger than the queue is cut, and counted", async () => {
    const raw = await RawDatagrams.open()
    const from = radio({ sendHighWaterMark: 10 })
    from.connect(raw.endpoint)
    for (let i = 0; i < 100; i++) from.trySend(`${i}`, { group: "g" })
    assert.deepEqual(from.stats().dropped, { full: 90 })
    for (let i = 0; i < 10; i++) assert.equal(`${(await raw.next()).bytes}`, `\x01g${i}`)
  })

  for (const [group, address] of [
    ["239.255.77.1", "udp://lo;239.255.77.1:*"],
    ["239.255.77.2", "udp://127.0.0.1;239.255.77.2:*"],
    ["ff05::7701", "udp://lo;[ff05::7701]:*"],
    ["ff02::7702", "udp://lo;[ff02::7702]:*"],
  ]) {
    describe(`in the group ${address}`, () => {
      before(async function () {
        if (await multicastWorks(group)) return
        console.log(`      skipped: this machine carries no multicast to ${group} on the interface lo`)
        this.skip()
      })

      it("UDP-4 every Dish at the port hears every Radio, once", async () => {
        const [from, first] = await pair(address, ["g"])
        const second = dish()
        second.join("g")
        await second.bind(first.lastEndpoint as string)
        const other = radio({ multicastHops: 0 })
        other.connect(first.lastEndpoint as string)
        for (const [sender, body] of [
          [from, "a"],
          [other, "b"],
        ] as const) {
          await sender.send(body, { group: "g" })
          for (const to of [first, second]) assert.equal(text(await to.receive()), `g: ${body}`)
        }
        for (const to of [first, second]) assert.equal(to.stats().messagesReceived, 2)
      })

      it("UDP-4 what is sent to the machine's own address does not reach it", async () => {
        const [from, to] = await pair(address, ["g"])
        const six = address.includes("[")
        const raw = await RawDatagrams.open(six ? "::1" : "127.0.0.1")
        const { port } = new URL((to.lastEndpoint as string).replace(/^udp:\/\/.*;/, "http://"))
        await raw.send("\x01gunicast", `udp://${six ? "[::1]" : "127.0.0.1"}:${port}`)
        await from.send("multicast", { group: "g" })
        assert.equal(text(await to.receive()), "g: multicast")
      })

      it("UDP-10 without multicastLoopback this machine hears nothing of its own", async () => {
        const [from, to] = await pair(address, ["g"])
        const silent = radio({ multicastHops: 0, multicastLoopback: false })
        silent.connect(to.lastEndpoint as string)
        await silent.ready()
        await silent.send("silent", { group: "g" })
        await from.send("loud", { group: "g" })
        // The interface lo brings back what was sent on it, whatever the option says (Linux): both or the second only.
        const heard = [text(await to.receive())]
        if (heard[0] === "g: silent") heard.push(text(await to.receive()))
        assert.equal(heard.at(-1), "g: loud")
      })
    })
  }
})

function arrived(to: Dish): number {
  const { malformed = 0, filtered = 0 } = to.stats().dropped
  return malformed + filtered
}
