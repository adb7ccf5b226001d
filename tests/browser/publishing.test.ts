import assert from "node:assert/strict"
import type { FabricClient } from "../../patterns/fabric/browser/fabric-client.ts"
import { decodeHeaders } from "../../patterns/fabric/browser/headers.ts"
import { BYE, OF_PUBLISH, PUBLISH, PUBLISH_RESULT, PUBLISHED } from "../../patterns/fabric/edge/protocol.ts"
import { closesAfterEach } from "../support/cleanup.ts"
import { FakeClock } from "../support/clock.ts"
import { turns } from "../support/wait.ts"
import { ScriptedNode, type Wire } from "./scripted-node.ts"

interface Published {
  number: number
  wanted: boolean
  subject: string
  data: string
}

async function published(wire: Wire): Promise<Published> {
  const body = await wire.hears(PUBLISH)
  const number = body.varint()
  const wanted = body.byte() === 1
  const { subject, payload } = body.content(null)
  return { number, wanted, subject, data: Buffer.from(payload).toString() }
}

/** What has been published so far, and nobody has looked at. */
async function allPublished(wire: Wire): Promise<Published[]> {
  await turns(3)
  const found: Published[] = []
  while (wire.said.some(({ type }) => type === PUBLISH)) found.push(await published(wire))
  return found
}

const acknowledge = (wire: Wire, number: number): void => wire.say(PUBLISHED, writer => writer.varint(number))

const numbers = (list: readonly Published[]): number[] => list.map(({ number }) => number)
const texts = (list: readonly Published[]): string[] => list.map(({ data }) => data)

