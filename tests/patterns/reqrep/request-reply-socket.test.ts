import assert from "node:assert/strict"
import type { SocketOptions } from "../../../core/construct.ts"
import { Dealer } from "../../../patterns/reqrep/dealer.ts"
import { Reply } from "../../../patterns/reqrep/reply.ts"
import { Request } from "../../../patterns/reqrep/request.ts"
import { Router } from "../../../patterns/reqrep/router.ts"
import { message, ping } from "../../support/bytes.ts"
import { closesAfterEach, using } from "../../support/cleanup.ts"
import { coded, standing, text } from "../../support/pattern.ts"
import { RawListener, RawPeer } from "../../support/raw-peer.ts"
import { ENDPOINTS, lastingIpc, QUICK, testContext } from "../../support/sockets.ts"
import { event, until } from "../../support/wait.ts"

const context = testContext()
const request = (options: SocketOptions<Request> = {}) => using(new Request({ context, ...QUICK, ...options }))
const reply = (options: SocketOptions<Reply> = {}) => using(new Reply({ context, ...QUICK, ...options }))

describe("Request and Reply", () => {
  closesAfterEach()

  it("sockets that are closed reject with EBADF, and those who wait with EAGAIN", async () => {
    const [req, rep] = [request(), reply()]
    const sending = req.send("nobody is there")
    const receiving = rep.receive()
    const ends = [
      assert.rejects(sending, coded("EAGAIN")),
      assert.rejects(receiving, coded("EAGAIN")),
      req.close(),
      rep.close(),
    ]
    await Promise.all(ends)
    await assert.rejects(req.send("x"), coded("EBADF"))
    await assert.rejects(req.receive(), coded("EBADF"))
    await assert.rejects(rep.receive(), coded("EBADF"))
  })

  it("options take what they shall and nothing else", () => {
    const req = request({ routingId: "me", correlate: true, relaxed: true, probeRouter: true })
    assert.deepEqual([req.routingId, req.correlate, req.relaxed, req.probeRouter], ["me", true, true, true])
    assert.equal(reply({ routingId: "me" }).routingId, "me")
    assert.throws(() => request({ routingId: "\0me" }), coded("EINVAL"))
    assert.throws(() => request({ routingId: "x".repeat(256) }), coded("EINVAL"))
    assert.throws(() => request({ mandatory: true } as object), coded("EINVAL"))
  })

  for (const endpoint of ENDPOINTS) {
    it(`REQ-2, REP-2: requests and replies over ${endpoint}`, async () => {
      const [req, rep] = [request(), reply()]
      await rep.bind(endpoint)
      req.connect(rep.lastEndpoint as string)
      const serving = (async () => {
        for await (const asked of rep) await rep.send(["echo", ...asked])
      })()
      for (let i = 0; i < 200; i++) {
        await req.send([`${i}`, "", "x"])
        assert.equal(text(await req.receive()), `echo|${i}||x`)
      }
      await rep.close()
      await serving
    })

    it(`REQ-2, REP-2: a reply of a megabyte over ${endpoint}, the Request bound`, async () => {
      const [req, rep] = [request({ correlate: true }), reply()]
      await req.bind(endpoint)
      rep.connect(req.lastEndpoint as string)
      const large = Buffer.alloc(1 << 20, "large")
      await req.send(large)
      const [asked] = await rep.receive()
      await rep.send([asked, large])
      const answer = await req.receive()
      assert.deepEqual(
        answer.map(frame => frame.equals(large)),
        [true, true],
      )
    })
  }

  it("REP-2, ROUTER-1: through a Router and a Dealer, many clients at once, each gets its own reply", async () => {
    const [front, back] = [using(new Router({ context })), using(new Dealer({ context }))]
    await front.bind("ipc://*")
    await back.bind("ipc://*")
    front.consume(asked => back.trySend(asked))
    back.consume(answer => front.trySend(answer))
    for (let i = 0; i < 2; i++) {
      const rep = reply()
      rep.connect(back.lastEndpoint as string)
      rep.consume(asked => rep.trySend([`to ${asked[0]}`]))
    }
    const client = async (name: string, correlate: boolean): Promise<void> => {
      const req = request({ correlate })
      req.connect(front.lastEndpoint as string)
      for (let i = 0; i < 50; i++) {
        await req.send(`${name}.${i}`)
        assert.equal(text(await req.receive()), `to ${name}.${i}`)
      }
    }
    await Promise.all([client("a", false), client("b", true), client("c", false)])
  })

  it("REQ-1: requests go to two servers in turn", async () => {
    const req = request()
    const servers = [reply(), reply()]
    for (const [i, rep] of servers.entries()) {
      await rep.bind("ipc://*")
      rep.consume(() => rep.trySend(`${i}`))
      req.connect(rep.lastEndpoint as string)
    }
    await req.ready({ peers: 2 })
    const answers: string[] = []
    for (let i = 0; i < 4; i++) {
      await req.send("who?")
      answers.push(text(await req.receive()))
    }
    assert.deepEqual(answers.slice(0, 2).sort(), ["0", "1"])
    assert.deepEqual(answers.slice(2), answers.slice(0, 2))
  })

  it("REQ-3: send before there is anybody, receive before it is sent", async () => {
    const [req, rep] = [request(), reply()]
    const sent = req.send("early")
    const answer = req.receive()
    await rep.bind("ipc://*")
    req.connect(rep.lastEndpoint as string)
    await sent
    assert.equal(text(await rep.receive()), "early")
    await rep.send("late")
    assert.equal(text(await answer), "late")
  })

  it("REQ-3: pings of the peer do not count as replies", async () => {
    const req = request()
    await req.bind("tcp://127.0.0.1:0")
    const peer = using(await RawPeer.connect(req.lastEndpoint as string))
    await peer.shake("REP")
    await req.send("request")
    assert.deepEqual(await peer.readMessage(), ["", "request"])
    const answer = req.receive()
    await peer.write(ping(0, "1"), ping(0, "2"))
    assert.equal((await peer.readCommand()).name, "PONG")
    assert.equal(await standing(answer), "waits")
    await peer.write(ping(0), message("", "reply"), ping(0))
    assert.equal(text(await answer), "reply")
  })

  it("REQ-6, REQ-7: after a restart of the server the request is lost; a relaxed Request asks again", async () => {
    const address = lastingIpc()
    const req = request({ relaxed: true, correlate: true })
    const first = reply()
    await first.bind(address)
    req.connect(address)
    await req.send("one")
    assert.equal(text(await first.receive()), "one")
    await first.close({ linger: 0 })
    await until(() => !req.stats().peers[0].connected)
    const second = reply()
    await second.bind(address)
    await req.ready()
    assert.equal(await standing(second.receive()), "waits")
    await req.send("two")
    await until(() => second.stats().messagesReceived === 1)
    await second.send("to two")
    assert.equal(text(await req.receive()), "to two")
  })

  it("REQ-10: a broken reply ends the connection, the peer is told, and we come back much later", async () => {
    const listener = using(await RawListener.open())
    const req = request({ reconnectInterval: 5, reconnectMaxInterval: 60_000 })
    req.connect(listener.endpoint)
    const peer = await listener.accept()
    await peer.shake("ROUTER")
    await req.send("request")
    assert.deepEqual(await peer.readMessage(), ["", "request"])
    const refused = event(req.events, "refuse")
    const retry = event(req.events, "connect:retry")
    await peer.write(message("no delimiter"))
    assert.equal((await refused).error.code, "ERR_ZMTP_FRAME")
    assert.equal((await peer.readCommand()).name, "ERROR")
    assert.equal(await peer.gone, "end")
    // Half of the longest interval at least: reconnectDelay leaves the rest to chance.
    assert.ok((await retry).interval >= 30_000)
    assert.deepEqual(req.stats().dropped, { malformed: 1 })
  })

  it("REP-3, REP-6: what Reply drops is in its stats", async () => {
    const rep = reply()
    await rep.bind("ipc://*")
    const dealer = using(new Dealer({ context }))
    dealer.connect(rep.lastEndpoint as string)
    await dealer.send("no delimiter")
    await dealer.send(["", "request"])
    assert.equal(text(await rep.receive()), "request")
    await dealer.close()
    await until(() => rep.stats().peers.length === 0)
    await rep.send("to nobody")
    assert.deepEqual(rep.stats().dropped, { malformed: 1, "no-peer": 1 })
  })

  it("REQ-9, PRES-2: a Request tells its routing id to a Router, and probes it", async () => {
    const router = using(new Router({ context }))
    await router.bind("ipc://*")
    const req = request({ routingId: "me", probeRouter: true })
    req.connect(router.lastEndpoint as string)
    assert.equal(text(await router.receive()), "me|")
    await router.send(["me", "", "unasked"])
    await until(() => req.stats().dropped.stale === 1)
    await req.send("request")
    assert.equal(text(await router.receive()), "me||request")
    await router.send(["me", "", "reply"])
    assert.equal(text(await req.receive()), "reply")
  })
})
