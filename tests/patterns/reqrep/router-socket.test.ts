import assert from "node:assert/strict"
import type { SocketOptions } from "../../../core/construct.ts"
import { Dealer } from "../../../patterns/reqrep/dealer.ts"
import { Request } from "../../../patterns/reqrep/request.ts"
import { Router } from "../../../patterns/reqrep/router.ts"
import { closesAfterEach, using } from "../../support/cleanup.ts"
import { coded, text } from "../../support/pattern.ts"
import { RawPeer } from "../../support/raw-peer.ts"
import { ENDPOINTS, lastingIpc, QUICK, testContext } from "../../support/sockets.ts"
import { event, until } from "../../support/wait.ts"

const context = testContext()
const router = (options: SocketOptions<Router> = {}) => using(new Router({ context, ...QUICK, ...options }))
const dealer = (options: SocketOptions<Dealer> = {}) => using(new Dealer({ context, ...QUICK, ...options }))

describe("Router and Dealer", () => {
  closesAfterEach()

  it("options take what they shall and nothing else", () => {
    const all = { routingId: "me", mandatory: true, handover: true, probeRouter: true, routerNotify: "both" } as const
    const one = router({ ...all, helloMessage: "hello", disconnectMessage: "bye", hiccupMessage: Buffer.from([1]) })
    assert.deepEqual(
      [one.routingId, one.mandatory, one.handover, one.probeRouter, one.routerNotify],
      ["me", true, true, true, "both"],
    )
    assert.deepEqual([one.helloMessage, one.disconnectMessage, one.hiccupMessage], ["hello", "bye", Buffer.from([1])])
    const two = dealer({ routingId: "me", probeRouter: true, conflate: true, helloMessage: "hello" })
    assert.deepEqual([two.routingId, two.probeRouter, two.conflate, two.helloMessage], ["me", true, true, "hello"])
    assert.throws(() => router({ routerNotify: "always" as "both" }), coded("EINVAL"))
    assert.throws(() => router({ conflate: true } as object), coded("EINVAL"))
    assert.throws(() => dealer({ handover: true } as object), coded("EINVAL"))
  })

  it("ROUTER-10: connect takes no id that is in use, begins with 0, is too long, or no id at all", async () => {
    const one = router()
    one.connect("ipc:///tmp/heddle-nobody", { routingId: "a" })
    assert.throws(() => one.connect("ipc:///tmp/heddle-nobody", { routingId: "a" }), coded("EINVAL", /"a" is in use/))
    assert.throws(() => one.connect("ipc:///tmp/heddle-nobody", { routingId: "\0a" }), coded("EINVAL"))
    assert.throws(() => one.connect("ipc:///tmp/heddle-nobody", { routingId: "x".repeat(256) }), coded("EINVAL"))
    assert.throws(() => one.connect("ipc:///tmp/heddle-nobody", { routingId: 5 as unknown as string }), TypeError)
    one.disconnect("ipc:///tmp/heddle-nobody")
    one.connect("ipc:///tmp/heddle-nobody", { routingId: "a" })
    one.connect("ipc:///tmp/heddle-nobody", { routingId: "" })
    await one.close({ linger: 0 })
    assert.throws(() => one.connect("ipc:///tmp/heddle-nobody", { routingId: "b" }), coded("EBADF"))
  })

  it("ROUTER-4, ROUTER-5: what Router drops is in its stats", async () => {
    const one = router()
    await one.send(["nobody", "x"])
    await one.send("alone")
    assert.deepEqual(one.stats().dropped, { unroutable: 1, malformed: 1 })
    one.mandatory = true
    await assert.rejects(one.send(["nobody", "x"]), coded("EHOSTUNREACH"))
    assert.equal(one.writable, false)
  })

  for (const endpoint of ENDPOINTS) {
    it(`ROUTER-1, ROUTER-2, ROUTER-3: with and without ids over ${endpoint}`, async () => {
      const one = router()
      await one.bind(endpoint)
      const dealers = [dealer(), dealer({ routingId: "named" }), dealer()]
      for (const [i, each] of dealers.entries()) {
        each.connect(one.lastEndpoint as string)
        for (let n = 0; n < 50; n++) await each.send([`${i}`, `${n}`])
      }
      for (let n = 0; n < 150; n++) {
        const [id, ...rest] = await one.receive()
        assert.equal(id.toString() === "named", rest[0].toString() === "1")
        await one.send([id, ...rest])
      }
      for (const [i, each] of dealers.entries()) {
        for (let n = 0; n < 50; n++) assert.equal(text(await each.receive()), `${i}|${n}`)
      }
    })

    it(`ROUTER-7: a second peer with the id keeps what it has queued over ${endpoint}, and gets in when the first has gone`, async () => {
      const one = router()
      await one.bind(endpoint)
      const [first, second] = [dealer({ routingId: "a" }), dealer({ routingId: "a" })]
      first.connect(one.lastEndpoint as string)
      await first.send("first")
      assert.equal(text(await one.receive()), "a|first")
      const refused = event(one.events, "refuse")
      second.connect(one.lastEndpoint as string)
      for (let i = 0; i < 5; i++) await second.send(`second ${i}`)
      assert.equal((await refused).error.code, "EBUSY")
      await one.send(["a", "x"])
      assert.equal(text(await first.receive()), "x")
      await first.close()
      for (let i = 0; i < 5; i++) assert.equal(text(await one.receive()), `a|second ${i}`)
      await one.send(["a", "welcome"])
      assert.equal(text(await second.receive()), "welcome")
    })

    it(`ROUTER-7: a dialled peer with an id in use is refused over ${endpoint}, and gets in later`, async () => {
      const one = router()
      await one.bind(endpoint)
      const [first, second] = [dealer({ routingId: "a" }), dealer({ routingId: "a" })]
      first.connect(one.lastEndpoint as string)
      await first.send("first")
      assert.equal(text(await one.receive()), "a|first")
      await second.bind(endpoint)
      const refused = event(one.events, "refuse")
      one.connect(second.lastEndpoint as string)
      assert.equal((await refused).error.code, "EBUSY")
      await first.close()
      await one.ready()
      await until(() => one.trySend(["a", "welcome"]) && second.readable)
      assert.equal(text(await second.receive()), "welcome")
    })

    it(`ROUTER-8: handover over ${endpoint}`, async () => {
      const one = router({ handover: true })
      await one.bind(endpoint)
      const first = using(await RawPeer.connect(one.lastEndpoint as string))
      await first.shake("DEALER", ["Identity", "a"])
      await until(() => one.stats().peers.length === 1)
      const second = dealer({ routingId: "a" })
      second.connect(one.lastEndpoint as string)
      await second.send("second")
      assert.equal(text(await one.receive()), "a|second")
      await first.gone
      await one.send(["a", "welcome"])
      assert.equal(text(await second.receive()), "welcome")
    })

    it(`ROUTER-10: two Routers over ${endpoint}, one names the other before it is there`, async () => {
      const address = endpoint === "ipc://*" ? lastingIpc() : endpoint
      const late = router({ routingId: "its own name" })
      if (endpoint !== "ipc://*") await late.bind(address)
      const early = router({ mandatory: true, routingId: "early" })
      early.connect(endpoint === "ipc://*" ? address : (late.lastEndpoint as string), { routingId: "my name" })
      await early.send(["my name", "x"])
      if (endpoint === "ipc://*") await late.bind(address)
      assert.equal(text(await late.receive()), "early|x")
      await late.send(["early", "y"])
      assert.equal(text(await early.receive()), "my name|y")
      await assert.rejects(early.send(["its own name", "z"]), coded("EHOSTUNREACH"))
    })
  }

  it("ROUTER-3: a made-up id survives a restart of the dialled peer", async () => {
    const address = lastingIpc()
    const first = dealer()
    await first.bind(address)
    const one = router()
    one.connect(address)
    await first.send("1")
    const [id] = await one.receive()
    await first.close()
    await until(() => !one.stats().peers[0].connected)
    await one.send([id, "queued"])
    const second = dealer()
    await second.bind(address)
    assert.equal(text(await second.receive()), "queued")
    await second.send("2")
    assert.deepEqual((await one.receive())[0], id)
  })

  it("ROUTER-6: with mandatory, sends to a peer that does not read wait, and go on when it reads", async () => {
    const one = router({ mandatory: true, sendHighWaterMark: 4 })
    await one.bind("tcp://127.0.0.1:0")
    const slow = using(await RawPeer.connect(one.lastEndpoint as string))
    await slow.shake("DEALER", ["Identity", "slow"])
    const quick = dealer({ routingId: "quick" })
    quick.connect(one.lastEndpoint as string)
    await one.ready({ peers: 2 })
    slow.deafen()
    const large = Buffer.alloc(256 * 1024)
    let sent = 0
    while (one.trySend(["slow", large])) sent++
    const waiting = one.send(["slow", "the last"])
    await one.send(["quick", "x"])
    assert.equal(text(await quick.receive()), "x")
    slow.listen()
    await waiting
    for (let i = 0; i < sent; i++) assert.equal((await slow.readMessage())[0].length, large.length)
    assert.deepEqual(await slow.readMessage(), ["the last"])
    assert.deepEqual(one.stats().dropped, {})
  })

  it("ROUTER-11, PRES-3: notices of peers that come and go, in order", async () => {
    const one = router({ routerNotify: "both", disconnectMessage: "bye" })
    await one.bind("ipc://*")
    const peer = dealer({ routingId: "a" })
    peer.connect(one.lastEndpoint as string)
    await peer.send("x")
    await peer.close()
    const heard: string[] = []
    while (heard.length < 4) heard.push(text(await one.receive()))
    assert.deepEqual(heard, ["a|", "a|x", "a|", "a|bye"])
  })

  it("PRES-1, PRES-2, PRES-4: hello, probe and hiccup over a restart", async () => {
    const address = lastingIpc()
    const first = router()
    await first.bind(address)
    const peer = dealer({ routingId: "a", helloMessage: "hello", probeRouter: true, hiccupMessage: "hiccup" })
    peer.connect(address)
    await peer.send("x")
    for (const expected of ["a|hello", "a|", "a|x"]) assert.equal(text(await first.receive()), expected)
    await first.close()
    assert.equal(text(await peer.receive()), "hiccup")
    await peer.send("y")
    const second = router()
    await second.bind(address)
    for (const expected of ["a|hello", "a|", "a|y"]) assert.equal(text(await second.receive()), expected)
  })

  it("PRES-1, PRES-2: a Request is spared hello and probe", async () => {
    const one = router({ helloMessage: "hello", probeRouter: true })
    await one.bind("ipc://*")
    const req = using(new Request({ context, ...QUICK }))
    req.connect(one.lastEndpoint as string)
    await req.send("x")
    const asked = await one.receive()
    await one.send([asked[0], "", "y"])
    assert.equal(text(await req.receive()), "y")
    assert.deepEqual(req.stats().dropped, {})
  })
})
