import assert from "node:assert/strict"
import { Client } from "../../../patterns/client-server/client.ts"
import { Peer } from "../../../patterns/client-server/peer.ts"
import { Server } from "../../../patterns/client-server/server.ts"
import { closesAfterEach, using } from "../../support/cleanup.ts"
import { coded, text } from "../../support/pattern.ts"
import { ENDPOINTS, lastingIpc, QUICK, testContext } from "../../support/sockets.ts"
import { until } from "../../support/wait.ts"

const context = testContext()

describe("Client and Server", () => {
  closesAfterEach()
  const client = () => using(new Client({ context, ...QUICK }))
  const server = (options: ConstructorParameters<typeof Server>[0] = {}) =>
    using(new Server({ context, ...QUICK, ...options }))

  for (const endpoint of ENDPOINTS) {
    it(`SERVER-1, SERVER-2: each client gets its own answers over ${endpoint}`, async () => {
      const a = server()
      await a.bind(endpoint)
      a.consume(([frame, from]) => void a.send(`re ${frame}`, from))
      const clients = Array.from({ length: 5 }, client)
      await Promise.all(
        clients.map(async (one, i) => {
          one.connect(a.lastEndpoint as string)
          for (let n = 0; n < 20; n++) await one.send(`${i}.${n}`)
          for (let n = 0; n < 20; n++) assert.equal(text(await one.receive()), `re ${i}.${n}`)
        }),
      )
    })
  }

  it("SERVER-5: a client that left", async () => {
    const [a, b] = [server(), client()]
    await a.bind("ipc://*")
    b.connect(a.lastEndpoint as string)
    await b.send("hello")
    const [, from] = await a.receive()
    await b.close()
    await until(() => a.stats().peers.length === 0)
    await assert.rejects(a.send("too late", from), coded("EHOSTUNREACH"))
    assert.equal(a.writable, false)
  })

  it("SERVER-4: a client that does not read keeps nobody else waiting", async () => {
    const a = server({ sendHighWaterMark: 2, sendTimeout: 5 })
    await a.bind("ipc://*")
    const deaf = using(new Client({ context, ...QUICK, receiveHighWaterMark: 1 }))
    const keen = client()
    for (const one of [deaf, keen]) one.connect(a.lastEndpoint as string)
    await deaf.send("deaf")
    const [, toDeaf] = await a.receive()
    await keen.send("keen")
    const [, toKeen] = await a.receive()
    const large = Buffer.alloc(256 * 1024)
    await assert.rejects(
      (async () => {
        for (;;) await a.send(large, toDeaf)
      })(),
      coded("EAGAIN"),
    )
    const waiting = assert.rejects(a.send(large, toDeaf), coded("EAGAIN"))
    assert.equal(a.writable, true)
    await a.send("hello", toKeen)
    assert.equal(text(await keen.receive()), "hello")
    await waiting
  })
})

describe("Peer", () => {
  closesAfterEach()
  const peer = (options: ConstructorParameters<typeof Peer>[0] = {}) =>
    using(new Peer({ context, ...QUICK, ...options }))

  it("PEER-2: connectPeer with immediate is refused, with a word on what to do", () => {
    const a = peer({ immediate: true })
    assert.throws(() => a.connectPeer("ipc:///tmp/heddle-nobody-is-here"), coded("EINVAL", /set immediate to false/))
  })

  it("connectPeer refuses what connect refuses", async () => {
    const a = peer()
    assert.throws(() => a.connectPeer("nonsense"), coded("EINVAL"))
    assert.throws(() => a.connectPeer("odd://x"), coded("EPROTONOSUPPORT"))
    await a.close()
    assert.throws(() => a.connectPeer("ipc:///tmp/heddle-nobody-is-here"), coded("EBADF"))
  })

  it("PEER-1: messages to the number that connectPeer gave queue until the peer is there", async () => {
    const address = lastingIpc()
    const [a, b] = [peer(), peer()]
    const routingId = a.connectPeer(address)
    await a.send("hello", { routingId })
    await b.bind(address)
    const [frame, from] = await b.receive()
    assert.equal(frame.toString(), "hello")
    await b.send("hello to you", from)
    const [answer, again] = await a.receive()
    assert.equal(answer.toString(), "hello to you")
    assert.equal(again.routingId, routingId)
  })

  for (const endpoint of ENDPOINTS) {
    it(`PEER-1: one peer talks to several, each by its number, over ${endpoint}`, async () => {
      const a = peer()
      const others = await Promise.all(
        [0, 1, 2].map(async i => {
          const one = peer()
          await one.bind(endpoint)
          return { one, i, routingId: a.connectPeer(one.lastEndpoint as string) }
        }),
      )
      for (const { i, routingId } of others) await a.send(`for ${i}`, { routingId })
      for (const { one, i } of others) assert.equal((await one.receive())[0].toString(), `for ${i}`)
    })
  }

  it("SERVER-3: an endpoint keeps its number when its peer is started again", async () => {
    const address = lastingIpc()
    const [a, b] = [peer(), peer()]
    await b.bind(address)
    const routingId = a.connectPeer(address)
    await a.ready()
    await b.close()
    await until(() => !a.stats().peers[0].connected)
    await a.send("for the next", { routingId })
    const c = peer()
    await c.bind(address)
    assert.equal((await c.receive())[0].toString(), "for the next")
  })
})
