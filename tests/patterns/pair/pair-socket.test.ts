import assert from "node:assert/strict"
import { Channel } from "../../../patterns/pair/channel.ts"
import { Pair } from "../../../patterns/pair/pair.ts"
import { closesAfterEach, using } from "../../support/cleanup.ts"
import { coded, text } from "../../support/pattern.ts"
import { ENDPOINTS, lastingIpc, QUICK, testContext } from "../../support/sockets.ts"
import { event, until } from "../../support/wait.ts"

const context = testContext()
const pair = (options: { receiveHighWaterMark?: number } = {}) => using(new Pair({ context, ...QUICK, ...options }))
const channel = () => using(new Channel({ context, ...QUICK }))

describe("Pair", () => {
  closesAfterEach()

  for (const endpoint of ENDPOINTS) {
    it(`PAIR-1: both ways over ${endpoint}`, async () => {
      const [a, b] = [pair(), pair()]
      await a.bind(endpoint)
      b.connect(a.lastEndpoint as string)
      await b.send(["ping", "1"])
      assert.equal(text(await a.receive()), "ping|1")
      await a.send("pong")
      assert.equal(text(await b.receive()), "pong")
    })

    it(`PAIR-3: a second peer keeps what it has queued over ${endpoint}, and gets in when the first has gone`, async () => {
      const [a, first, second] = [pair(), pair(), pair()]
      await a.bind(endpoint)
      first.connect(a.lastEndpoint as string)
      await first.send("first")
      assert.equal(text(await a.receive()), "first")
      const refused = event(a.events, "refuse")
      second.connect(a.lastEndpoint as string)
      for (let i = 0; i < 5; i++) await second.send(`second ${i}`)
      assert.equal((await refused).error.code, "EBUSY")
      await first.close()
      for (let i = 0; i < 5; i++) assert.equal(text(await a.receive()), `second ${i}`)
      await a.send("welcome")
      assert.equal(text(await second.receive()), "welcome")
    })

    it(`PAIR-2: what was queued while the binder was away arrives, over ${endpoint}`, async () => {
      const [a, b] = [pair(), pair()]
      await a.bind(endpoint === "ipc://*" ? lastingIpc() : endpoint)
      const address = a.lastEndpoint as string
      b.connect(address)
      await b.ready()
      await a.close()
      await until(() => !b.stats().peers[0].connected)
      await b.send("later")
      const again = pair()
      await again.bind(address)
      assert.equal(text(await again.receive()), "later")
    })
  }

  it("PAIR-5: send waits for a peer", async () => {
    const [a, b] = [pair(), pair()]
    await a.bind("ipc://*")
    const sent = a.send("hello")
    b.connect(a.lastEndpoint as string)
    assert.equal(text(await b.receive()), "hello")
    await sent
  })

  it("PAIR-7: everything of one peer comes before anything of the next", async () => {
    const [a, first, next] = [pair(), pair(), pair()]
    await a.bind("ipc://*")
    first.connect(a.lastEndpoint as string)
    for (let i = 0; i < 10; i++) await first.send(`first ${i}`)
    await until(() => a.stats().waiting === 10)
    await first.close()
    next.connect(a.lastEndpoint as string)
    await next.send("next")
    await until(() => a.stats().peers.length === 1 && a.stats().peers[0].connected)
    const heard: string[] = []
    for (let i = 0; i < 11; i++) heard.push(text(await a.receive()))
    assert.deepEqual(heard, [...Array.from({ length: 10 }, (_, i) => `first ${i}`), "next"])
  })

  it("PAIR-8: what is queued for a peer that leaves is counted as closed", async () => {
    const a = using(new Pair({ context, ...QUICK, sendHighWaterMark: 10_000 }))
    const b = pair({ receiveHighWaterMark: 1 })
    await a.bind("ipc://*")
    b.connect(a.lastEndpoint as string)
    await b.ready()
    const large = Buffer.alloc(64 * 1024)
    while (a.stats().queued < 3) assert.equal(a.trySend(large), true)
    const queued = a.stats().queued
    await b.close({ linger: 0 })
    await until(() => a.stats().peers.length === 0)
    assert.equal(a.stats().dropped.closed, queued)
  })
})

describe("Channel", () => {
  closesAfterEach()

  it("CHANNEL-1, CHANNEL-3: one frame both ways", async () => {
    const [a, b] = [channel(), channel()]
    await a.bind("ipc://*")
    b.connect(a.lastEndpoint as string)
    await b.send("ping")
    const [frame] = await a.receive()
    assert.equal(frame.toString(), "ping")
    await a.send("pong")
    assert.deepEqual(await b.receive(), [Buffer.from("pong")])
    await assert.rejects(a.send(["x", "y"] as unknown as string), coded("EINVAL"))
  })
})
