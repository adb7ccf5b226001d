import assert from "node:assert/strict"
import { once } from "node:events"
import { WebSocket } from "ws"
import { HeddleError } from "../../../core/errors.ts"
import type { Refusal, Upgrade, WebServerKind } from "../../../core/web.ts"
import { freeTcp } from "../../support/addresses.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { turns, until } from "../../support/wait.ts"
import { BINARY, PING, PONG, RawWebPeer, TEXT } from "./raw-web-peer.ts"
import { KINDS, Log, openWeb } from "./web-suite.ts"

const refuse = (status: number, reason: string): Refusal => ({ accept: false, status, reason })

for (const kind of KINDS) {
  describe(`Web server by ${kind}`, () => {
    closesAfterEach()
    upgrades(kind)
    messages(kind)
    topics(kind)
    ends(kind)
  })
}

function upgrades(kind: WebServerKind): void {
  describe("upgrade", () => {
    it("shows the request, and gives the client its data and sub-protocol", async () => {
      const log = new Log()
      log.upgrade = request => {
        log.upgrades.push(request)
        return { accept: true, data: "mine", protocol: request.protocols[1] }
      }
      const { server } = await openWeb(kind, { anyPath: true }, log)
      assert.equal(server.kind, kind)
      const peer = await RawWebPeer.open(server.endpoint, {
        path: "/a%20b/c?x=1&y=%20",
        headers: { "Sec-WebSocket-Protocol": "first, b/2", Authorization: "Bearer T" },
      })
      assert.equal(peer.status, 101)
      assert.match(peer.head, /sec-websocket-protocol: b\/2/i)
      const [request] = log.upgrades
      assert.deepEqual(
        [request.method, request.path, request.query, request.protocols, request.address, request.body.length],
        ["GET", "/a%20b/c", "x=1&y=%20", ["first", "b/2"], "127.0.0.1", 0],
      )
      assert.equal(request.headers.get("authorization"), "Bearer T")
      await until(() => log.clients.length === 1)
      const [client] = log.clients
      assert.deepEqual([client.data, client.protocol, client.address, client.open], ["mine", "b/2", "127.0.0.1", true])
      assert.equal(server.clients, 1)
    })

    it("is refused with a status and a reason that both sides know; others are let in", async () => {
      const log = new Log()
      log.upgrade = request =>
        request.path === "/in" ? { accept: true, data: "" } : refuse(401, "The token has expired")
      const { server } = await openWeb(kind, { anyPath: true }, log)
      const peer = await RawWebPeer.open(server.endpoint, { path: "/out" })
      await until(() => peer.gone)
      assert.equal(peer.status, 401)
      assert.equal(peer.body, "The token has expired\n")
      assert.deepEqual(
        log.refusals.map(one => [one.request.path, one.status, one.reason]),
        [["/out", 401, "The token has expired"]],
      )
      assert.equal((await RawWebPeer.open(server.endpoint, { path: "/in" })).status, 101)
    })

    it("may be decided later; who went away meanwhile is forgotten, who waits too long gets 503", async () => {
      const log = new Log()
      const decide: ((decision: Upgrade<string> | Refusal) => void)[] = []
      log.upgrade = () => new Promise(resolve => decide.push(resolve))
      const { server } = await openWeb(kind, { upgradeTimeout: 300 }, log)
      const first = RawWebPeer.open(server.endpoint)
      const second = RawWebPeer.open(server.endpoint)
      const gone = await RawWebPeer.connect(server.endpoint)
      gone.socket.write(
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
      )
      await until(() => decide.length === 3)
      gone.socket.destroy()
      await turns(5)
      decide[0]({ accept: true, data: "first" })
      decide[1](refuse(403, "Not you"))
      decide[2]({ accept: true, data: "gone" })
      assert.deepEqual([(await first).status, (await second).status].sort(), [101, 403])
      const late = await RawWebPeer.open(server.endpoint)
      assert.equal(late.status, 503)
      decide[3]({ accept: true, data: "late" })
      await turns(5)
      assert.deepEqual(
        log.clients.filter(one => one.open).map(one => one.data),
        ["first"],
      )
    })

    it("gets 500 when its handler fails, with nothing of the error in it", async () => {
      const log = new Log()
      log.upgrade = request => {
        if (request.query === "later") return Promise.reject(new Error("secret"))
        throw new Error("secret")
      }
      const { server } = await openWeb(kind, {}, log)
      for (const path of ["/?now", "/?later"]) {
        const peer = await RawWebPeer.open(server.endpoint, { path })
        await until(() => peer.gone)
        assert.equal(peer.status, 500)
        assert.doesNotMatch(peer.body, /secret/)
      }
    })

    it("happens at the path of the endpoint only, unless told otherwise", async () => {
      const { server, log } = await openWeb(kind, {}, new Log(), "ws://127.0.0.1:*/live")
      assert.match(server.endpoint, /^ws:\/\/127\.0\.0\.1:[1-9]\d*\/live$/)
      assert.equal((await RawWebPeer.open(server.endpoint)).status, 101)
      assert.equal((await RawWebPeer.open(server.endpoint, { path: "/" })).status, 404)
      assert.equal((await RawWebPeer.open(server.endpoint, { path: "/live/too" })).status, 404)
      assert.equal(log.upgrades.length, 1)
    })

    it("lets pages in by their origin: its own, a list, or all; programs send none", async () => {
      const from = async (endpoint: string, origin?: string): Promise<number> =>
        (await RawWebPeer.open(endpoint, { headers: origin === undefined ? {} : { Origin: origin } })).status
      const { server: same, log } = await openWeb(kind)
      const own = same.endpoint.replace("ws:", "http:")
      assert.deepEqual(
        [await from(same.endpoint), await from(same.endpoint, own), await from(same.endpoint, "https://evil.example")],
        [101, 101, 403],
      )
      assert.deepEqual(
        [await from(same.endpoint, "null"), await from(same.endpoint, `${own}.evil.example`)],
        [403, 403],
      )
      assert.match(log.refusals[0].reason, /evil\.example.*origins/)
      assert.equal(log.upgrades.length, 2)
      const { server: listed } = await openWeb(kind, { origins: ["https://good.example"] })
      assert.deepEqual(
        [await from(listed.endpoint, "https://good.example"), await from(listed.endpoint, "http://good.example")],
        [101, 403],
      )
      const { server: open } = await openWeb(kind, { origins: "*" })
      assert.equal(await from(open.endpoint, "https://evil.example"), 101)
    })

    it("is refused beyond maxClients, until one leaves", async () => {
      const { server, log } = await openWeb(kind, { maxClients: 2 })
      const first = await RawWebPeer.open(server.endpoint)
      await RawWebPeer.open(server.endpoint)
      const third = await RawWebPeer.open(server.endpoint)
      assert.equal(third.status, 503)
      assert.match(log.refusals[0].reason, /maxClients/)
      first.socket.destroy()
      await until(() => server.clients === 1)
      assert.equal((await RawWebPeer.open(server.endpoint)).status, 101)
    })

    it("of another version gets 426 with the version that would do", async () => {
      const { server } = await openWeb(kind)
      const peer = await RawWebPeer.open(server.endpoint, { headers: { "Sec-WebSocket-Version": "8" } })
      assert.equal(peer.status, 426)
      assert.match(peer.head, /sec-websocket-version: 13/i)
    })
  })
}

