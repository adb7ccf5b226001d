import assert from "node:assert/strict"
import { Gather } from "../../../patterns/pipeline/gather.ts"
import { Pull } from "../../../patterns/pipeline/pull.ts"
import { Push } from "../../../patterns/pipeline/push.ts"
import { Scatter } from "../../../patterns/pipeline/scatter.ts"
import { closesAfterEach, using } from "../../support/cleanup.ts"
import { coded, text } from "../../support/pattern.ts"
import { ENDPOINTS, lastingIpc, QUICK, testContext } from "../../support/sockets.ts"
import { turns, until } from "../../support/wait.ts"

const context = testContext()

describe("Push and Pull", () => {
  closesAfterEach()
  const push = (options: ConstructorParameters<typeof Push>[0] = {}) =>
    using(new Push({ context, ...QUICK, ...options }))
  const pull = (options: ConstructorParameters<typeof Pull>[0] = {}) =>
    using(new Pull({ context, ...QUICK, ...options }))

  it("PUSH-2: an endpoint that is not there takes exactly sendHighWaterMark messages", async () => {
    const a = push({ sendHighWaterMark: 5, sendTimeout: 0 })
    a.connect("ipc:///tmp/heddle-nobody-is-here")
    for (let i = 0; i < 5; i++) await a.send(String(i))
    assert.equal(a.writable, false)
    await assert.rejects(a.send("one more"), coded("EAGAIN"))
    assert.equal(a.stats().queued, 5)
  })

  it("PUSH-3: with immediate, an endpoint that is not there takes nothing", async () => {
    const a = push({ immediate: true, sendTimeout: 0 })
    a.connect("ipc:///tmp/heddle-nobody-is-here")
    await assert.rejects(a.send("a"), coded("EAGAIN"))
  })

  for (const endpoint of ENDPOINTS) {
    it(`PUSH-1, PULL-1: 10,000 messages, whole and in order, over ${endpoint}`, async () => {
      const [a, b] = [push(), pull()]
      await b.bind(endpoint)
      a.connect(b.lastEndpoint as string)
      const sending = (async () => {
        for (let i = 0; i < 10_000; i++) await a.send([String(i), "body"])
      })()
      for (let i = 0; i < 10_000; i++) assert.equal(text(await b.receive()), `${i}|body`)
      await sending
    })
  }

  it("PUSH-1: all of three pullers get their share", async () => {
    const a = push()
    await a.bind("ipc://*")
    const pullers = [pull(), pull(), pull()]
    for (const one of pullers) one.connect(a.lastEndpoint as string)
    await a.ready({ peers: 3 })
    for (let i = 0; i < 30; i++) await a.send(String(i))
    for (const one of pullers) {
      const got = []
      for (let i = 0; i < 10; i++) got.push(await one.receive())
      assert.equal(one.stats().messagesReceived, 10)
    }
  })

  it("PUSH-2, PULL-2: a puller that does not read holds the pusher up, and nothing is lost", async () => {
    const a = push({ sendHighWaterMark: 10 })
    const b = pull({ receiveHighWaterMark: 10 })
    await b.bind("ipc://*")
    a.connect(b.lastEndpoint as string)
    await a.ready()
    const body = Buffer.alloc(16 * 1024)
    let sent = 0
    // What the operating system holds between the two has no exact size: full is full for a good while.
    for (let idle = 0; idle < 20; idle++) {
      while (a.trySend(body)) {
        sent++
        idle = 0
      }
      await turns(5)
    }
    assert.ok(b.stats().waiting <= 10 + 1, `${b.stats().waiting} wait to be read`)
    for (let i = 0; i < sent; i++) await b.receive()
    assert.equal(b.tryReceive(), null)
    assert.equal(a.writable, true)
  })

  it("PUSH-6: what is queued for an endpoint waits for its next connection", async () => {
    const address = lastingIpc()
    const [a, first] = [push(), pull()]
    await first.bind(address)
    a.connect(address)
    await a.send("1")
    assert.equal(text(await first.receive()), "1")
    await first.close()
    await until(() => !a.stats().peers[0].connected)
    for (const message of ["2", "3"]) await a.send(message)
    const second = pull()
    await second.bind(address)
    assert.equal(text(await second.receive()), "2")
    assert.equal(text(await second.receive()), "3")
  })

  it("PUSH-7: conflate queues the newest message only", async () => {
    const address = lastingIpc()
    const [a, b] = [push({ conflate: true }), pull()]
    a.connect(address)
    for (const message of ["1", "2", "3"]) await a.send(message)
    assert.deepEqual(a.stats().dropped, { conflated: 2 })
    await b.bind(address)
    assert.equal(text(await b.receive()), "3")
  })
})

describe("Scatter and Gather", () => {
  closesAfterEach()
  const scatter = () => using(new Scatter({ context, ...QUICK }))
  const gather = () => using(new Gather({ context, ...QUICK }))

  for (const endpoint of ENDPOINTS) {
    it(`SCATTER-2, GATHER-1: messages of one frame over ${endpoint}`, async () => {
      const [a, b] = [scatter(), gather()]
      await b.bind(endpoint)
      a.connect(b.lastEndpoint as string)
      for (let i = 0; i < 100; i++) await a.send(String(i))
      for (let i = 0; i < 100; i++) {
        const [frame, ...more] = await b.receive()
        assert.equal(frame.toString(), String(i))
        assert.equal(more.length, 0)
      }
    })
  }

  it("SCATTER-1: several frames are refused", async () => {
    await assert.rejects(scatter().send(["a", "b"] as unknown as string), coded("EINVAL"))
  })

  it("conflate is an option of both", () => {
    assert.equal(using(new Scatter({ context, conflate: true })).conflate, true)
    assert.equal(using(new Gather({ context, conflate: true })).conflate, true)
  })
})
