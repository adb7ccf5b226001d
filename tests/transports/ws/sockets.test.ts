import assert from "node:assert/strict"
import {
  Context,
  Dealer,
  Dish,
  Publisher,
  Pull,
  Push,
  Radio,
  Reply,
  Request,
  Router,
  Subscriber,
  XPublisher,
} from "../../../index.ts"
import { closesAfterEach, later, using } from "../../support/cleanup.ts"
import { event, until } from "../../support/wait.ts"
import { BINARY, RawWebPeer } from "./raw-web-peer.ts"
import { KINDS } from "./web-suite.ts"

for (const kind of KINDS) {
  describe(`Sockets over ws by ${kind}`, () => {
    closesAfterEach()

    let before: string | undefined
    beforeEach(() => {
      before = process.env.HEDDLE_WS
      process.env.HEDDLE_WS = kind
    })
    afterEach(() => {
      if (before === undefined) delete process.env.HEDDLE_WS
      else process.env.HEDDLE_WS = before
    })
    patterns()
    ports()
    foreigners()
  })
}

const text = (message: readonly Buffer[]): string[] => message.map(frame => frame.toString())

function patterns(): void {
  it("push and pull, with more than the high-water marks hold", async () => {
    const pull = using(new Pull({ receiveHighWaterMark: 10 }))
    await pull.bind("ws://127.0.0.1:*/work")
    const push = using(new Push({ sendHighWaterMark: 10 }))
    push.connect(pull.lastEndpoint as string)
    const count = 3_000
    const body = Buffer.alloc(4_000, "b")
    const sending = (async () => {
      for (let n = 0; n < count; n++) await push.send([`${n}`, body])
    })()
    for (let n = 0; n < count; n++) {
      const [number, rest] = await pull.receive()
      if (number.toString() !== `${n}` || !rest.equals(body)) assert.fail(`message ${n} differs`)
    }
    await sending
  })

  it("publish and subscribe, by prefix, also later", async () => {
    const publisher = using(new XPublisher())
    await publisher.bind("ws://127.0.0.1:*")
    const subscriber = using(new Subscriber())
    subscriber.connect(publisher.lastEndpoint as string)
    subscriber.subscribe("a.", "b.")
    assert.deepEqual([...text(await publisher.receive()), ...text(await publisher.receive())].sort(), [
      "\x01a.",
      "\x01b.",
    ])
    for (const topic of ["c.1", "a.1", "b.1", "a.2"]) await publisher.send([topic, "x"])
    assert.deepEqual(text(await subscriber.receive()), ["a.1", "x"])
    subscriber.unsubscribe("b.")
    assert.deepEqual(text(await publisher.receive()), ["\x00b."])
    await publisher.send(["b.2", "x"])
    await publisher.send(["a.3", "x"])
    const got = [await subscriber.receive(), await subscriber.receive(), await subscriber.receive()]
    assert.deepEqual(
      got.map(one => one[0].toString()),
      ["b.1", "a.2", "a.3"],
    )
  })

  it("request and reply, router and dealer, radio and dish", async () => {
    const reply = using(new Reply())
    await reply.bind("ws://127.0.0.1:*/reply")
    const request = using(new Request())
    request.connect(reply.lastEndpoint as string)
    await request.send("question")
    assert.deepEqual(text(await reply.receive()), ["question"])
    await reply.send(["answer", ""])
    assert.deepEqual(text(await request.receive()), ["answer", ""])

    const router = using(new Router())
    await router.bind("ws://127.0.0.1:*")
    const dealer = using(new Dealer({ routingId: "d1" }))
    dealer.connect(router.lastEndpoint as string)
    await dealer.send(["", "x"])
    assert.deepEqual(text(await router.receive()), ["d1", "", "x"])
    await router.send(["d1", "y"])
    assert.deepEqual(text(await dealer.receive()), ["y"])

    const dish = using(new Dish())
    dish.join("group")
    await dish.bind("ws://127.0.0.1:*")
    const radio = using(new Radio())
    radio.connect(dish.lastEndpoint as string)
    await radio.ready()
    await until(() => radio.writable)
    let heard = false
    const listening = dish.receive().then(message => {
      heard = true
      return message
    })
    // Its wish to join travels after the handshake.
    await until(() => {
      if (!heard) void radio.send("m", { group: "group" })
      return heard
    })
    assert.equal((await listening)[0].toString(), "m")
  })

  it("connect before anybody listens, and again when the listener comes back", async () => {
    const pull = using(new Pull())
    await pull.bind("ws://127.0.0.1:*")
    const address = pull.lastEndpoint as string
    await pull.close()
    const push = using(new Push({ reconnectInterval: 20, reconnectMaxInterval: 50 }))
    push.connect(address)
    await push.send("1")
    for (const expected of ["1", "2"]) {
      const next = using(new Pull())
      await next.bind(address)
      if (expected === "2") await push.send("2")
      assert.deepEqual(text(await next.receive()), [expected])
      const lost = event(push.events, "disconnect")
      await next.close()
      await lost
    }
  })

  it("close with everything sent that was queued", async () => {
    const pull = using(new Pull())
    await pull.bind("ws://127.0.0.1:*")
    const push = new Push()
    push.connect(pull.lastEndpoint as string)
    for (let n = 0; n < 900; n++) await push.send(Buffer.alloc(2_000))
    const closing = push.close()
    for (let n = 0; n < 900; n++) await pull.receive()
    await closing
  })

  it("beat: a peer that says nothing any more is given up", async () => {
    const pull = using(new Pull({ heartbeatInterval: 40, heartbeatTimeout: 120 }))
    await pull.bind("ws://127.0.0.1:*")
    const push = using(new Push({ heartbeatInterval: 40, heartbeatTimeout: 120 }))
    push.connect(pull.lastEndpoint as string)
    await push.send("live")
    await pull.receive()
    const lost = event(pull.events, "disconnect")
    const dead = await RawWebPeer.open(pull.lastEndpoint as string, { headers: { "Sec-WebSocket-Protocol": "ZWS2.0" } })
    dead.send(0x80 | BINARY, Buffer.from([0]))
    const { error } = await lost
    assert.equal((error as { code?: string }).code, "ERR_HEARTBEAT_TIMEOUT")
    // The other one answers, though it has nothing to say.
    await push.send("still there")
    assert.deepEqual(text(await pull.receive()), ["still there"])
  })
}