describe("A client of the edge publishes", () => {
  closesAfterEach()

  const options = { codec: "string" }

  it("with numbers, and in one WebSocket message what belongs to one turn", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client(options)
    const before = wire.messages
    assert.deepEqual(fabric.publish("orders.eu", "one"), { taken: true, waiting: 1 })
    assert.deepEqual(fabric.publish("orders.us", "two"), { taken: true, waiting: 2 })
    assert.deepEqual(await allPublished(wire), [
      { number: 1, wanted: false, subject: "orders.eu", data: "one" },
      { number: 2, wanted: false, subject: "orders.us", data: "two" },
    ])
    assert.equal(wire.messages, before + 1)
    acknowledge(wire, 1)
    assert.equal(fabric.waiting, 1)
    acknowledge(wire, 2)
    assert.equal(fabric.waiting, 0)
  })

  it("with headers and the codec that is asked for", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client()
    fabric.publish("a", { b: 1 }, { headers: { Trace: "7" }, codec: "json" })
    fabric.publish("a", undefined)
    const body = await wire.hears(PUBLISH)
    body.varint()
    body.byte()
    const content = body.content(null)
    assert.deepEqual([content.codec, Buffer.from(content.payload).toString()], [2, '{"b":1}'])
    assert.equal(decodeHeaders(content.headers as Uint8Array).get("Trace"), "7")
    const second = await wire.hears(PUBLISH)
    second.varint()
    second.byte()
    assert.equal(second.content(null).codec, 5)
  })

  it("nothing that cannot be", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client()
    for (const subject of ["", "a..b", "a.*", "a.>", "$heddle.peers", "a b"])
      assert.throws(() => fabric.publish(subject, 1), { code: "EINVAL" })
    assert.throws(() => fabric.publish("a", () => 1), { code: "EINVAL" })
    assert.throws(() => fabric.publish("a", new Uint8Array(70_000)), { code: "EMSGSIZE", message: /65536/ })
    await assert.rejects(fabric.send("a..b", 1), { code: "EINVAL" })
    assert.deepEqual(await allPublished(wire), [])
  })

  it("again what the node has not handled, and nothing twice", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client(options)
    for (const text of ["one", "two", "three"]) fabric.publish("a", text)
    await allPublished(wire)
    acknowledge(wire, 1)
    wire.end()
    fabric.publish("a", "four")
    const second = await node.wire(1)
    // The acknowledgement of the second was lost on the way.
    await second.welcome({ resumed: true, publishes: 2 })
    const again = await allPublished(second)
    assert.deepEqual(
      [numbers(again), texts(again)],
      [
        [3, 4],
        ["three", "four"],
      ],
    )
    acknowledge(second, 4)
    assert.equal(fabric.waiting, 0)
  })

  it("to a node that does not remember only what was never on the way, and says so", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client(options)
    const events: unknown[] = []
    fabric.events.on("unconfirmed", ({ count }) => events.push(count))
    fabric.publish("a", "one")
    const sent = assert.rejects(fabric.send("a", "two"), { code: "ECONNRESET", message: /may or may not/ })
    await allPublished(wire)
    const flushed = assert.rejects(fabric.flush(), { code: "ECONNRESET" })
    wire.end()
    fabric.publish("a", "three")
    const later = fabric.send("a", "four")
    const second = await node.wire(1)
    await second.welcome({ session: "s2" })
    const fresh = await allPublished(second)
    assert.deepEqual([numbers(fresh), texts(fresh), events], [[1, 2], ["three", "four"], [2]])
    await Promise.all([sent, flushed])
    second.say(PUBLISH_RESULT, writer => writer.varint(2).varint(3).varint(1))
    acknowledge(second, 2)
    assert.deepEqual(await later, { peers: 3, dropped: 1 })
  })

  it("and waits for the answer where it is asked to", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client(options)
    const results = [fabric.send("a", "one"), fabric.send("a", "two"), fabric.send("a", "three")]
    const refused = assert.rejects(results[1], { code: "EACCES", message: "not you" })
    assert.deepEqual(
      (await allPublished(wire)).map(({ wanted }) => wanted),
      [true, true, true],
    )
    wire.refuse(OF_PUBLISH, 2, "EACCES", "not you")
    wire.say(PUBLISH_RESULT, writer => writer.varint(1).varint(2).varint(0))
    // The acknowledgement may come before the result.
    acknowledge(wire, 3)
    wire.say(PUBLISH_RESULT, writer => writer.varint(3).varint(0).varint(0))
    await refused
    assert.deepEqual(await results[0], { peers: 2, dropped: 0 })
    assert.deepEqual(await results[2], { peers: 0, dropped: 0 })
  })

  it("and knows that it was handled, if not how, when the answer is lost", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client(options)
    const acknowledged = fabric.send("a", "one")
    const handled = fabric.send("a", "two")
    await allPublished(wire)
    acknowledge(wire, 1)
    wire.end()
    await (await node.wire(1)).welcome({ resumed: true, publishes: 2 })
    assert.deepEqual(await acknowledged, { peers: null, dropped: null })
    assert.deepEqual(await handled, { peers: null, dropped: null })
  })

  it("and hears of what was refused by an event", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client(options)
    const refused: unknown[] = []
    fabric.events.on("error", ({ subject, error }) => refused.push([subject, (error as { code: string }).code]))
    fabric.publish("secret", "one")
    await allPublished(wire)
    wire.refuse(OF_PUBLISH, 1, "EACCES", "no")
    acknowledge(wire, 1)
    assert.deepEqual([refused, fabric.waiting], [[["secret", "EACCES"]], 0])
  })

  it("no more than the outbox holds, and goes on when there is room", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client({ ...options, outbox: { messages: 2 } })
    wire.end()
    assert.deepEqual(fabric.publish("a", "one"), { taken: true, waiting: 1 })
    assert.deepEqual(fabric.publish("a", "two"), { taken: true, waiting: 2 })
    assert.deepEqual(fabric.publish("a", "three"), { taken: false, waiting: 2 })
    const late = fabric.send("a", "four")
    const second = await node.wire(1)
    await second.welcome()
    assert.deepEqual(texts(await allPublished(second)), ["one", "two"])
    acknowledge(second, 1)
    assert.deepEqual(texts(await allPublished(second)), ["four"])
    second.say(PUBLISH_RESULT, writer => writer.varint(3).varint(1).varint(0))
    assert.equal((await late).peers, 1)
  })

  it("no more bytes than the outbox holds, and never too many at once", async () => {
    const node = new ScriptedNode()
    const large = "x".repeat(200_000)
    const [fabric, wire] = await node.client({ ...options, outbox: { bytes: 1_000_000 } })
    wire.end()
    const second = await node.wire(1)
    await second.welcome({ maxMessage: 10 ** 7 })
    for (let i = 0; i < 4; i++) assert.equal(fabric.publish("a", large).taken, true)
    assert.equal(fabric.publish("a", large).taken, false)
    // 512 KiB are on the way; the others wait where they can be counted.
    assert.deepEqual(numbers(await allPublished(second)), [1, 2])
    acknowledge(second, 1)
    assert.deepEqual(numbers(await allPublished(second)), [3])
  })

  it("no faster than the node takes it", async () => {
    const clock = new FakeClock()
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client(options)
    clock.install()
    try {
      wire.end()
      for (let i = 0; i < 300; i++) fabric.publish("a", `${i}`)
      clock.advance(10)
      await node.wires[1].welcome({ rate: 100 })
      const second = node.wires[1]
      const first = await allPublished(second)
      assert.equal(first.length, 100)
      clock.advance(1_000)
      const more = await allPublished(second)
      assert.ok(more.length >= 90 && more.length <= 110, `${more.length} in a second`)
      clock.advance(2_000)
      const rest = await allPublished(second)
      assert.deepEqual(
        numbers([...first, ...more, ...rest]),
        Array.from({ length: 300 }, (_, i) => i + 1),
      )
    } finally {
      clock.restore()
    }
  })

  it("and takes back what has not left when its time is over or the user cancels", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client(options)
    const control = new AbortController()
    const underWay = assert.rejects(fabric.send("a", "0", { timeout: 5 }), {
      code: "ETIMEDOUT",
      message: /it may have been published/,
    })
    await allPublished(wire)
    await underWay
    wire.end()
    const cancelled = assert.rejects(fabric.send("a", "one", { signal: control.signal }), {
      code: "ECANCELED",
      message: /nothing was published/,
    })
    const late = assert.rejects(fabric.send("a", "two", { timeout: 1 }), { code: "ETIMEDOUT", message: /nothing/ })
    fabric.publish("a", "three")
    control.abort()
    await Promise.all([cancelled, late])
    await assert.rejects(fabric.send("a", "x", { signal: control.signal }), { code: "ECANCELED" })
    const second = await node.wire(1)
    await second.welcome({ resumed: true, publishes: 1 })
    const sent = await allPublished(second)
    assert.deepEqual([numbers(sent), texts(sent)], [[2], ["three"]])
  })

  it("and flushes", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client(options)
    await fabric.flush()
    fabric.publish("a", "one")
    let flushed = false
    const first = fabric.flush().then(() => {
      flushed = true
    })
    await assert.rejects(fabric.flush({ timeout: 1 }), { code: "ETIMEDOUT" })
    fabric.publish("a", "two")
    assert.equal(flushed, false)
    acknowledge(wire, 1)
    await first
    const drained = fabric.drain()
    assert.throws(() => fabric.subscribe("a"), { code: "EBADF" })
    await turns()
    acknowledge(wire, 2)
    await drained
    assert.equal(fabric.status, "closed")
    await wire.hears(BYE)
  })

  it("and tells everybody who waits when it is closed", async () => {
    const node = new ScriptedNode()
    const [fabric, wire] = await node.client({ ...options, outbox: { messages: 2 } })
    const sent = assert.rejects(fabric.send("a", "one"), { code: "ECONNRESET", message: /may or may not/ })
    await allPublished(wire)
    wire.end()
    const unsent = assert.rejects(fabric.send("a", "two"), { code: "EBADF" })
    const waiting = assert.rejects(fabric.send("a", "three"), { code: "EBADF" })
    const flushed = assert.rejects(fabric.flush(), { code: "EBADF" })
    await (fabric as FabricClient).close()
    await Promise.all([sent, unsent, waiting, flushed])
  })
})