function messages(kind: WebServerKind): void {
  describe("messages", () => {
    it("go both ways as text and as bytes, empty and large, and fragments are put together", async () => {
      const { server, log } = await openWeb(kind)
      log.message = (client, bytes, text) => void client.send(text ? bytes.toString() : bytes)
      const peer = await RawWebPeer.open(server.endpoint)
      const large = Buffer.alloc(300_000, "large ")
      peer.text("grüß dich")
      peer.binary("")
      peer.binary(Buffer.from([0, 255, 7]))
      peer.binary(large)
      peer.send(BINARY, "one ")
      peer.send(0, "two ")
      peer.send(0x80, "three")
      peer.binary(Buffer.alloc(125, "a"))
      peer.binary(Buffer.alloc(126, "b"))
      peer.binary(Buffer.alloc(65_536, "c"))
      await until(() => peer.frames.length === 8)
      assert.deepEqual(
        peer.frames.map(one => [one.opcode, one.fin, one.payload.length]),
        [
          [TEXT, true, 11],
          [BINARY, true, 0],
          [BINARY, true, 3],
          [BINARY, true, large.length],
          [BINARY, true, 13],
          [BINARY, true, 125],
          [BINARY, true, 126],
          [BINARY, true, 65_536],
        ],
      )
      assert.equal(peer.texts[0], "grüß dich")
      assert.ok(peer.frames[3].payload.equals(large))
      assert.equal(peer.texts[4], "one two three")
    })

    it("leave in order from within a cork and without, and the bytes may be reused", async () => {
      const { server, log } = await openWeb(kind)
      const peer = await RawWebPeer.open(server.endpoint)
      await until(() => log.clients.length === 1)
      const [client] = log.clients
      const bytes = Buffer.alloc(1)
      const send = (n: number): void => {
        bytes[0] = n
        assert.equal(client.send(bytes), "sent")
      }
      send(0)
      client.cork(() => {
        for (let n = 1; n < 100; n++) send(n)
      })
      send(100)
      await until(() => peer.frames.length === 101)
      assert.deepEqual(
        peer.frames.map(one => one.payload[0]),
        Array.from({ length: 101 }, (_, n) => n),
      )
    })

    it("are answered by pongs, and pings by theirs", async () => {
      const { server, log } = await openWeb(kind)
      const peer = await RawWebPeer.open(server.endpoint)
      await until(() => log.clients.length === 1)
      log.clients[0].ping(Buffer.from("are you there"))
      await until(() => peer.frames.length === 1)
      assert.deepEqual([peer.frames[0].opcode, peer.texts], [PING, []])
      peer.send(0x80 | PONG, peer.frames[0].payload)
      await until(() => log.pongs.length === 1)
      assert.deepEqual(log.pongs, ["are you there"])
      peer.send(0x80 | PING, "and you")
      await until(() => peer.frames.length === 2)
      assert.deepEqual([peer.frames[1].opcode, peer.frames[1].payload.toString()], [PONG, "and you"])
    })

    it("of maxMessageSize are taken; larger ones end their client and no other", async () => {
      const { server, log } = await openWeb(kind, { maxMessageSize: 10_000 })
      const [peer, other, pieces] = [
        await RawWebPeer.open(server.endpoint),
        await RawWebPeer.open(server.endpoint),
        await RawWebPeer.open(server.endpoint),
      ]
      peer.binary(Buffer.alloc(10_000))
      await until(() => log.messages.length === 1)
      peer.binary(Buffer.alloc(10_001))
      await until(() => log.closes.length === 1 && peer.gone)
      pieces.send(BINARY, Buffer.alloc(6_000))
      pieces.send(0x80, Buffer.alloc(6_000))
      await until(() => log.closes.length === 2 && pieces.gone)
      other.text("still here")
      await until(() => log.messages.length === 2)
      assert.equal(server.clients, 1)
    })

    for (const [what, first, payload] of [
      ["an unknown opcode", 0x83, "x"],
      ["reserved bits", 0xc1, "x"],
      ["text that is no UTF-8", 0x81, Buffer.from([0xff, 0xfe])],
      ["a ping of more than 125 octets", 0x89, Buffer.alloc(126)],
      ["a ping in fragments", 0x09, "x"],
      ["a continuation of nothing", 0x80, "x"],
    ] as const) {
      it(`with ${what} end their client and no other`, async () => {
        const { server, log } = await openWeb(kind)
        const [peer, other] = [await RawWebPeer.open(server.endpoint), await RawWebPeer.open(server.endpoint)]
        peer.send(first, payload)
        await until(() => log.closes.length === 1 && peer.gone)
        assert.equal(log.messages.length, 0)
        other.text("still here")
        await until(() => log.messages.length === 1)
      })
    }

    it("without a mask, garbage, and connections that say nothing hurt nobody", async () => {
      const { server, log } = await openWeb(kind)
      const peer = await RawWebPeer.open(server.endpoint)
      peer.socket.write(Buffer.from([0x81, 1, 65]))
      await RawWebPeer.connect(server.endpoint)
      const garbage = await RawWebPeer.connect(server.endpoint)
      garbage.socket.write(Buffer.alloc(100_000, 0xff))
      const other = await RawWebPeer.open(server.endpoint)
      other.text("fine")
      await until(() => log.messages.some(one => one.bytes.toString() === "fine"))
      await until(() => garbage.gone)
    })

    it("to a client that does not read are queued, then dropped, and it is told when all has left", async () => {
      const { server, log } = await openWeb(kind, { maxBackpressure: 100_000 })
      const peer = await RawWebPeer.open(server.endpoint)
      await until(() => log.clients.length === 1)
      const [client] = log.clients
      peer.stall()
      const chunk = Buffer.alloc(64 * 1024, "x")
      let taken = 0
      // The kernel takes some megabytes first.
      for (;;) {
        const result = client.send(chunk)
        if (result === "dropped") break
        taken++
        assert.ok(taken < 1_000, "nothing is ever dropped")
        if (result === "sent") await turns(1)
      }
      assert.ok(client.buffered > 100_000)
      assert.ok(client.buffered <= 100_000 + 2 * 64 * 1024)
      assert.equal(log.drains, 0)
      peer.read()
      await until(() => log.drains === 1)
      assert.equal(client.buffered, 0)
      assert.equal(client.send("on"), "sent")
      await until(() => peer.texts.includes("on"))
      assert.equal(peer.frames.length, taken + 1)
    })

    it("are compressed where both sides want it, and not otherwise", async () => {
      const { server, log } = await openWeb(kind, { compression: true })
      log.message = (client, bytes) => void client.send(bytes.toString())
      const text = "again and ".repeat(10_000)
      for (const perMessageDeflate of [true, false]) {
        const socket = new WebSocket(server.endpoint, { perMessageDeflate })
        later(() => socket.terminate())
        await once(socket, "open")
        assert.match(socket.extensions, perMessageDeflate ? /^permessage-deflate/ : /^$/)
        socket.send(text)
        const [echo] = (await once(socket, "message")) as [Buffer]
        assert.equal(echo.toString(), text)
      }
      const { server: plain } = await openWeb(kind)
      const socket = new WebSocket(plain.endpoint)
      later(() => socket.terminate())
      await once(socket, "open")
      assert.equal(socket.extensions, "")
    })

    it("may be held back at their sender where the library can", async () => {
      const { server, log } = await openWeb(kind)
      const peer = await RawWebPeer.open(server.endpoint)
      await until(() => log.clients.length === 1)
      const [client] = log.clients
      assert.equal(client.pausable, kind === "ws")
      if (!client.pausable) return
      client.pause()
      peer.text("held")
      await turns(20)
      assert.equal(log.messages.length, 0)
      client.resume()
      await until(() => log.messages.length === 1)
    })
  })
}

