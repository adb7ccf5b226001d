import assert from "node:assert/strict"
import type {
  Connection,
  Endpoint,
  Handshake,
  Listener,
  Message,
  PeerHello,
  SocketType,
  Transport,
} from "../../core/contract.ts"
import { parseEndpoint } from "../../core/endpoint.ts"
import { type ErrorCode, HeddleError } from "../../core/errors.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { type LocalOptions, local } from "../support/link-options.ts"
import { Collector, Door } from "../support/sinks.ts"
import { turns, until } from "../support/wait.ts"

/** What the suite must know of a transport's addresses. */
export interface ConformanceEndpoints {
  /** An address to listen at that is free, a wildcard where the transport has one. */
  any(): string
  /** A definite address that is free: the suite listens there more than once. */
  definite(): Promise<string> | string
  /** How dialling an address where nobody listens ends; null = the transport waits for a listener. */
  refused: ErrorCode | null
  /** Messages travel as bytes, which are counted, and `maxMessageSize` holds. */
  bytes: boolean
  /** Messages travel as the same bytes for everybody: `wire` is there. Default: `bytes`. */
  wire?: boolean
  /** Octets that the transport counts for a message of one frame. Default: those of ZMTP. */
  counted?(body: number): number
  /** Addresses that can never work, and how they are refused. */
  invalid: readonly [endpoint: string, side: "listen" | "dial", code: ErrorCode][]
}

interface Meeting {
  listener: Listener
  door: Door
  /** The end that dialled, and the end that was accepted. */
  here: Connection
  there: Connection
}

