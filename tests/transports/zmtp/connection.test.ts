import assert from "node:assert/strict"
import type { LinkOptions, PeerHello } from "../../../core/contract.ts"
import { HeddleError } from "../../../core/errors.ts"
import { ZmtpConnection } from "../../../transports/zmtp/connection.ts"
import { COMMAND, command, frame, MORE, message, octets, ping, ready } from "../../support/bytes.ts"
import { FakeClock } from "../../support/clock.ts"
import { FakeStream } from "../../support/fake-stream.ts"
import { LINK_OPTIONS } from "../../support/link-options.ts"
import { Collector } from "../../support/sinks.ts"
import { turns, until } from "../../support/wait.ts"

const PEER: PeerHello = {
  socketType: "DEALER",
  routingId: Buffer.alloc(0),
  metadata: new Map(),
  address: "tcp://peer:1",
  mechanism: "NULL",
  userId: "",
}

interface Given {
  minor?: 0 | 1
  options?: Partial<LinkOptions>
  early?: Buffer
}

const make = ({ minor = 1, options = {}, early = Buffer.alloc(0) }: Given = {}) => {
  const stream = new FakeStream()
  const link = new ZmtpConnection(stream, PEER, minor, { ...LINK_OPTIONS, ...options }, early)
  return { stream, link }
}

const begin = (given: Given = {}) => {
  const { stream, link } = make(given)
  return { stream, link, sink: new Collector(link) }
}

const tick = (): Promise<void> => new Promise(resolve => process.nextTick(resolve))