function topics(kind: WebServerKind): void {
  describe("topics", () => {
    const three = async (options = {}) => {
      const { server, log } = await openWeb(kind, options)
      const peers = [
        await RawWebPeer.open(`${server.endpoint}/?0`),
        await RawWebPeer.open(`${server.endpoint}/?1`),
        await RawWebPeer.open(`${server.endpoint}/?2`),
      ]
      await until(() => log.clients.length === 3)
      return { server, log, peers, clients: log.clients }
    }

    it("reach all who joined, once, as text or bytes, and nobody else", async () => {
      const { server, peers, clients } = await three()
      clients[0].join("a")
      clients[0].join("a")
      clients[1].join("a")
      clients[1].join("b")
      server.publish("a", "text")
      server.publish("b", Buffer.from([1, 2]))
      server.publish("nobody", "x")
      for (const client of clients) client.send("end")
      await until(() => peers.every(peer => peer.texts.includes("end")))
      assert.deepEqual(
        peers.map(peer => peer.frames.map(one => [one.opcode, one.payload.toString("latin1")])),
        [
          [
            [TEXT, "text"],
            [TEXT, "end"],
          ],
          [
            [TEXT, "text"],
            [BINARY, "\x01\x02"],
            [TEXT, "end"],
          ],
          [[TEXT, "end"]],
        ],
      )
    })

    it("keep their place among what is sent, and give who leaves all that was published before", async () => {
      const { server, peers, clients } = await three()
      const [client] = clients
      client.join("t")
      server.publish("t", "1")
      client.send("2")
      server.publish("t", "3")
      server.publish("t", "4".repeat(20_000))
      server.publish("t", "5")
      client.leave("t")
      server.publish("t", "not this")
      client.send("6")
      client.join("t")
      server.publish("t", "7")
      client.close(4000, "bye")
      await until(() => peers[0].closeCode === 4000)
      assert.deepEqual(
        peers[0].texts.map(one => one.slice(0, 10)),
        ["1", "2", "3", "4444444444", "5", "6", "7"],
      )
    })

    it("leave out who reads too slowly, from a known message on; it is told when it has room, and others lose nothing", async () => {
      const { server, log, peers, clients } = await three({ maxBackpressure: 200_000 })
      for (const client of clients.slice(0, 2)) {
        client.join("t")
        client.join("u")
      }
      const slow = clients.find(one => one.data === "0")
      const [slowPeer, quickPeer] = peers
      slowPeer.stall()
      let published = 0
      let last = -1
      log.slow = client => {
        assert.equal(client, slow)
        assert.equal(last, -1, "told twice")
        last = published
      }
      const body = "x".repeat(8_000)
      while (last < 0) {
        for (let n = 0; n < 10 && last < 0; n++) server.publish(n % 2 === 0 ? "t" : "u", `${++published} ${body}`)
        await until(() => quickPeer.texts.length >= published - 200)
        assert.ok(published < 10_000, "nobody is ever too slow")
      }
      const { published: total } = { published: published + 50 }
      while (published < total) server.publish("t", `${++published} ${body}`)
      await until(() => quickPeer.texts.length === total)
      assert.equal(log.drains, 0)
      slowPeer.read()
      await until(() => log.drains === 1)
      await until(() => slowPeer.texts.length === last)
      slow?.join("t")
      server.publish("t", "again")
      await until(() => slowPeer.texts.at(-1) === "again" && quickPeer.texts.at(-1) === "again")
      const numbers = (peer: RawWebPeer): number[] => peer.texts.slice(0, -1).map(text => Number.parseInt(text, 10))
      assert.deepEqual(
        numbers(slowPeer),
        Array.from({ length: last }, (_, n) => n + 1),
      )
      assert.deepEqual(
        numbers(quickPeer),
        Array.from({ length: total }, (_, n) => n + 1),
      )
    })

    it("forget who is gone", async () => {
      const { server, log, peers, clients } = await three()
      for (const client of clients) client.join("t")
      peers[0].socket.destroy()
      clients[1].destroy()
      await until(() => log.closes.length === 2)
      server.publish("t", "x")
      const left = peers[clients.findIndex(one => one.open)]
      await until(() => peers.some(peer => peer.texts.length === 1))
      assert.ok(left !== undefined)
      assert.equal(server.clients, 1)
    })
  })
}