function ports(): void {
  it("share a port by their paths, and one that closes leaves the others", async () => {
    const [pull, reply] = [using(new Pull()), using(new Reply())]
    await pull.bind("ws://127.0.0.1:*/pull")
    const address = pull.lastEndpoint as string
    const base = address.slice(0, -"/pull".length)
    await Promise.all([
      reply.bind(`${base}/reply`),
      assert.rejects(using(new Pull()).bind(address), { code: "EADDRINUSE" }),
    ])
    await assert.rejects(using(new Pull({ maxMessageSize: 5 })).bind(`${base}/other`), { code: "EADDRINUSE" })
    const [push, request] = [using(new Push()), using(new Request())]
    push.connect(address)
    request.connect(`${base}/reply`)
    await push.send("p")
    await request.send("r")
    assert.deepEqual([text(await pull.receive()), text(await reply.receive())], [["p"], ["r"]])
    await pull.close()
    await reply.send("done")
    assert.deepEqual(text(await request.receive()), ["done"])
    const again = using(new Pull())
    await again.bind(address)
    assert.deepEqual((await fetch(address.replace("ws:", "http:"))).status, 426)
    const other = using(new Context())
    await assert.rejects(using(new Pull({ context: other })).bind(`${base}/elsewhere`), { code: "EADDRINUSE" })
  })

  it("let pages in by webOrigins, and addresses by tcpAcceptFilter", async () => {
    const zws = { "Sec-WebSocket-Protocol": "ZWS2.0" }
    const closed = using(new Pull())
    await closed.bind("ws://127.0.0.1:*")
    const told = event(closed.events, "handshake:error:other")
    const evil = { ...zws, Origin: "https://evil.example" }
    assert.equal((await RawWebPeer.open(closed.lastEndpoint as string, { headers: evil })).status, 403)
    assert.match(String((await told).error), /evil\.example/)
    const own = { ...zws, Origin: (closed.lastEndpoint as string).replace("ws:", "http:") }
    assert.equal((await RawWebPeer.open(closed.lastEndpoint as string, { headers: own })).status, 403)
    const open = using(new Pull({ webOrigins: ["https://evil.example"] }))
    await open.bind("ws://127.0.0.1:*")
    assert.equal((await RawWebPeer.open(open.lastEndpoint as string, { headers: evil })).status, 101)
    const far = using(new Pull({ tcpAcceptFilter: "10.0.0.0/8" }))
    await far.bind("ws://127.0.0.1:*")
    assert.equal((await RawWebPeer.open(far.lastEndpoint as string, { headers: zws })).status, 403)
    assert.throws(() => new Pull({ webOrigins: ["evil.example"] }), { code: "EINVAL" })
    assert.throws(() => new Pull({ tls: { key: "/etc/key.pem" } }), { code: "EINVAL" })
  })

  it("need key and certificate for wss", async () => {
    await assert.rejects(using(new Pull()).bind("wss://127.0.0.1:*"), { code: "EINVAL" })
  })
}