describe("ZMTP connection", () => {
  describe("control notices", () => {
    it("are commands for a 3.1 peer (zmtp.md 1.7, 1.8)", async () => {
      const { stream, link } = begin()
      link.control("SUBSCRIBE", Buffer.from("abc"))
      link.control("SUBSCRIBE", Buffer.alloc(0))
      link.control("CANCEL", Buffer.from("abc"))
      link.control("JOIN", Buffer.from("g"))
      link.control("LEAVE", Buffer.from("g"))
      await tick()
      assert.equal(
        stream.output().toString("hex"),
        octets(
          "04 0d 09 53 55 42 53 43 52 49 42 45 61 62 63  04 0a 09 'SUBSCRIBE'  04 0a 06 43 41 4e 43 45 4c 61 62 63  04 06 04 'JOIN' 'g'  04 07 05 'LEAVE' 'g'",
        ).toString("hex"),
      )
    })

    it("of subscriptions are messages for a 3.0 peer (zmtp.md 1.7)", async () => {
      const { stream, link } = begin({ minor: 0 })
      link.control("SUBSCRIBE", Buffer.from("abc"))
      link.control("SUBSCRIBE", Buffer.alloc(0))
      link.control("CANCEL", Buffer.from("abc"))
      link.control("JOIN", Buffer.from("g"))
      await tick()
      assert.equal(
        stream.output().toString("hex"),
        octets("00 04 01 61 62 63  00 01 01  00 04 00 61 62 63  04 06 04 'JOIN' 'g'").toString("hex"),
      )
    })

    it("for a 3.0 peer need the long form from topics of 255 octets on", async () => {
      const { stream, link } = begin({ minor: 0 })
      link.control("SUBSCRIBE", Buffer.alloc(254, "t"))
      link.control("SUBSCRIBE", Buffer.alloc(255, "t"))
      await tick()
      const expected = octets("00 ff 01 't'*254  02 00*6 01 00 01 't'*255")
      assert.equal(stream.output().toString("hex"), expected.toString("hex"))
    })

    it("keep their place among messages", async () => {
      const { stream, link } = begin()
      link.send([Buffer.from("a")])
      link.control("SUBSCRIBE", Buffer.alloc(0))
      link.send([Buffer.from("b")])
      await tick()
      const expected = Buffer.concat([message("a"), command("SUBSCRIBE"), message("b")])
      assert.equal(stream.output().toString("hex"), expected.toString("hex"))
    })

    it("of the peer are passed on, whatever its version; message forms stay messages", () => {
      for (const minor of [0, 1] as const) {
        const { stream, sink } = begin({ minor })
        for (const name of ["SUBSCRIBE", "CANCEL", "JOIN", "LEAVE"]) stream.feed(command(name, "x"))
        stream.feed(message("\u0001x"))
        assert.deepEqual(sink.controls, [
          ["SUBSCRIBE", "x"],
          ["CANCEL", "x"],
          ["JOIN", "x"],
          ["LEAVE", "x"],
        ]) // prettier-ignore
        assert.deepEqual(sink.texts, ["\u0001x"])
      }
    })
  })

  describe("PING", () => {
    it("is answered by PONG with its context (zmtp.md 1.9)", async () => {
      for (let length = 0; length <= 17; length++) {
        const { stream } = begin()
        stream.feed(ping(0, "c".repeat(length)))
        await tick()
        const expected = command("PONG", "c".repeat(Math.min(length, 16)))
        assert.equal(stream.output().toString("hex"), expected.toString("hex"))
      }
    })

    it("is answered in the middle of a message, which stays whole", async () => {
      const { stream, sink } = begin()
      stream.feed(frame(MORE, "a"), ping(0, "x"), frame(0, "b"))
      assert.deepEqual(sink.texts, ["a|b"])
      await tick()
      assert.equal(stream.output().toString("hex"), command("PONG", "x").toString("hex"))
    })

    it("of a 3.0 peer is answered too: libzmq 4.2 sends it", async () => {
      const { stream } = begin({ minor: 0 })
      stream.feed(ping(0))
      await tick()
      assert.equal(stream.output().toString("hex"), command("PONG").toString("hex"))
    })

    it("shorter than 7 octets is refused: nothing beyond it is read or sent back", async () => {
      for (const data of ["", "\0"]) {
        const { stream, sink } = begin()
        stream.feed(command("PING", data))
        assert.equal((sink.reason as HeddleError).code, "ERR_ZMTP_FRAME")
        const said = stream.output()
        assert.ok(said.subarray(2, 8).equals(Buffer.from("\u0005ERROR")))
        assert.ok(!said.includes("PONG"))
        assert.ok(stream.isEnded)
      }
    })

    it("in a flood from a peer that does not read costs a bounded amount of memory", async () => {
      const { stream, link } = begin()
      stream.stalls = true
      for (let round = 0; round < 50; round++) {
        stream.feed(Buffer.concat(Array.from({ length: 2_000 }, () => ping(0, "0123456789abcdef"))))
        await until(() => stream.read && !stream.paused)
      }
      // Each of 100,000 answers would have 23 octets.
      assert.ok(link.bytesSent <= 128 * 1024, `${link.bytesSent} bytes are waiting`)
      stream.release()
      await tick()
      stream.output()
      stream.feed(ping(0, "still there?"))
      await tick()
      assert.equal(stream.output().toString("hex"), command("PONG", "still there?").toString("hex"))
    })
  })

  it("ignores what it does not know, and what makes no sense, after the handshake (zmtp.md 1.3)", () => {
    const { stream, sink } = begin()
    stream.feed(
      command("PONG", "unexpected"),
      command("NEWS", "x"),
      command("ping", "\0\0"),
      ready("PUB"),
      frame(COMMAND),
      octets("04 05 09 'READ'"),
      octets("04 01 00"),
      message("on"),
    )
    assert.deepEqual(sink.texts, ["on"])
    assert.deepEqual(sink.controls, [])
    assert.equal(sink.closes, 0)
  })

  describe("faults of the peer", () => {
    it("end the connection with a HeddleError, and the peer is told", () => {
      const { stream, link, sink } = begin({ options: { maxMessageSize: 100 } })
      stream.feed(message("good"), frame(0, "", { size: 101n }), message("never read"))
      assert.deepEqual(sink.texts, ["good"])
      assert.equal(sink.closes, 1)
      const reason = sink.reason as HeddleError
      assert.equal(reason.code, "EMSGSIZE")
      const said = stream.output()
      assert.equal(said.toString("latin1", 3, 8), "ERROR")
      assert.ok(said.includes("maxMessageSize"))
      assert.ok(stream.isEnded)
      link.close()
      stream.reader.ended()
      assert.equal(sink.closes, 1)
    })

    it("end it without a word when the peer does not read", async () => {
      const { stream, link, sink } = begin()
      stream.stalls = true
      link.send([Buffer.from("x")])
      await tick()
      stream.feed(command("PING"))
      assert.equal(sink.closes, 1)
      assert.ok(stream.isDestroyed)
    })

    it("of its own telling: ERROR ends the connection with its reason", () => {
      const { stream, sink } = begin()
      stream.feed(octets("04 08 05 'ERROR' 01 '!'"))
      const reason = sink.reason as HeddleError
      assert.equal(reason.code, "ERR_ZMTP_PEER_ERROR")
      assert.match(reason.message, /tcp:\/\/peer:1.*!/)
      assert.equal(reason.address, "tcp://peer:1")
      assert.ok(stream.isDestroyed)
    })
  })

  describe("start", () => {
    it("delivers what came behind the handshake, and what came before it was called", () => {
      const { stream, link } = make({ early: Buffer.concat([message("a"), message("b").subarray(0, 2)]) })
      stream.feed(message("b").subarray(2), message("c"))
      assert.deepEqual(new Collector(link).texts, ["a", "b", "c"])
    })

    it("reports an end that came before it, after what had arrived", async () => {
      const { stream, link } = make({ early: message("a") })
      stream.feed(message("b"))
      stream.reader.ended()
      const sink = new Collector(link)
      await until(() => sink.closes > 0)
      assert.deepEqual(sink.texts, ["a", "b"])
      assert.equal(sink.reason, undefined)
    })

    it("reports a close that came before it", () => {
      const { link } = make({ early: message("a") })
      const reason = new Error("refused")
      link.close(reason)
      const sink = new Collector(link)
      assert.deepEqual(sink.texts, [])
      assert.equal(sink.closes, 1)
      assert.equal(sink.reason, reason)
    })

    it("leaves the rest for later when the owner pauses in it", async () => {
      const { stream, link } = make({ early: Buffer.concat([message("a"), message("b")]) })
      const sink = new Collector()
      sink.onMessage = () => link.pause()
      link.start(sink)
      assert.deepEqual(sink.texts, ["a"])
      assert.ok(stream.paused)
      sink.onMessage = null
      link.resume()
      await until(() => sink.count === 2)
      stream.feed(message("c"))
      await until(() => sink.count === 3)
      assert.deepEqual(sink.texts, ["a", "b", "c"])
    })
  })

  describe("pause", () => {
    it("stops delivery and reading; resume goes on, later, in order", async () => {
      const { stream, link, sink } = begin()
      link.pause()
      link.pause()
      stream.feed(message("a"), message("b"))
      assert.equal(sink.count, 0)
      assert.ok(stream.paused, "the stream must not be read further")
      stream.feed(message("c"))
      link.resume()
      link.resume()
      assert.equal(sink.count, 0, "not from within resume")
      await until(() => sink.count === 3)
      assert.deepEqual(sink.texts, ["a", "b", "c"])
      assert.equal(stream.paused, false)
    })

    it("may follow resume within a turn", async () => {
      const { stream, link, sink } = begin()
      link.pause()
      stream.feed(message("a"))
      link.resume()
      link.pause()
      await turns(5)
      assert.equal(sink.count, 0)
      link.resume()
      await until(() => sink.count === 1)
    })
  })

  describe("the end", () => {
    it("says goodbye after what was sent", () => {
      const { stream, link } = begin()
      link.send([Buffer.from("last words")])
      link.end()
      link.end()
      assert.ok(stream.isEnded)
      assert.ok(stream.output().equals(message("last words")))
    })

    it("waits for a slow stream", async () => {
      const { stream, link, sink } = begin()
      stream.stalls = true
      link.send([Buffer.from("first")])
      await tick()
      link.send([Buffer.from("second")])
      link.end()
      assert.equal(stream.isEnded, false)
      stream.release()
      assert.ok(stream.isEnded)
      assert.ok(stream.output().equals(Buffer.concat([message("first"), message("second")])))
      assert.equal(sink.drains, 0, "who ends has nothing more to send")
      stream.reader.ended()
      assert.equal(sink.closes, 1)
      assert.equal(sink.reason, undefined)
    })

    it("takes any way in which the peer then goes for an orderly one", () => {
      const { stream, link, sink } = begin()
      link.end()
      stream.reader.ended(Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" }))
      assert.equal(sink.closes, 1)
      assert.equal(sink.reason, undefined)
    })

    it("delivers nothing more, and answers no PING", async () => {
      const { stream, link, sink } = begin()
      link.end()
      stream.output()
      stream.feed(message("too late"), ping(0))
      await tick()
      assert.equal(sink.count, 0)
      assert.equal(stream.output().length, 0)
    })

    it("is reported with the system's error when the link breaks", () => {
      const { stream, sink } = begin()
      stream.reader.ended(Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" }))
      assert.equal((sink.reason as HeddleError).code, "ECONNRESET")
      assert.equal((sink.reason as HeddleError).address, "tcp://peer:1")
    })

    it("leaves nobody behind who is called: neither by the stream, nor by a timer", async () => {
      for (const finish of ["close", "fault", "dead"] as const) {
        const { stream, link, sink } = begin()
        stream.stalls = true
        link.send([Buffer.alloc(100_000)])
        if (finish === "fault") {
          // The ERROR that tells the peer is still on its way when everything else is over.
          link.close(new HeddleError("EMSGSIZE", "too much", { fatal: true }))
        } else {
          await tick()
          if (finish === "close") link.close()
          else link.dead(1)
        }
        assert.equal(sink.closes, 1)
        link.resume()
        stream.release()
        stream.reader.bytes(message("late"), 6)
        stream.reader.ended()
        await turns(2)
        assert.equal(sink.late, 0, finish)
        assert.equal(sink.closes, 1)
        assert.equal(sink.count, 0)
        assert.doesNotThrow(() => {
          link.send([Buffer.from("x")])
          link.sendEncoded(message("x"), 1)
          link.control("SUBSCRIBE", Buffer.alloc(0))
          link.end()
          link.close()
          link.ping()
        })
        await tick()
      }
    })
  })

  describe("memory for a large frame that cannot be had", () => {
    const real = Buffer.allocUnsafeSlow
    afterEach(() => {
      Buffer.allocUnsafeSlow = real
    })

    it("ends the connection, not the process", () => {
      const { stream, sink } = begin({ options: { maxMessageSize: -1 } })
      stream.feed(frame(0, "", { size: 3_000_000_000n }), Buffer.alloc(200_000))
      Buffer.allocUnsafeSlow = () => {
        throw new RangeError("Array buffer allocation failed")
      }
      assert.doesNotThrow(() => stream.feed(Buffer.alloc(200_000)))
      assert.equal(sink.closes, 1)
      assert.equal((sink.reason as HeddleError).name, "HeddleError")
      assert.match((sink.reason as HeddleError).message, /allocation failed/)
    })
  })

  describe("heartbeats", () => {
    let clock: FakeClock
    beforeEach(() => {
      clock = new FakeClock().install()
    })
    afterEach(() => clock.restore())

    const options = { heartbeatInterval: 100, heartbeatTimeout: 300, heartbeatTimeToLive: 500 }

    it("send PING with our time to live (zmtp.md 1.9)", async () => {
      const { stream } = begin({ options })
      clock.advance(99)
      await tick()
      assert.equal(stream.output().length, 0)
      clock.advance(1)
      await tick()
      assert.equal(stream.output().toString("hex"), octets("04 07 04 50 49 4e 47 00 05").toString("hex"))
    })

    it("end the connection to a silent peer, without ERROR: it may come back", async () => {
      const { stream, sink } = begin({ options })
      clock.advance(1_000)
      await tick()
      assert.equal(sink.closes, 1)
      const reason = sink.reason as HeddleError
      assert.equal(reason.code, "ERR_HEARTBEAT_TIMEOUT")
      assert.match(reason.message, /tcp:\/\/peer:1.*\d+ ms/)
      assert.ok(stream.isDestroyed)
      assert.equal(clock.pending, 0)
    })

    it("take part of a large frame for life (libzmq#2709)", () => {
      const { stream, sink } = begin({ options })
      stream.feed(frame(0, "", { size: 1_000_000n }))
      for (let i = 0; i < 50; i++) {
        clock.advance(100)
        stream.feed(Buffer.alloc(10))
      }
      assert.equal(sink.closes, 0)
    })

    it("are not for 3.0 peers: they would take PING for a message", async () => {
      const { stream, sink } = begin({ minor: 0, options })
      clock.advance(10_000)
      await tick()
      assert.equal(stream.output().length, 0)
      assert.equal(sink.closes, 0)
    })

    it("do not count the silence of a peer that we do not read", () => {
      const { link, sink } = begin({ options })
      link.pause()
      clock.advance(10_000)
      assert.equal(sink.closes, 0)
    })

    it("say nothing any more once goodbye is said", async () => {
      const { stream, link } = begin({ options })
      link.end()
      stream.output()
      const written = stream.writes
      clock.advance(250)
      await tick()
      assert.equal(stream.writes, written, "a write after the end would break the connection")
    })

    it("end with the connection", () => {
      const { link, stream } = begin({ options })
      stream.feed(ping(10))
      link.close()
      assert.equal(clock.pending, 0)
    })

    it("keep to the peer's time to live: closed after that much silence", () => {
      const { stream, sink } = begin()
      stream.feed(ping(5))
      clock.advance(499)
      assert.equal(sink.closes, 0)
      clock.advance(1)
      assert.equal((sink.reason as HeddleError).code, "ERR_HEARTBEAT_TIMEOUT")
      assert.match((sink.reason as HeddleError).message, /500 ms/)
    })

    it("take the newest time to live; 0 ends the watch", () => {
      const { stream, sink } = begin()
      stream.feed(ping(5))
      clock.advance(400)
      stream.feed(ping(20))
      clock.advance(1_900)
      assert.equal(sink.closes, 0)
      stream.feed(ping(0))
      clock.advance(100_000)
      assert.equal(sink.closes, 0)
      assert.equal(clock.pending, 0)
    })

    it("do not overflow with a time to live above 6,553.5 seconds' sixteen bits (libzmq#4226)", () => {
      const { stream, sink } = begin()
      stream.feed(ping(0xffff))
      clock.advance(6_553_400)
      assert.equal(sink.closes, 0)
      clock.advance(200)
      assert.equal(sink.closes, 1)
    })
  })
})
