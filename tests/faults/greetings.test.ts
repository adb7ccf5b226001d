import assert from "node:assert/strict"
import type { EventOfType } from "../../core/observer.ts"
import { Pull, Push } from "../../index.ts"
import { command, frame, GREETING, message, octets, ready } from "../support/bytes.ts"
import { closesAfterEach, using } from "../support/cleanup.ts"
import { RawListener, RawPeer } from "../support/raw-peer.ts"
import { event, pass, until } from "../support/wait.ts"

type HandshakeError = EventOfType<"handshake:error:protocol"> | EventOfType<"handshake:error:other">

/** The next failed handshake, of whichever kind. */
const failure = (socket: Push | Pull): Promise<HandshakeError> =>
  Promise.race([event(socket.events, "handshake:error:protocol"), event(socket.events, "handshake:error:other")])

const OLD_1 = octets("ff 00*7 05 00 'abcd'")
const OLD_2 = octets("ff 00*7 01 7f 01 05 00 00")
const HTTP = Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")

describe("A hostile or mistaken peer", () => {
  closesAfterEach()

  /** A Pull with one good peer, and proof that the two are none the worse for what happened in between. */
  const serve = async (options: ConstructorParameters<typeof Pull>[0] = {}) => {
    const pull = using(new Pull(options))
    await pull.bind("tcp://127.0.0.1:*")
    const address = pull.lastEndpoint as string
    const push = using(new Push())
    push.connect(address)
    await push.ready()
    const goesOn = async (): Promise<void> => {
      await push.send("still there?")
      assert.equal(String(await pull.receive()), "still there?")
      // A newcomer is served, too.
      const another = using(new Push())
      another.connect(address)
      await another.send("me too")
      assert.equal(String(await pull.receive()), "me too")
      await another.close()
      assert.equal(pull.stats().messagesReceived, 2, "nothing of the hostile peer's was taken for a message")
    }
    return { pull, address, goesOn }
  }

  describe("that connects to us", () => {
    for (const [what, bytes, code] of [
      ["sends garbage", Buffer.alloc(500, 0xa5), "ERR_ZMTP_GREETING"],
      ["sends zeros", Buffer.alloc(500), "ERR_ZMTP_GREETING"],
      ["sends an HTTP request", HTTP, "ERR_ZMTP_GREETING"],
      ["sends a TLS hello", octets("16 03 01 02 00 01 00 01 fc 03 03"), "ERR_ZMTP_GREETING"],
      ["speaks ZMTP 1.0", OLD_1, "ERR_ZMTP_GREETING"],
      ["speaks ZMTP 2.0", OLD_2, "ERR_ZMTP_GREETING"],
      ["wants another mechanism", octets("ff 00*7 01 7f 03 01 'PLAIN' 00*15 01 00*31"), "ERR_ZMTP_MECHANISM_MISMATCH"],
      ["sends a message before READY", Buffer.concat([GREETING, message("x")]), "ERR_ZMTP_UNEXPECTED_COMMAND"],
      ["sends another command", Buffer.concat([GREETING, command("HELLO")]), "ERR_ZMTP_UNEXPECTED_COMMAND"],
      ["is of an incompatible type", Buffer.concat([GREETING, ready("SUB")]), "ERR_PEER_INCOMPATIBLE"],
      ["is of an unknown type", Buffer.concat([GREETING, ready("FRIEND")]), "ERR_ZMTP_INVALID_METADATA"],
      ["announces a READY of 2^63", Buffer.concat([GREETING, frame(4, "", { size: 2n ** 63n })]), "EMSGSIZE"],
      ["announces a READY of 2^64-1", Buffer.concat([GREETING, frame(4, "", { size: 2n ** 64n - 1n })]), "EMSGSIZE"],
      ["refuses us", Buffer.concat([GREETING, octets("04 08 05 'ERROR' 01 '!'")]), "ERR_ZMTP_PEER_ERROR"],
    ] as const) {
      it(`and ${what} is closed, with an event`, async () => {
        const { pull, goesOn } = await serve()
        const failed = failure(pull)
        const peer = using(await RawPeer.connect(pull.lastEndpoint as string))
        await peer.write(bytes)
        const { address, error } = await failed
        assert.equal(error.name, "HeddleError")
        assert.equal(error.code, code)
        assert.match(address, /^tcp:\/\/127\.0\.0\.1:\d+$/)
        await peer.gone
        await goesOn()
      })
    }

    it("and leaves at any octet of the handshake costs nothing", async () => {
      const { pull, goesOn } = await serve()
      const whole = Buffer.concat([GREETING, ready("PUSH")])
      let failures = 0
      pull.events.on("handshake:error:other", ({ error }) => {
        failures++
        assert.equal(error.code, "ECONNRESET")
      })
      for (let length = 0; length < whole.length; length++) {
        const peer = await RawPeer.connect(pull.lastEndpoint as string)
        await peer.write(whole.subarray(0, length))
        if (length % 2 === 0) peer.end()
        else peer.reset()
      }
      await until(() => failures === whole.length)
      assert.equal(pull.stats().peers.length, 1)
      await goesOn()
    })

    for (const [what, bytes] of [
      ["nothing", Buffer.alloc(0)],
      ["half a greeting", GREETING.subarray(0, 30)],
      ["its greeting only", GREETING],
      ["half a READY", Buffer.concat([GREETING, ready("PUSH").subarray(0, 10)])],
    ] as const) {
      it(`and says ${what} is closed after handshakeInterval, with an event`, async () => {
        const { pull, goesOn } = await serve({ handshakeInterval: 100 })
        const failed = failure(pull)
        const peer = using(await RawPeer.connect(pull.lastEndpoint as string))
        const began = performance.now()
        await peer.write(bytes)
        const { error } = await failed
        assert.equal(error.code, "ERR_HANDSHAKE_TIMEOUT")
        assert.ok(performance.now() - began >= 95)
        await peer.gone
        await goesOn()
      })
    }

    it("and speaks one octet at a time is served", async () => {
      const { pull } = await serve()
      const peer = using(await RawPeer.connect(pull.lastEndpoint as string))
      for (const octet of Buffer.concat([GREETING, ready("PUSH"), message("slow", "but sure")])) {
        await peer.write(Buffer.from([octet]))
        await pass(1)
      }
      assert.deepEqual((await pull.receive()).map(String), ["slow", "but sure"])
    })

    it("and waits for our whole greeting before it says anything is served", async () => {
      const { pull } = await serve()
      const peer = using(await RawPeer.connect(pull.lastEndpoint as string))
      assert.ok((await peer.read(64)).equals(GREETING))
      await peer.write(GREETING)
      assert.ok((await peer.readCommand()).data.includes("PULL"))
      await peer.write(ready("PUSH"))
      await peer.write(message("patience"))
      assert.equal(String(await pull.receive()), "patience")
    })

    it("and sends ten octets, waits, and goes on is served", async () => {
      const { pull } = await serve()
      const peer = using(await RawPeer.connect(pull.lastEndpoint as string))
      await peer.write(GREETING.subarray(0, 10))
      await peer.read(11)
      await peer.write(GREETING.subarray(10, 11))
      await peer.read(53)
      await peer.write(GREETING.subarray(11), ready("PUSH"), message("staged"))
      assert.equal(String(await pull.receive()), "staged")
    })

    it("and sends its first messages in one segment with the handshake is served", async () => {
      const { pull } = await serve()
      const peer = using(await RawPeer.connect(pull.lastEndpoint as string))
      await peer.write(GREETING, ready("PUSH"), message("a", "b"), message("c"))
      assert.deepEqual((await pull.receive()).map(String), ["a", "b"])
      assert.deepEqual((await pull.receive()).map(String), ["c"])
    })
  })

  describe("that we connect to", () => {
    const dial = (endpoint: string, options: ConstructorParameters<typeof Push>[0] = {}): Push => {
      const push = using(new Push({ reconnectInterval: 5, reconnectMaxInterval: 20, ...options }))
      push.connect(endpoint)
      return push
    }

    for (const [what, bytes, code] of [
      ["answers as a web server", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"), "ERR_ZMTP_GREETING"],
      ["speaks ZMTP 2.0", OLD_2, "ERR_ZMTP_GREETING"],
      ["is of an incompatible type", Buffer.concat([GREETING, ready("PUB")]), "ERR_PEER_INCOMPATIBLE"],
      ["refuses us", Buffer.concat([GREETING, octets("04 08 05 'ERROR' 01 '!'")]), "ERR_ZMTP_PEER_ERROR"],
    ] as const) {
      it(`and ${what} is reported, and dialled again: it may be replaced by a right one`, async () => {
        const listener = using(await RawListener.open())
        const push = dial(listener.endpoint)
        const failed = failure(push)
        const peer = await listener.accept()
        await peer.write(bytes)
        const { error } = await failed
        assert.equal(error.code, code)
        await peer.gone
        await push.send("for whom it may concern")
        const right = await listener.accept()
        await right.shake("PULL")
        assert.deepEqual(await right.readMessage(), ["for whom it may concern"])
      })
    }

    it("and says nothing is given up after handshakeInterval, and dialled again", async () => {
      const listener = using(await RawListener.open())
      const push = dial(listener.endpoint, { handshakeInterval: 60 })
      const { error } = await failure(push)
      assert.equal(error.code, "ERR_HANDSHAKE_TIMEOUT")
      await (await listener.accept()).gone
      await (await listener.accept()).shake("PULL")
      await push.ready()
    })

    it("and closes at any octet of the handshake is dialled again, ever more slowly", async () => {
      const listener = using(await RawListener.open())
      const push = dial(listener.endpoint, { reconnectInterval: 1, reconnectMaxInterval: 4 })
      const codes = new Set<string>()
      push.events.on("handshake:error:other", ({ error }) => void codes.add(error.code))
      const whole = Buffer.concat([GREETING, ready("PULL")])
      for (let length = 0; length < whole.length; length += 3) {
        const peer = await listener.accept()
        await peer.write(whole.subarray(0, length))
        peer.end()
      }
      await (await listener.accept()).shake("PULL")
      await push.ready()
      assert.deepEqual([...codes], ["ECONNRESET"])
    })

    it("and takes us in, and throws us out, is not hammered", async () => {
      const listener = using(await RawListener.open())
      const push = dial(listener.endpoint, { reconnectInterval: 20, reconnectMaxInterval: 10_000 })
      const intervals: number[] = []
      push.events.on("connect:retry", ({ interval }) => void intervals.push(interval))
      for (let i = 0; i < 4; i++) {
        const peer = await listener.accept()
        await peer.shake("PULL")
        peer.end()
      }
      await until(() => intervals.length === 4)
      const least = [20, 20, 40, 80]
      for (const [i, interval] of intervals.entries()) assert.ok(interval >= least[i], `${intervals}`)
    })
  })
})
