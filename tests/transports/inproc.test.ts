import assert from "node:assert/strict"
import type { Connection, Message, PeerHello } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"
import { DELIVERY_BUDGET } from "../../transports/inproc/deliveries.ts"
import { InprocTransport } from "../../transports/inproc/index.ts"
import { Accepting, connect, dial, endpoint, handshake, Recorder, takeTimer, until } from "./inproc-fixtures/ends.ts"

const text = (message: Message): string => message.map(String).join("|")
const message = (value: string | number): Buffer[] => [Buffer.from(String(value))]

describe("inproc within a thread", () => {
  let transport: InprocTransport
  beforeEach(() => {
    transport = new InprocTransport()
  })

  describe("names", () => {
    it("lets a dial wait for the listener", async () => {
      const dialling = dial(transport, "later")
      let connected = false
      dialling.then(() => (connected = true))
      await new Promise(resolve => setTimeout(resolve, 5))
      assert.equal(connected, false)
      const accepting = new Accepting()
      const listener = await transport.listen(endpoint("later"), handshake(), accepting)
      assert.equal(accepting.connections.length, 0, "not before listen has resolved")
      const a = await dialling
      await accepting.next()
      assert.deepEqual(accepting.addresses, ["inproc://later"])
      assert.equal(a.peer.address, "inproc://later")
      await listener.close()
    })

    it("brings all dials that wait to the listener, and later ones too", async () => {
      const dialling = [dial(transport, "n"), dial(transport, "n"), dial(transport, "n")]
      const accepting = new Accepting()
      await transport.listen(endpoint("n"), handshake(), accepting)
      await Promise.all(dialling)
      await dial(transport, "n")
      assert.equal(accepting.connections.length, 4)
    })

    it("ends a waiting dial by its signal, and forgets it", async () => {
      const abort = new AbortController()
      const dialling = transport.dial(endpoint("n"), handshake(), abort.signal)
      abort.abort()
      await assert.rejects(dialling, { code: "ECONNABORTED", fatal: false })
      const early = new AbortController()
      early.abort()
      await assert.rejects(transport.dial(endpoint("n"), handshake(), early.signal), { code: "ECONNABORTED" })
      const accepting = new Accepting()
      await transport.listen(endpoint("n"), handshake(), accepting)
      await dial(transport, "n")
      assert.equal(accepting.connections.length, 1)
      assert.equal(accepting.failures.length, 0)
    })

    it("refuses a name that is bound, until it is free again", async () => {
      const listener = await transport.listen(endpoint("n"), handshake(), new Accepting())
      await assert.rejects(transport.listen(endpoint("n"), handshake(), new Accepting()), {
        name: "HeddleError",
        code: "EADDRINUSE",
      })
      await listener.close()
      await listener.close()
      const second = await transport.listen(endpoint("n"), handshake(), new Accepting())
      // A listener that was closed before must not take the name from the next one.
      await listener.close()
      await assert.rejects(transport.listen(endpoint("n"), handshake(), new Accepting()), { code: "EADDRINUSE" })
      await second.close()
    })

    it("keeps accepted connections when the listener closes, and takes no more", async () => {
      const { listener, a, heardB } = await connect(transport, "n")
      await listener.close()
      a.send(message("still"))
      await until(() => heardB.messages.length === 1, "the message")
      const abort = new AbortController()
      const dialling = transport.dial(endpoint("n"), handshake(), abort.signal)
      await new Promise(resolve => setTimeout(resolve, 5))
      abort.abort()
      await assert.rejects(dialling, { code: "ECONNABORTED" })
    })

    it("keeps the names of two transports apart", async () => {
      const other = new InprocTransport()
      const mine = new Accepting()
      const theirs = new Accepting()
      await transport.listen(endpoint("n"), handshake(), mine)
      await other.listen(endpoint("n"), handshake(), theirs)
      await dial(other, "n")
      assert.deepEqual([mine.connections.length, theirs.connections.length], [0, 1])
    })

    it("takes names from 1 to 256 characters", async () => {
      await assert.rejects(transport.listen(endpoint(""), handshake(), new Accepting()), { code: "EINVAL" })
      await assert.rejects(dial(transport, ""), { code: "EINVAL" })
      assert.throws(() => transport.check(endpoint("")), { code: "EINVAL" })
      assert.throws(() => transport.check(endpoint("x".repeat(257))), { code: "ENAMETOOLONG" })
      await transport.listen(endpoint("x".repeat(256)), handshake(), new Accepting())
      await dial(transport, "x".repeat(256))
    })

    it("takes a ring size that is a power of two only, and a time that is one", () => {
      for (const ringSize of [0, 1000, 2048, 2 ** 29, 4096.5, Number.NaN]) {
        assert.throws(() => new InprocTransport({ ringSize }), { code: "EINVAL" })
      }
      assert.throws(() => new InprocTransport({ busyPoll: -1 }), { code: "EINVAL" })
    })
  })

  describe("handshake", () => {
    it("tells each side who the other is", async () => {
      const metadata = new Map([["X-Colour", Buffer.from("blue")]])
      const { a, b } = await connect(
        transport,
        "n",
        { hello: { socketType: "DEALER", routingId: Buffer.from("me"), metadata } },
        { hello: { socketType: "ROUTER" } },
      )
      assert.equal(a.peer.socketType, "ROUTER")
      assert.equal(b.peer.socketType, "DEALER")
      assert.equal(b.peer.routingId.toString(), "me")
      assert.equal(b.peer.metadata.get("X-Colour")?.toString(), "blue")
      for (const peer of [a.peer, b.peer]) {
        assert.equal(peer.address, "inproc://n")
        assert.equal(peer.mechanism, "NULL")
        assert.equal(peer.userId, "")
      }
      assert.equal(a.wire, null)
    })

    it("lets an adaptive listener answer by its peer", async () => {
      const asked: (PeerHello | null)[] = []
      const { a } = await connect(
        transport,
        "n",
        { hello: { socketType: "SUB" } },
        {
          adaptive: true,
          answer: peer => {
            asked.push(peer)
            return {
              socketType: peer?.socketType === "SUB" ? "PUB" : "PAIR",
              routingId: Buffer.alloc(0),
              metadata: new Map(),
            }
          },
        },
      )
      assert.equal(a.peer.socketType, "PUB")
      assert.equal(asked.length, 1)
    })

    for (const who of ["listener", "caller"] as const) {
      it(`rejects the dial for good when the ${who} refuses`, async () => {
        const refuse = {
          admit: () => {
            throw new HeddleError("ERR_PEER_INCOMPATIBLE", "PUSH does not talk to PUSH")
          },
        }
        const accepting = new Accepting()
        await transport.listen(endpoint("n"), handshake(who === "listener" ? refuse : {}), accepting)
        await assert.rejects(dial(transport, "n", who === "caller" ? refuse : {}), {
          name: "HeddleError",
          code: "ERR_PEER_INCOMPATIBLE",
          message: "PUSH does not talk to PUSH",
          fatal: true,
        })
        assert.equal(accepting.connections.length, 0)
        assert.equal(accepting.failures.length, 1)
        // The listener goes on.
        if (who === "caller") await dial(transport, "n")
      })
    }

    it("says when the address answered, before the handshake", async () => {
      const steps: string[] = []
      const accepting = new Accepting()
      await transport.listen(endpoint("n"), handshake({ admit: () => steps.push("admit") }), accepting)
      await transport.dial(endpoint("n"), handshake(), new AbortController().signal, address => steps.push(address))
      assert.deepEqual(steps, ["inproc://n", "admit"])
    })
  })

  describe("delivery", () => {
    it("passes the very same message, in order, both ways", async () => {
      const { a, b, heardA, heardB } = await connect(transport, "n")
      const sent = Array.from({ length: 100 }, (_, i) => [Buffer.from([i]), Buffer.alloc(0)])
      for (const m of sent) assert.equal(a.send(m), true)
      const back = message("back")
      b.send(back)
      await until(() => heardB.messages.length === 100 && heardA.messages.length === 1, "all messages")
      assert.ok(sent.every((m, i) => heardB.messages[i] === m))
      assert.equal(heardA.messages[0], back)
    })

    it("never calls the peer from within send", async () => {
      const { a, b, heardA, heardB } = await connect(transport, "n")
      let inside = false
      let nested = 0
      const send = (connection: Connection, value: string): void => {
        inside = true
        connection.send(message(value))
        inside = false
      }
      heardA.onMessage = heardB.onMessage = () => {
        if (inside) nested++
      }
      let rounds = 0
      heardB.onMessage = () => {
        if (inside) nested++
        if (++rounds < 50) send(b, "pong")
      }
      heardA.onMessage = () => {
        if (inside) nested++
        send(a, "ping")
      }
      send(a, "ping")
      await until(() => rounds === 50, "50 rounds")
      assert.equal(nested, 0)
    })

    it("delivers in the tick after the current code, before timers", async () => {
      const { a, heardB } = await connect(transport, "n")
      a.send(message(1))
      a.send(message(2))
      assert.equal(heardB.messages.length, 0)
      await new Promise(resolve => process.nextTick(resolve))
      assert.equal(heardB.messages.length, 2)
    })

    it("lets timers and immediates run during an endless exchange", async () => {
      const { a, b, heardA, heardB } = await connect(transport, "n")
      let rounds = 0
      let timers = 0
      let stopped = false
      // Should the budget fail, the exchange ends by itself, and the test fails in place of hanging.
      heardB.onMessage = m => {
        if (++rounds < 500_000 && !stopped) b.send(m)
      }
      heardA.onMessage = m => a.send(m)
      a.send(message("x"))
      await new Promise<void>(resolve => {
        const tick = (): void => {
          if (++timers === 3) resolve()
          else setTimeout(tick, 1)
        }
        setTimeout(tick, 1)
      })
      stopped = true
      assert.ok(rounds > 0)
      assert.ok(rounds < 500_000, "the exchange kept the timers from running")
    })

    it("delivers at most its budget between two turns of the event loop", async () => {
      const { a, heardB } = await connect(transport, "n", { limits: { sendHighWaterMark: 0 } })
      const total = 5 * DELIVERY_BUDGET
      for (let i = 0; i < total; i++) a.send(message(i))
      const seen: number[] = []
      while (heardB.messages.length < total) {
        await new Promise(resolve => setImmediate(resolve))
        seen.push(heardB.messages.length)
      }
      let before = 0
      for (const count of seen) {
        assert.ok(count - before <= DELIVERY_BUDGET, `${count - before} in one turn`)
        before = count
      }
      assert.ok(heardB.messages.every((m, i) => text(m) === String(i)))
    })

    it("gives every connection its turn while one of them is flooded", async () => {
      const flood = await connect(transport, "flood", { limits: { sendHighWaterMark: 0 } })
      const quiet = await connect(transport, "quiet")
      for (let i = 0; i < 100_000; i++) flood.a.send(message(i))
      quiet.a.send(message("hello"))
      await until(() => quiet.heardB.messages.length === 1, "the message of the quiet one")
      assert.ok(flood.heardB.messages.length <= DELIVERY_BUDGET)
    })

    it("survives a handler that throws", async () => {
      const first = await connect(transport, "first")
      const second = await connect(transport, "second")
      const listeners = process.listeners("uncaughtException")
      process.removeAllListeners("uncaughtException")
      const thrown: Error[] = []
      process.on("uncaughtException", error => thrown.push(error))
      try {
        first.heardB.onMessage = m => {
          if (text(m) === "0") throw new Error("of the user")
        }
        for (let i = 0; i < 3; i++) first.a.send(message(i))
        second.a.send(message("x"))
        await until(() => first.heardB.messages.length === 3 && second.heardB.messages.length === 1, "the others")
      } finally {
        process.removeAllListeners("uncaughtException")
        for (const listener of listeners) process.on("uncaughtException", listener)
      }
      assert.deepEqual(thrown.map(String), ["Error: of the user"])
    })

    it("delivers nothing before start, and all of it then", async () => {
      const accepting = new Accepting()
      await transport.listen(endpoint("n"), handshake(), accepting)
      const a = await dial(transport, "n")
      const b = await accepting.next()
      a.start(new Recorder())
      a.control("SUBSCRIBE", Buffer.from("s"))
      a.send(message(1))
      await new Promise(resolve => setTimeout(resolve, 5))
      const heard = new Recorder()
      b.start(heard)
      await until(() => heard.events.length === 2, "both")
      assert.deepEqual(heard.events, ["SUBSCRIBE s", "1"])
    })

    it("stops at pause after the message at hand, and goes on after resume, not within it", async () => {
      const { a, b, heardB } = await connect(transport, "n")
      heardB.onMessage = m => {
        if (text(m) === "2") b.pause()
      }
      for (let i = 0; i < 6; i++) a.send(message(i))
      a.control("CANCEL", Buffer.from("c"))
      await new Promise(resolve => setTimeout(resolve, 5))
      assert.deepEqual(heardB.events, ["0", "1", "2"])
      b.pause()
      b.resume()
      b.resume()
      assert.equal(heardB.messages.length, 3)
      await until(() => heardB.events.length === 7, "the rest")
      assert.deepEqual(heardB.events, ["0", "1", "2", "3", "4", "5", "CANCEL c"])
    })
  })

  describe("high-water marks", () => {
    for (const [send, receive] of [
      [3, 4],
      [1, 1],
      [1, 2],
    ]) {
      it(`holds ${send} + ${receive} messages`, async () => {
        const limits = { sendHighWaterMark: send, receiveHighWaterMark: 99 }
        const { a, b, heardA, heardB } = await connect(
          transport,
          "n",
          { limits },
          { limits: { sendHighWaterMark: 99, receiveHighWaterMark: receive } },
        )
        const sum = send + receive
        b.pause()
        const answers = Array.from({ length: sum }, (_, i) => a.send(message(i)))
        assert.deepEqual(answers, [...new Array(sum - 1).fill(true), false])
        // One after the other: drain comes with the message that makes it half empty.
        let drainedAfter = -1
        heardA.onDrain = () => {
          drainedAfter = heardB.messages.length
        }
        heardB.onMessage = () => b.pause()
        for (let i = 1; i <= sum; i++) {
          b.resume()
          await until(() => heardB.messages.length === i, `message ${i}`)
          await new Promise(resolve => setImmediate(resolve))
        }
        assert.equal(drainedAfter, sum - (sum >> 1))
        assert.equal(heardA.drains, 1)
      })
    }

    for (const [send, receive] of [
      [0, 5],
      [5, 0],
    ]) {
      it(`knows no limit with ${send} and ${receive}`, async () => {
        const { a, b, heardB } = await connect(
          transport,
          "n",
          { limits: { sendHighWaterMark: send } },
          { limits: { receiveHighWaterMark: receive } },
        )
        b.pause()
        for (let i = 0; i < 10_000; i++) assert.equal(a.send(message(i)), true)
        b.resume()
        await until(() => heardB.messages.length === 10_000, "all")
      })
    }

    it("takes what is sent in spite of false, and drains once", async () => {
      const { a, b, heardA, heardB } = await connect(
        transport,
        "n",
        { limits: { sendHighWaterMark: 1 } },
        { limits: { receiveHighWaterMark: 1 } },
      )
      b.pause()
      for (let i = 0; i < 5; i++) a.send(message(i))
      b.resume()
      await until(() => heardA.drains === 1 && heardB.messages.length === 5, "drain and messages")
    })

    it("lets notices pass outside the limit, in order", async () => {
      const { a, b, heardA, heardB } = await connect(
        transport,
        "n",
        { limits: { sendHighWaterMark: 1 } },
        { limits: { receiveHighWaterMark: 1 } },
      )
      b.pause()
      a.control("SUBSCRIBE", Buffer.from("1"))
      a.control("JOIN", Buffer.from("2"))
      assert.equal(a.send(message("m")), true)
      a.control("CANCEL", Buffer.from("3"))
      assert.equal(a.send(message("n")), false)
      a.control("LEAVE", Buffer.from("4"))
      b.resume()
      await until(() => heardB.events.length === 6, "all")
      assert.deepEqual(heardB.events, ["SUBSCRIBE 1", "JOIN 2", "m", "CANCEL 3", "n", "LEAVE 4"])
      await until(() => heardA.drains === 1, "drain")
    })

    it("heeds a mark that is changed later", async () => {
      const limits = { sendHighWaterMark: 1, receiveHighWaterMark: 1 }
      const b = handshake({ limits })
      const accepting = new Accepting()
      await transport.listen(endpoint("n"), b, accepting)
      const a = await dial(transport, "n", { limits })
      const there = await accepting.next()
      there.start(new Recorder())
      there.pause()
      ;(b.options as { receiveHighWaterMark: number }).receiveHighWaterMark = 4
      const answers = [1, 2, 3, 4, 5].map(i => a.send(message(i)))
      assert.deepEqual(answers, [true, true, true, true, false])
    })

    it("keeps a sender going through drain", async () => {
      const { a, heardA, heardB } = await connect(
        transport,
        "n",
        { limits: { sendHighWaterMark: 5 } },
        { limits: { receiveHighWaterMark: 5 } },
      )
      let next = 0
      const go = (): void => {
        while (next < 10_000 && a.send(message(next++)));
      }
      heardA.onDrain = go
      go()
      await until(() => heardB.messages.length === 10_000, "all")
      assert.ok(heardB.messages.every((m, i) => text(m) === String(i)))
    })
  })

  describe("ends", () => {
    it("delivers what was sent before end, then closes both sides once", async () => {
      const { a, b, heardA, heardB } = await connect(transport, "n")
      for (let i = 0; i < 3000; i++) a.send(message(i))
      a.end()
      a.end()
      assert.equal(a.send(message("late")), false)
      await until(() => heardA.closings > 0 && heardB.closings > 0, "closed")
      assert.equal(heardB.messages.length, 3000)
      assert.equal(heardB.events.at(-1), "closed")
      b.send(message("later"))
      b.control("JOIN", Buffer.alloc(0))
      a.close()
      b.end()
      await new Promise(resolve => setTimeout(resolve, 5))
      assert.deepEqual([heardA.closings, heardB.closings], [1, 1])
      assert.deepEqual([heardA.reason, heardB.reason], [undefined, undefined])
      assert.equal(heardA.messages.length, 0)
    })

    it("ends when both say goodbye at once", async () => {
      const { a, b, heardA, heardB } = await connect(transport, "n")
      a.end()
      b.end()
      await until(() => heardA.closings === 1 && heardB.closings === 1, "closed")
    })

    it("waits a bounded time for a peer that is paused, which still gets everything", async () => {
      const { a, b, heardA, heardB } = await connect(transport, "n")
      b.pause()
      a.send(message("last"))
      const timer = takeTimer(() => a.end())
      assert.equal(timer.delay, 5_000)
      assert.equal(heardA.closings, 0)
      timer.fire()
      assert.equal(heardA.closings, 1)
      assert.equal(heardB.closings, 0)
      b.resume()
      await until(() => heardB.closings === 1, "closed")
      assert.deepEqual(heardB.events, ["last", "closed"])
      assert.equal(heardA.closings, 1)
    })

    it("ends while it is paused itself", async () => {
      const { a, b, heardA, heardB } = await connect(transport, "n")
      a.pause()
      b.send(message("unread"))
      a.end()
      await until(() => heardA.closings === 1 && heardB.closings === 1, "closed")
      assert.deepEqual(heardA.events, ["closed"])
    })

    it("closes at once on this side, in the next tick on the other, and drops what waits", async () => {
      const { a, b, heardA, heardB } = await connect(transport, "n")
      a.send(message("dropped"))
      b.send(message("dropped too"))
      a.close()
      assert.equal(heardA.closings, 1)
      assert.equal(heardB.closings, 0)
      a.close(new Error("again"))
      await until(() => heardB.closings === 1, "closed")
      assert.deepEqual(heardA.events, ["closed"])
      assert.deepEqual(heardB.events, ["closed"])
      assert.equal(heardB.reason, undefined)
      assert.equal(b.send(message("x")), false)
    })

    it("tells the reason of a close, and whether it is for good", async () => {
      for (const [reason, code] of [
        [new Error("tired"), "ECONNRESET"],
        [new HeddleError("EPROTO", "nonsense", { fatal: true }), "ERR_ZMTP_PEER_ERROR"],
      ] as const) {
        const { a, heardA, heardB, listener } = await connect(transport, "n")
        a.close(reason)
        await until(() => heardB.closings === 1, "closed")
        assert.equal(heardA.reason, reason)
        assert.equal((heardB.reason as HeddleError).code, code)
        assert.match(String(heardB.reason), new RegExp(reason.message))
        await listener.close()
      }
    })

    it("closes a paused peer too", async () => {
      const { a, b, heardB } = await connect(transport, "n")
      b.pause()
      a.send(message(1))
      a.close()
      await until(() => heardB.closings === 1, "closed")
      assert.deepEqual(heardB.events, ["closed"])
    })

    it("may be closed from within any call of the sink", async () => {
      for (const when of ["message", "drain"] as const) {
        const { a, b, heardA, heardB, listener } = await connect(
          transport,
          "n",
          { limits: { sendHighWaterMark: 1 } },
          { limits: { receiveHighWaterMark: 1 } },
        )
        if (when === "message") heardB.onMessage = () => b.close()
        else heardA.onDrain = () => a.close()
        for (let i = 0; i < 2; i++) a.send(message(i))
        await until(() => heardA.closings === 1 && heardB.closings === 1, "closed")
        assert.equal(heardB.messages.length, when === "message" ? 1 : 2)
        await listener.close()
      }
    })

    it("tells a start that comes late how it ended", async () => {
      const accepting = new Accepting()
      await transport.listen(endpoint("n"), handshake(), accepting)
      const a = await dial(transport, "n")
      const b = await accepting.next()
      a.start(new Recorder())
      a.close(new Error("gone"))
      await new Promise(resolve => setTimeout(resolve, 5))
      const heard = new Recorder()
      b.start(heard)
      await until(() => heard.closings === 1, "closed")
      assert.match(String(heard.reason), /gone/)
      const own = await dial(transport, "n")
      own.close()
      const late = new Recorder()
      own.start(late)
      assert.deepEqual(late.events, ["closed"])
    })
  })
})