function foreigners(): void {
  const open = async (endpoint: string, protocol: string): Promise<RawWebPeer> => {
    const peer = await RawWebPeer.open(endpoint, { headers: { "Sec-WebSocket-Protocol": protocol } })
    assert.equal(peer.status, 101)
    return peer
  }
  const READY = Buffer.from("\x02\x05READY\x0bSocket-Type\x00\x00\x00\x04PUSH", "latin1")

  it("speak ZWS2.0/NULL as libzmq offers it", async () => {
    const pull = using(new Pull())
    await pull.bind("ws://127.0.0.1:*")
    const peer = await open(pull.lastEndpoint as string, "ZWS2.0/NULL,ZWS2.0")
    assert.match(peer.head, /sec-websocket-protocol: ZWS2\.0\/NULL/i)
    await until(() => peer.frames.length === 1)
    const ready = peer.frames[0].payload.toString("latin1")
    assert.ok(ready.startsWith("\x02\x05READY\x0bSocket-Type\x00\x00\x00\x04PULL"), JSON.stringify(ready))
    peer.binary(READY)
    peer.binary("\x01one")
    peer.binary("\x00two")
    assert.deepEqual(text(await pull.receive()), ["one", "two"])
  })

  it("speak plain ZWS2.0, where subscriptions are messages and the first message is the identity", async () => {
    const router = using(new Router())
    await router.bind("ws://127.0.0.1:*")
    const dealer = await open(router.lastEndpoint as string, "ZWS2.0")
    dealer.binary("\x00name")
    dealer.binary("\x00hello")
    assert.deepEqual(text(await router.receive()), ["name", "hello"])
    await router.send(["name", "you"])
    await until(() => dealer.frames.length === 2)
    assert.deepEqual(dealer.texts, ["\x00", "\x00you"])

    const publisher = using(new Publisher())
    await publisher.bind("ws://127.0.0.1:*")
    const subscriber = await open(publisher.lastEndpoint as string, "ZWS2.0")
    subscriber.binary("\x00")
    subscriber.binary("\x00\x01a.")
    await until(() => {
      // Nothing tells when a subscription has come; what is sent before it goes nowhere.
      void publisher.send("a.0")
      return subscriber.texts.length > 1
    })
    await publisher.send("a.1")
    await publisher.send("b.1")
    await publisher.send("a.2")
    await until(() => subscriber.texts.at(-1) === "\x00a.2")
    assert.deepEqual(
      subscriber.texts.slice(1).filter(one => one !== "\x00a.0"),
      ["\x00a.1", "\x00a.2"],
    )
  })

  for (const [what, protocol, frames, code] of [
    ["text", "ZWS2.0", [[0x81, "\x00"]], 1003],
    [
      "no flag",
      "ZWS2.0",
      [
        [0x82, "\x00"],
        [0x82, ""],
      ],
      1002,
    ],
    [
      "unknown flags",
      "ZWS2.0",
      [
        [0x82, "\x00"],
        [0x82, "\x07x"],
      ],
      1002,
    ],
    ["a message before READY", "ZWS2.0/NULL", [[0x82, "\x01x"]], 1008],
    ["a malformed command", "ZWS2.0/NULL", [[0x82, "\x02\x09READY"]], 1008],
    ["malformed metadata", "ZWS2.0/NULL", [[0x82, "\x02\x05READY\x09Socket"]], 1008],
    [
      "a socket type that does not fit",
      "ZWS2.0/NULL",
      [[0x82, "\x02\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB"]],
      1008,
    ],
    [
      "a malformed WINDOW",
      "ZWS2.0/NULL",
      [
        [0x82, READY.toString("latin1")],
        [0x82, "\x02\x06WINDOWx"],
      ],
      1008,
    ],
  ] as const) {
    it(`that send ${what} are told so and closed with ${code}, and nobody else`, async () => {
      const pull = using(new Pull())
      await pull.bind("ws://127.0.0.1:*")
      const peer = await open(pull.lastEndpoint as string, protocol)
      for (const [first, payload] of frames) peer.send(first, Buffer.from(payload, "latin1"))
      await until(() => peer.closeCode !== 0)
      assert.equal(peer.closeCode, code)
      assert.notEqual(peer.closeReason, "")
      const push = using(new Push())
      push.connect(pull.lastEndpoint as string)
      await push.send("fine")
      assert.deepEqual(text(await pull.receive()), ["fine"])
    })
  }

  it("of other sub-protocols, or of none, are refused with 400", async () => {
    const pull = using(new Pull())
    await pull.bind("ws://127.0.0.1:*")
    for (const headers of [{}, { "Sec-WebSocket-Protocol": "chat" }] as Record<string, string>[]) {
      const peer = await RawWebPeer.open(pull.lastEndpoint as string, { headers })
      assert.equal(peer.status, 400)
      await until(() => peer.gone)
      assert.match(peer.body, /ZWS2\.0/)
    }
  })

  it("that say nothing give way: after handshakeInterval, or to a newcomer", async () => {
    const pull = using(new Pull({ handshakeInterval: 150 }))
    await pull.bind("ws://127.0.0.1:*")
    const told = event(pull.events, "handshake:error:other")
    const peer = await open(pull.lastEndpoint as string, "ZWS2.0")
    assert.match(String((await told).error), /did not finish the handshake within 150 ms/)
    await until(() => peer.gone)
    const few = using(new Pull({ maxHandshakes: 1 }))
    await few.bind("ws://127.0.0.1:*")
    await open(few.lastEndpoint as string, "ZWS2.0")
    const second = await RawWebPeer.open(few.lastEndpoint as string, {
      headers: { "Sec-WebSocket-Protocol": "ZWS2.0" },
    })
    assert.equal(second.status, 503)
  })

  it("that flood a socket which does not read are held back, or closed with a reason where they cannot be", async () => {
    const pull = using(new Pull({ receiveHighWaterMark: 5 }))
    await pull.bind("ws://127.0.0.1:*")
    const peer = await open(pull.lastEndpoint as string, "ZWS2.0")
    peer.binary("\x00")
    const body = Buffer.alloc(256 * 1024)
    let sent = 0
    const stalls = process.env.HEDDLE_WS === "ws"
    // 24 MiB are more than a window and the kernel's buffers hold.
    while (sent < 96 && peer.closeCode === 0) {
      peer.binary(body)
      sent++
      if (sent % 4 === 0) await new Promise(resolve => setImmediate(resolve))
    }
    if (stalls) {
      await until(() => peer.socket.writableLength > 0)
      assert.equal(peer.closeCode, 0)
      for (let n = 0; n < sent; n++) assert.equal((await pull.receive())[0].length, body.length - 1)
    } else {
      await until(() => peer.closeCode !== 0)
      assert.equal(peer.closeCode, 1013)
      assert.match(peer.closeReason, /nobody has read yet/)
    }
    later(() => peer.socket.destroy())
  })
}