function ends(kind: WebServerKind): void {
  describe("the end", () => {
    it("by the client is told with its code and reason, once; calls after it are harmless", async () => {
      const { server, log } = await openWeb(kind)
      const peer = await RawWebPeer.open(server.endpoint)
      await until(() => log.clients.length === 1)
      const [client] = log.clients
      client.join("t")
      peer.send(0x88, Buffer.concat([Buffer.from([0x0f, 0xa1]), Buffer.from("had enough")]))
      await until(() => log.closes.length === 1)
      assert.deepEqual([log.closes[0].code, log.closes[0].reason], [4001, "had enough"])
      assert.equal(client.open, false)
      assert.equal(client.send("x"), "dropped")
      client.ping()
      client.join("u")
      client.leave("t")
      client.pause()
      client.resume()
      client.cork(() => client.send("y"))
      client.close()
      client.destroy()
      server.publish("t", "z")
      assert.equal(client.buffered, 0)
      await until(() => peer.gone)
      assert.equal(log.closes.length, 1)
    })

    it("by `close` comes behind what was sent, is told at once, and waits for nobody", async () => {
      const { server, log } = await openWeb(kind)
      const peer = await RawWebPeer.open(server.endpoint)
      await until(() => log.clients.length === 1)
      const [client] = log.clients
      for (let n = 0; n < 100; n++) client.send(`${n}`)
      client.close(4002, "é".repeat(100))
      assert.deepEqual(
        log.closes.map(one => one.code),
        [4002],
      )
      peer.text("too late")
      await until(() => peer.closeCode !== 0)
      assert.equal(peer.texts.length, 100)
      assert.equal(peer.closeCode, 4002)
      assert.match(peer.closeReason, /^é+\.\.\.$/)
      peer.send(0x88, Buffer.from([0x0f, 0xa2]))
      await until(() => peer.gone)
      assert.deepEqual([log.closes.length, log.messages.length, server.clients], [1, 0, 0])
    })

    it("by `destroy` is told at once, with 1006", async () => {
      const { server, log } = await openWeb(kind)
      const peer = await RawWebPeer.open(server.endpoint)
      await until(() => log.clients.length === 1)
      log.clients[0].destroy()
      assert.deepEqual(
        log.closes.map(one => one.code),
        [1006],
      )
      await until(() => peer.gone)
      assert.equal(peer.closeCode, 0)
    })

    it("of a connection without a close frame is told with 1006", async () => {
      const { server, log } = await openWeb(kind)
      const peer = await RawWebPeer.open(server.endpoint)
      await until(() => log.clients.length === 1)
      peer.socket.destroy()
      await until(() => log.closes.length === 1)
      assert.equal(log.closes[0].code, 1006)
    })

    it("may come from within every handler", async () => {
      const { server, log } = await openWeb(kind)
      const open = log.open.bind(log)
      log.open = client => {
        open(client)
        if (client.data === "open") client.close(4000)
      }
      log.message = client => client.close(4001)
      log.pong = client => client.destroy()
      const peers = [await RawWebPeer.open(`${server.endpoint}/?open`), await RawWebPeer.open(`${server.endpoint}/?x`)]
      await until(() => peers[0].closeCode === 4000)
      peers[1].text("close me")
      await until(() => peers[1].closeCode === 4001)
      const third = await RawWebPeer.open(server.endpoint)
      third.send(0x80 | PONG, "")
      await until(() => third.gone)
      assert.deepEqual(log.closes.map(one => one.code).sort(), [1006, 4000, 4001])
    })

    it("of listening frees the address and lets clients live; `close` ends them, too, with 1001", async () => {
      const address = (await freeTcp()).replace("tcp:", "ws:")
      const { server, log } = await openWeb(kind, {}, new Log(), address)
      const peer = await RawWebPeer.open(server.endpoint)
      await until(() => log.clients.length === 1)
      await server.stop()
      const { server: second, log: secondLog } = await openWeb(kind, {}, new Log(), address)
      assert.equal((await RawWebPeer.open(second.endpoint)).status, 101)
      await until(() => secondLog.clients.length === 1)
      log.clients[0].send("alive")
      await until(() => peer.texts.length === 1)
      peer.text("me too")
      await until(() => log.messages.length === 1)
      await server.close()
      await until(() => peer.closeCode === 1001)
      assert.deepEqual([secondLog.closes.length, log.closes.length], [0, 1])
      await server.close()
    })

    it("of nothing: an address in use, a bad option, a bad certificate are refused with a reason", async () => {
      const fails = async (opening: Promise<unknown>, code: string, text: RegExp): Promise<void> => {
        await assert.rejects(opening, (error: unknown) => {
          assert.ok(error instanceof HeddleError, String(error))
          assert.equal(error.code, code)
          assert.match(error.message, text)
          return true
        })
      }
      const { server } = await openWeb(kind)
      await fails(openWeb(kind, {}, new Log(), server.endpoint), "EADDRINUSE", /another socket listens there/)
      await fails(openWeb(kind, {}, new Log(), "ws://192.0.2.1:1"), "EADDRNOTAVAIL", /192\.0\.2\.1/)
      await fails(openWeb(kind, {}, new Log(), "tcp://127.0.0.1:*"), "EINVAL", /ws:\/\/ or wss:\/\//)
      await fails(openWeb(kind, { idleTimeout: 1 }), "EINVAL", /idleTimeout.*8000/)
      await fails(openWeb(kind, { maxMessageSize: 2 ** 32 }), "EINVAL", /maxMessageSize/)
      await fails(openWeb(kind, { origins: ["example.com"] }), "EINVAL", /origins/)
      await fails(openWeb("what" as WebServerKind), "EINVAL", /uWebSockets\.js or ws/)
      await fails(openWeb(kind, {}, new Log(), "wss://127.0.0.1:*"), "EINVAL", /tls: \{ key, cert \}/)
      const nonsense = "-----BEGIN NONSENSE-----\n-----END NONSENSE-----\n"
      const tls = { key: nonsense, cert: nonsense }
      await fails(openWeb(kind, { tls }, new Log(), "wss://127.0.0.1:*"), "EINVAL", /key or the certificate/)
    })
  })
}