/** Every transport passes this, whatever it is made of: the rules of core/contract.ts. */
export function transportConformance(
  name: string,
  makeTransport: () => Transport,
  endpoints: ConformanceEndpoints,
): void {
  describe(`Transport ${name}`, () => {
    closesAfterEach()

    let transport: Transport
    beforeEach(() => {
      transport = makeTransport()
    })

    const listen = async (address: string, ours: Handshake, door = new Door()): Promise<[Listener, Door]> => {
      const listener = await transport.listen(parseEndpoint(address), ours, door)
      later(() => listener.close())
      later(() => {
        for (const one of door.connections) one.close()
      })
      return [listener, door]
    }

    const dial = async (address: string, ours: Handshake, reached?: (address: string) => void): Promise<Connection> => {
      const connection = await transport.dial(parseEndpoint(address), ours, new AbortController().signal, reached)
      later(() => connection.close())
      return connection
    }

    const meet = async (
      dialler: LocalOptions = {},
      acceptor: LocalOptions = {},
      types: [SocketType, SocketType] = ["PAIR", "PAIR"],
    ): Promise<Meeting> => {
      const [listener, door] = await listen(endpoints.any(), local(types[1], acceptor))
      const here = await dial(listener.endpoint, local(types[0], dialler))
      return { listener, door, here, there: await door.next() }
    }

    const fails = async (promise: Promise<unknown>, ...codes: ErrorCode[]): Promise<HeddleError> => {
      const error = await promise.then(
        () => assert.fail(`it went well instead of ${codes.join(" or ")}`),
        (reason: unknown) => reason,
      )
      assert.ok(error instanceof HeddleError, String(error))
      assert.ok(codes.includes(error.code), `${error.code} (${error.message}) instead of ${codes.join(" or ")}`)
      return error
    }

    describe("addresses", () => {
      for (const [address, side, code] of endpoints.invalid) {
        it(`refuses to ${side} ${address.length > 60 ? `${address.slice(0, 60)}...` : address} with ${code}`, () => {
          const endpoint: Endpoint = parseEndpoint(address)
          assert.throws(
            () => transport.check(endpoint, side, "PAIR"),
            (error: unknown) => {
              assert.ok(error instanceof HeddleError, String(error))
              assert.equal(error.code, code)
              assert.equal(error.address, address)
              return true
            },
          )
        })
      }

      it("accepts the addresses that the suite uses, on both sides", async () => {
        assert.doesNotThrow(() => transport.check(parseEndpoint(endpoints.any()), "listen", "PAIR"))
        const definite = parseEndpoint(await endpoints.definite())
        assert.doesNotThrow(() => transport.check(definite, "listen", "PAIR"))
        assert.doesNotThrow(() => transport.check(definite, "dial", "PAIR"))
      })

      it("reports the real address of a listener, at which peers reach it", async () => {
        const { listener, here, there } = await meet()
        assert.ok(listener.endpoint.startsWith(`${transport.scheme}://`))
        assert.ok(!listener.endpoint.includes("*"))
        assert.equal(here.peer.address, listener.endpoint)
        assert.ok(there.peer.address.startsWith(`${transport.scheme}://`))
      })

      it("refuses a second listener at an address in use, and the first goes on", async () => {
        const address = await endpoints.definite()
        const [, door] = await listen(address, local("PAIR"))
        const error = await fails(listen(address, local("PAIR")), "EADDRINUSE")
        assert.ok(error.message.includes(address))
        await dial(address, local("PAIR"))
        await door.next()
      })

      it("frees the address when a listener is closed, with connections or without", async () => {
        const address = await endpoints.definite()
        for (let round = 0; round < 3; round++) {
          const [listener, door] = await listen(address, local("PAIR"))
          await dial(address, local("PAIR"))
          await door.next()
          await listener.close()
        }
      })

      if (endpoints.refused !== null) {
        const code = endpoints.refused
        it(`fails with ${code} where nobody listens`, async () => {
          const address = await endpoints.definite()
          const error = await fails(dial(address, local("PAIR")), code)
          assert.equal(error.fatal, false, "somebody may listen there later")
          assert.ok(error.message.includes(address))
        })
      } else {
        it("waits for somebody to listen", async () => {
          const address = await endpoints.definite()
          const dialling = dial(address, local("PAIR"))
          await turns(5)
          const [, door] = await listen(address, local("PAIR"))
          await dialling
          await door.next()
        })
      }
    })

    describe("handshake", () => {
      it("tells each side who the other is", async () => {
        const metadata = (value: string) => new Map([["X-app", Buffer.from(value)]])
        const { here, there } = await meet(
          { routingId: "dialler", metadata: metadata("here") },
          { routingId: Buffer.from([1, 0, 255]), metadata: metadata("there") },
          ["DEALER", "ROUTER"],
        )
        const check = (peer: PeerHello, type: SocketType, id: Buffer, app: string): void => {
          assert.equal(peer.socketType, type)
          assert.ok(peer.routingId.equals(id))
          assert.equal(peer.metadata.get("X-app")?.toString(), app)
          assert.equal(peer.mechanism, "NULL")
          assert.equal(peer.userId, "")
        }
        check(there.peer, "DEALER", Buffer.from("dialler"), "here")
        check(here.peer, "ROUTER", Buffer.from([1, 0, 255]), "there")
      })

      it("reports a peer first as accepted, and hands it over when the handshake is done", async () => {
        const steps: string[] = []
        const door = new Door()
        const { accepted } = door
        door.accepted = address => {
          steps.push("accepted")
          accepted.call(door, address)
        }
        door.onConnection = () => steps.push("connection")
        const [listener] = await listen(endpoints.any(), local("PAIR", { admit: () => void steps.push("admit") }), door)
        let reached = ""
        const here = await dial(listener.endpoint, local("PAIR"), address => {
          reached = address
        })
        await door.next()
        assert.deepEqual(steps, ["accepted", "admit", "connection"])
        assert.equal(reached, here.peer.address)
        assert.equal(door.failures.length, 0)
      })

      it("refuses a socket type that does not fit, on both sides, and the listener goes on", async () => {
        const [listener, door] = await listen(endpoints.any(), local("PULL"))
        const error = await fails(dial(listener.endpoint, local("PUB")), "ERR_PEER_INCOMPATIBLE", "ERR_ZMTP_PEER_ERROR")
        assert.ok(error.fatal, "dialling again cannot help")
        await until(() => door.failures.length === 1)
        assert.ok(door.failures[0].error instanceof HeddleError)
        assert.equal(door.connections.length, 0)
        await dial(listener.endpoint, local("PUSH"))
        await door.next()
      })

      it("reports a peer that our side does not admit, in the words of `admit`", async () => {
        const why = new HeddleError("ERR_PEER_IDENTITY", "not you again", { fatal: true })
        const admit = (): void => {
          throw why
        }
        const [listener, door] = await listen(endpoints.any(), local("PAIR", { admit }))
        // The dialler may have believed that all was well: then the end follows.
        const dialling = dial(listener.endpoint, local("PAIR")).then(
          async connection => (await new Collector(connection).gone()).reason,
          (error: Error) => error,
        )
        await until(() => door.failures.length === 1)
        assert.equal((door.failures[0].error as HeddleError).code, why.code)
        assert.match(door.failures[0].error.message, /not you again/)
        const told = (await dialling) as HeddleError
        assert.ok(told instanceof HeddleError && told.fatal)
        assert.match(told.message, /not you again/)
        assert.equal(door.connections.length, 0)
      })

      it("lets an adaptive acceptor choose by the peer", async () => {
        const acceptor: LocalOptions = {
          adaptive: true,
          admit: () => {},
          answer: peer => ({
            socketType: peer?.socketType === "SUB" ? "PUB" : "REP",
            routingId: Buffer.alloc(0),
            metadata: new Map(),
          }),
        }
        const [listener] = await listen(endpoints.any(), local("REP", acceptor))
        assert.equal((await dial(listener.endpoint, local("SUB"))).peer.socketType, "PUB")
        assert.equal((await dial(listener.endpoint, local("REQ"))).peer.socketType, "REP")
      })

      it("is given up at once when its signal was aborted, before or meanwhile", async () => {
        const [listener, door] = await listen(endpoints.any(), local("PAIR"))
        const endpoint = parseEndpoint(listener.endpoint)
        await fails(transport.dial(endpoint, local("PAIR"), AbortSignal.abort()), "ECONNABORTED")
        const abort = new AbortController()
        const dialling = transport.dial(endpoint, local("PAIR"), abort.signal)
        abort.abort()
        await fails(dialling, "ECONNABORTED")
        // Whatever had begun ends: nobody is left who holds the other end.
        await turns(3)
        for (const connection of door.connections) await new Collector(connection).gone()
      })

      it("serves many diallers at once, each with its own connection", async () => {
        const [listener, door] = await listen(endpoints.any(), local("ROUTER"))
        const ids = Array.from({ length: 50 }, (_, i) => `peer ${i}`)
        const ends = await Promise.all(ids.map(routingId => dial(listener.endpoint, local("DEALER", { routingId }))))
        await until(() => door.connections.length === ids.length)
        assert.deepEqual(door.connections.map(one => one.peer.routingId.toString()).sort(), [...ids].sort())
        const sinks = door.connections.map(one => new Collector(one))
        for (const end of ends) new Collector(end)
        for (const [i, end] of ends.entries()) end.send([Buffer.from(ids[i])])
        for (const sink of sinks) await sink.has(1)
        for (const [i, sink] of sinks.entries())
          assert.deepEqual(sink.texts, [door.connections[i].peer.routingId.toString()])
      })

      it("still gives what a peer had sent when its listener is closed: accepted connections live on", async () => {
        const { listener, here, there } = await meet()
        const [a, b] = [new Collector(here), new Collector(there)]
        await listener.close()
        here.send([Buffer.from("to")])
        there.send([Buffer.from("fro")])
        await b.has(1)
        await a.has(1)
        assert.deepEqual([a.texts, b.texts], [["fro"], ["to"]])
      })
    })

    describe("messages", () => {
      it("arrive whole and unchanged, whatever their frames", async () => {
        const { here, there } = await meet()
        const sink = new Collector(there)
        new Collector(here)
        const shapes = [
          [0],
          [1],
          [0, 0],
          [0, 0, 0, 5],
          [255, 256, 257],
          [8191, 8192, 8193],
          [32_768, 1, 32_769],
          [65_535, 65_536],
          [1_000_000, 0, 3],
          Array.from({ length: 1_000 }, (_, i) => i % 7),
        ]
        const sent = shapes.map((sizes, s) => sizes.map((size, f) => Buffer.alloc(size, `${s}/${f} `)))
        for (const message of sent) here.send(message)
        await sink.has(sent.length)
        for (const [i, message] of sent.entries()) assertSame(sink.messages[i], message)
      })

      it("of many megabytes arrive, in both directions at once", async () => {
        const { here, there } = await meet()
        const big = [Buffer.alloc(20_000_000, "abcdefghijk"), Buffer.alloc(3), Buffer.alloc(5_000_000, "lmn")]
        const [a, b] = [new Collector(here), new Collector(there)]
        here.send(big)
        there.send(big)
        await a.has(1)
        await b.has(1)
        assertSame(a.messages[0], big)
        assertSame(b.messages[0], big)
      })

      it("keep their order in both directions, within the limits that `send` and `drain` set", async () => {
        const { here, there } = await meet()
        const count = 30_000
        const run = async (from: Connection, out: Collector, to: Collector): Promise<void> => {
          let next = 0
          const fill = (): void => {
            while (next < count && from.send([Buffer.from(`${next++}`), Buffer.alloc(next % 500)]));
          }
          out.onDrain = fill
          fill()
          await to.has(count)
          to.messages.forEach((message, i) => {
            if (message[0].toString() !== `${i}` || message[1].length !== (i + 1) % 500)
              assert.fail(`message ${i} differs`)
          })
        }
        const [a, b] = [new Collector(here), new Collector(there)]
        await Promise.all([run(here, a, b), run(there, b, a)])
      })

      it("that were received stay as they are, however much follows", async () => {
        const { here, there } = await meet()
        const sink = new Collector(there)
        new Collector(here)
        for (let i = 0; i < 200; i++) here.send([Buffer.alloc(i * 10, i)])
        await sink.has(200)
        const kept = [...sink.messages]
        sink.keeps = false
        for (let round = 0; round < 10; round++) {
          for (let i = 0; i < 200; i++) here.send([Buffer.alloc(3_000, 0xee)])
          await sink.has(200 + (round + 1) * 200)
        }
        for (const [i, message] of kept.entries())
          assert.ok(message[0].equals(Buffer.alloc(i * 10, i)), `message ${i} has changed`)
      })

      it("are not changed at their sender", async () => {
        const { here, there } = await meet()
        const sink = new Collector(there)
        new Collector(here)
        const frames = [Buffer.alloc(100, "a"), Buffer.alloc(100_000, "b")]
        const copy = frames.map(frame => Buffer.from(frame))
        here.send(frames)
        here.send(frames)
        await sink.has(2)
        assertSame(frames, copy)
      })

      it("are never delivered from within a call, nor anything else", async () => {
        const { here, there } = await meet()
        let inside = ""
        const guard = (sink: Collector): Collector => {
          const outside = (): void => assert.equal(inside, "", "the sink was called from within a call")
          sink.onMessage = outside
          sink.onDrain = outside
          return sink
        }
        const [a, b] = [guard(new Collector()), guard(new Collector())]
        here.start(a)
        there.start(b)
        const within = (what: string, call: () => void): void => {
          inside = what
          call()
          inside = ""
        }
        for (let i = 0; i < 3_000; i++) {
          within("send", () => here.send([Buffer.alloc(5_000)]))
          within("send", () => there.send([Buffer.alloc(10)]))
        }
        within("pause", () => there.pause())
        await turns(3)
        within("resume", () => there.resume())
        within("control", () => here.control("SUBSCRIBE", Buffer.from("x")))
        await a.has(3_000)
        await b.has(3_000)
        within("end", () => here.end())
        await a.gone()
        await b.gone()
        assert.equal(a.late + b.late, 0)
      })

      it("may be sent from within a delivery", async () => {
        const { here, there } = await meet()
        const [a, b] = [new Collector(), new Collector()]
        a.onMessage = message => void (a.count < 500 && here.send(message))
        b.onMessage = message => void there.send(message)
        here.start(a)
        there.start(b)
        here.send([Buffer.from("ball")])
        await a.has(500)
        assert.ok(a.texts.every(text => text === "ball"))
      })

      if (endpoints.wire ?? endpoints.bytes) {
        it("are encoded by `wire` into what `sendEncoded` takes", async () => {
          const { here, there } = await meet()
          const { wire } = here
          assert.ok(wire !== null)
          assert.equal(wire, there.wire, "connections that share a wire accept each other's chunks")
          const sink = new Collector(there)
          new Collector(here)
          const batches = [1, 10, 1_000].map(count =>
            Array.from({ length: count }, (_, i) => [Buffer.from(`${count}/${i}`), Buffer.alloc(i)]),
          )
          for (const batch of batches) {
            let size = 0
            for (const message of batch) size += wire.size(message)
            const chunk = Buffer.alloc(size + 10)
            let end = 5
            for (const message of batch) end = wire.encode(message, chunk, end)
            assert.equal(end, 5 + size)
            here.send([Buffer.from("between")])
            here.sendEncoded(chunk.subarray(5, end), batch.length)
          }
          const expected = batches.flatMap(batch => [[Buffer.from("between")], ...batch])
          await sink.has(expected.length)
          for (const [i, message] of expected.entries()) assertSame(sink.messages[i], message)
        })
      } else {
        it("have no wire", async () => {
          const { here, there } = await meet()
          assert.equal(here.wire, null)
          assert.equal(there.wire, null)
        })
      }

      if (endpoints.bytes) {
        it("and notices are counted in bytes, framing included", async () => {
          const { here, there } = await meet()
          const sink = new Collector(there)
          new Collector(here)
          const [sent, received] = [here.bytesSent, there.bytesReceived]
          for (let i = 0; i < 10; i++) here.send([Buffer.alloc(100)])
          here.send([Buffer.alloc(1_000)])
          await sink.has(11)
          const counted = endpoints.counted ?? (body => body + (body < 256 ? 2 : 9))
          const expected = 10 * counted(100) + counted(1_000)
          assert.equal(here.bytesSent - sent, expected)
          assert.equal(there.bytesReceived - received, expected)
        })

        it("of exactly maxMessageSize arrive; one byte more ends the connection, and both sides know why", async () => {
          const { here, there } = await meet({}, { options: { maxMessageSize: 100_000 } })
          const [a, b] = [new Collector(here), new Collector(there)]
          here.send([Buffer.alloc(50_000), Buffer.alloc(50_000)])
          await b.has(1)
          here.send([Buffer.alloc(50_000), Buffer.alloc(50_001)])
          await b.gone()
          assert.equal((b.reason as HeddleError).code, "EMSGSIZE")
          assert.equal(b.count, 1)
          await a.gone()
          assert.equal((a.reason as HeddleError).code, "ERR_ZMTP_PEER_ERROR")
          assert.match((a.reason as HeddleError).message, /maxMessageSize/)
        })
      } else {
        it("are counted in no bytes", async () => {
          const { here, there } = await meet()
          assert.equal(here.bytesSent + there.bytesReceived, 0)
        })
      }
    })

    describe("notices", () => {
      it("keep their place among messages", async () => {
        const { here, there } = await meet()
        const sink = new Collector(there)
        new Collector(here)
        const order: string[] = []
        sink.onMessage = message => order.push(message[0].toString())
        const { controlReceived } = sink
        sink.controlReceived = (kind, body) => {
          order.push(`${kind} ${body}`)
          controlReceived.call(sink, kind, body)
        }
        here.send([Buffer.from("1")])
        here.control("SUBSCRIBE", Buffer.from("a"))
        here.control("CANCEL", Buffer.alloc(0))
        here.send([Buffer.from("2")])
        here.control("JOIN", Buffer.alloc(300, "g"))
        here.control("LEAVE", Buffer.from("l"))
        here.send([Buffer.from("3")])
        await sink.has(3)
        assert.deepEqual(order, ["1", "SUBSCRIBE a", "CANCEL ", "2", `JOIN ${"g".repeat(300)}`, "LEAVE l", "3"])
      })

      it("pass a full connection", async () => {
        const { here, there } = await meet()
        const [, b] = [new Collector(here), new Collector(there)]
        there.pause()
        await fill(here)
        here.control("SUBSCRIBE", Buffer.from("through"))
        there.resume()
        await until(() => b.controls.length === 1)
        assert.deepEqual(b.controls, [["SUBSCRIBE", "through"]])
      })
    })

    describe("flow", () => {
      it("delivers nothing before `start`, and then everything", async () => {
        const { here, there } = await meet()
        new Collector(here)
        for (let i = 0; i < 100; i++) here.send([Buffer.from(`${i}`)])
        await turns(20)
        const sink = new Collector()
        there.start(sink)
        await sink.has(100)
        assert.deepEqual(
          sink.texts,
          Array.from({ length: 100 }, (_, i) => `${i}`),
        )
      })

      it("may be paused before `start`", async () => {
        const { here, there } = await meet()
        new Collector(here)
        there.pause()
        const sink = new Collector(there)
        here.send([Buffer.from("x")])
        await turns(20)
        assert.equal(sink.count, 0)
        there.resume()
        await sink.has(1)
      })

      it("stops with `pause` from within a delivery: nothing more comes until `resume`", async () => {
        const { here, there } = await meet()
        new Collector(here)
        const sink = new Collector()
        sink.onMessage = () => {
          if (sink.count % 100 === 0) there.pause()
        }
        there.start(sink)
        for (let i = 0; i < 1_000; i++) here.send([Buffer.from(`${i}`)])
        for (let stop = 100; stop <= 1_000; stop += 100) {
          await sink.has(stop)
          await turns(5)
          assert.equal(sink.count, stop)
          there.resume()
        }
        assert.deepEqual(
          sink.texts,
          Array.from({ length: 1_000 }, (_, i) => `${i}`),
        )
      })

      it("is bounded: `send` says false when the peer does not read; `drain` follows when it does", async () => {
        const { here, there } = await meet()
        const [a, b] = [new Collector(here), new Collector(there)]
        b.keeps = false
        there.pause()
        const taken = await fill(here)
        assert.ok(taken > 0)
        const { drains } = a
        there.resume()
        await until(() => a.drains > drains)
        await b.has(taken)
        assert.equal(b.count, taken, "each that was taken arrived, once")
        assert.equal(here.send([Buffer.from("on")]), true)
        await b.has(taken + 1)
      })

      it("calls `drain` only after a false", async () => {
        const { here, there } = await meet()
        const [a, b] = [new Collector(here), new Collector(there)]
        for (let i = 0; i < 50; i++) {
          assert.equal(here.send([Buffer.from("small")]), true)
          await b.has(i + 1)
        }
        await turns(5)
        assert.equal(a.drains, 0)
      })

      it("of one connection does not stop another", async () => {
        const [listener, door] = await listen(endpoints.any(), local("PAIR"))
        const [slow, quick] = [
          await dial(listener.endpoint, local("PAIR")),
          await dial(listener.endpoint, local("PAIR")),
        ]
        const ends = [await door.next(), await door.next()]
        for (const end of ends) new Collector(end)
        const [a, b] = [new Collector(slow), new Collector(quick)]
        b.keeps = false
        slow.pause()
        await fill(ends[0])
        for (let i = 0; i < 100; i++) {
          ends[1].send([Buffer.alloc(10_000)])
          await b.has(i + 1)
        }
        assert.equal(a.count, 0)
      })
    })

    describe("the end", () => {
      it("by `end` comes after everything that was sent, and is in order on both sides", async () => {
        const { here, there } = await meet()
        const [a, b] = [new Collector(here), new Collector(there)]
        for (let i = 0; i < 1_500; i++) here.send([Buffer.from(`${i}`), Buffer.alloc(2_000)])
        here.end()
        here.end()
        await b.gone()
        await a.gone()
        assert.equal(b.count, 1_500)
        assert.equal(b.messages[1_499][0].toString(), "1499")
        assert.deepEqual([a.closes, b.closes], [1, 1])
        assert.equal(a.reason, undefined)
        assert.equal(b.reason, undefined)
        await turns(5)
        assert.deepEqual([a.closes, b.closes, a.late, b.late], [1, 1, 0, 0])
      })

      it("by `end` waits for a peer that is paused", async () => {
        const { here, there } = await meet()
        const [a, b] = [new Collector(here), new Collector(there)]
        there.pause()
        for (let i = 0; i < 10; i++) here.send([Buffer.from(`${i}`)])
        here.end()
        await turns(20)
        assert.equal(b.count, 0)
        there.resume()
        await b.gone()
        assert.equal(b.count, 10)
        await a.gone()
        assert.equal(a.reason, undefined)
      })

      it("by `end` of both at once is in order", async () => {
        const { here, there } = await meet()
        const [a, b] = [new Collector(here), new Collector(there)]
        here.end()
        there.end()
        await a.gone()
        await b.gone()
        assert.deepEqual([a.closes, b.closes, a.reason, b.reason], [1, 1, undefined, undefined])
      })

      it("by `close` is told at once here, and soon there; each once", async () => {
        const { here, there } = await meet()
        const [a, b] = [new Collector(here), new Collector(there)]
        const reason = new Error("enough")
        here.close(reason)
        here.close()
        here.end()
        await b.gone()
        await a.gone()
        assert.equal(a.reason, reason)
        there.close()
        await turns(5)
        assert.deepEqual([a.closes, b.closes, a.late, b.late], [1, 1, 0, 0])
      })

      it("by `close` with a fault of the peer's tells the peer", async () => {
        const { here, there } = await meet()
        const [a, b] = [new Collector(here), new Collector(there)]
        here.close(new HeddleError("ERR_PEER_IDENTITY", "your name is taken", { fatal: true }))
        await b.gone()
        assert.equal((b.reason as HeddleError).code, "ERR_ZMTP_PEER_ERROR")
        assert.match((b.reason as HeddleError).message, /your name is taken/)
        assert.ok(b.reason instanceof HeddleError)
        assert.equal(a.closes, 1)
      })

      it("before `start` is told by `start`, here and there", async () => {
        const { here, there } = await meet()
        here.close()
        const a = await new Collector(here).gone()
        await turns(20)
        const b = await new Collector(there).gone()
        assert.deepEqual([a.closes, b.closes], [1, 1])
      })

      it("of a peer leaves what it had sent readable, also before `start`", async () => {
        const { here, there } = await meet()
        const a = new Collector(here)
        for (let i = 0; i < 10; i++) here.send([Buffer.from(`${i}`)])
        here.end()
        await turns(20)
        const b = new Collector(there)
        await b.gone()
        assert.equal(b.count, 10)
        await a.gone()
      })

      it("of a full connection is its end here, too: no `drain` follows", async () => {
        const { here, there } = await meet()
        const [a, b] = [new Collector(here), new Collector(there)]
        there.pause()
        await fill(here)
        const { drains } = a
        here.close()
        there.resume()
        await b.gone()
        await turns(20)
        assert.deepEqual([a.closes, a.drains - drains, a.late], [1, 0, 0])
      })

      it("of the peer of a full connection is told once, and no `drain` follows", async () => {
        const { here, there } = await meet()
        const [a, b] = [new Collector(here), new Collector(there)]
        there.pause()
        await fill(here)
        there.close()
        await a.gone()
        await turns(20)
        assert.deepEqual([a.closes, b.closes, a.late, b.late], [1, 1, 0, 0])
      })

      it("from within a delivery is the last that is delivered", async () => {
        const { here, there } = await meet()
        new Collector(here)
        const sink = new Collector()
        sink.onMessage = () => {
          if (sink.count === 3) there.close()
        }
        there.start(sink)
        for (let i = 0; i < 100; i++) here.send([Buffer.from(`${i}`)])
        await sink.gone()
        await turns(5)
        assert.equal(sink.count, 3)
        assert.deepEqual([sink.closes, sink.late], [1, 0])
      })

      it("makes every further call harmless", async () => {
        const { here, there } = await meet()
        const [a, b] = [new Collector(here), new Collector(there)]
        here.close()
        await b.gone()
        for (const one of [here, there]) {
          one.send([Buffer.from("x")])
          one.control("SUBSCRIBE", Buffer.alloc(0))
          one.pause()
          one.resume()
          one.end()
          one.close(new Error("again"))
        }
        await turns(5)
        assert.deepEqual([a.closes, b.closes, a.late, b.late, a.count, b.count], [1, 1, 0, 0, 0, 0])
      })
    })
  })
}

/** Messages that filling takes at once; 16 KiB each. */
const FILLER: Message = [Buffer.alloc(16 * 1024, "f")]
/** More than any connection may hold for a peer that does not read: 128 MiB. */
const TOO_MUCH = 8 * 1024

/** Sends to a peer that does not read until nothing more is taken, and stays so. Returns how many were taken. */
async function fill(connection: Connection): Promise<number> {
  let taken = 0
  for (let quiet = 0; quiet < 20; quiet++) {
    // One by one after a false: it must be taken, and a connection that has room again would have said so.
    for (let going = true; going; taken++) {
      if (taken >= TOO_MUCH) assert.fail(`${taken} messages of 16 KiB were taken for a peer that does not read`)
      going = connection.send(FILLER)
      if (going) quiet = 0
    }
    await turns(2)
  }
  return taken
}

function assertSame(actual: Message, expected: Message): void {
  assert.equal(actual.length, expected.length)
  for (let i = 0; i < expected.length; i++) {
    assert.ok(actual[i].equals(expected[i]), `frame ${i} of ${expected.length} differs`)
  }
}
