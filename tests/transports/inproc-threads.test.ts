import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import type { Connection, Listener, Message } from "../../core/contract.ts"
import { HeddleError } from "../../core/errors.ts"
import { InprocTransport } from "../../transports/inproc/index.ts"
import {
  Accepting,
  countFired,
  dial,
  endpoint,
  generator,
  handshake,
  newSeed,
  patterned,
  Recorder,
  randomMessage,
  type Side,
  same,
  until,
} from "./inproc-fixtures/ends.ts"
import { Remote, stopAll } from "./inproc-fixtures/remote.ts"

const LARGEST = 300_000

describe("inproc between threads", function () {
  this.timeout(120_000)
  let transport: InprocTransport
  let listeners: Listener[]
  beforeEach(() => {
    transport = new InprocTransport()
    listeners = []
  })
  afterEach(async () => {
    await stopAll()
    for (const listener of listeners) await listener.close()
  })

  async function listen(name = "n", side: Side = {}, on = transport): Promise<Accepting> {
    const accepting = new Accepting()
    listeners.push(await on.listen(endpoint(name), handshake(side), accepting))
    return accepting
  }

  /** The worker listens, this thread dials. */
  async function connect(
    remote: Remote,
    mine: Side = {},
    theirs: Side = {},
    on = transport,
  ): Promise<[Connection, Recorder]> {
    await remote.tell({ do: "listen", side: theirs })
    const connection = await dial(on, "n", mine)
    await remote.tell({ do: "await" })
    const heard = new Recorder()
    connection.start(heard)
    return [connection, heard]
  }

  /** Every thread has heard of every other one: each has announced a name, and had a turn since. */
  async function acquaint(...remotes: Remote[]): Promise<void> {
    await listen(`warm ${Math.random()}`)
    for (const remote of remotes) {
      const name = `warm ${Math.random()}`
      await remote.tell({ do: "listen", name })
      await dial(transport, name)
    }
    for (const remote of [...remotes, ...remotes]) await remote.report()
  }

  describe("finding one another", () => {
    it("reaches a name that a worker has bound", async () => {
      const remote = new Remote()
      const [connection, heard] = await connect(remote)
      await remote.tell({ do: "echo" })
      connection.send([Buffer.from("hello"), Buffer.alloc(0), Buffer.from("world")])
      connection.control("SUBSCRIBE", Buffer.from("topic"))
      await until(() => heard.events.length === 2, "the echo")
      assert.deepEqual(heard.events, ["hello||world", "SUBSCRIBE topic"])
    })

    it("is found by a worker that starts later", async () => {
      const accepting = await listen()
      const remote = new Remote()
      await remote.tell({ do: "dial" })
      const connection = await accepting.next()
      assert.deepEqual(accepting.addresses, ["inproc://n"])
      connection.start(new Recorder())
      connection.send([Buffer.from("x")])
      await remote.reported(r => r.messages === 1, "the message")
    })

    it("lets dials wait for a listener in another thread, on either side", async () => {
      const remote = new Remote()
      await remote.report()
      const dialling = dial(transport, "theirs")
      const dialled = remote.tell({ do: "dial", name: "ours" })
      await new Promise(resolve => setTimeout(resolve, 20))
      const accepting = await listen("ours")
      await dialled
      await accepting.next()
      await remote.tell({ do: "listen", name: "theirs" })
      await dialling
    })

    it("connects two workers while the main thread takes no part", async () => {
      const [a, b] = [new Remote(), new Remote()]
      await a.tell({ do: "listen", name: "between" })
      await b.tell({ do: "dial", name: "between" })
      await a.tell({ do: "await" })
      await b.tell({ do: "send", count: 10, size: 100 })
      await a.reported(r => r.messages === 10, "ten messages")
    })

    it("prefers the thread's own listener", async () => {
      const accepting = await listen()
      await dial(transport, "n")
      assert.equal(accepting.connections.length, 1)
    })

    it("tells each side who the other is", async () => {
      const remote = new Remote()
      const metadata = new Map([["X-Colour", Buffer.from("blue")]])
      const [connection] = await connect(
        remote,
        { hello: { socketType: "DEALER", routingId: Buffer.from("me"), metadata } },
        { hello: { socketType: "ROUTER", routingId: Buffer.from("you") } },
      )
      assert.equal(connection.peer.socketType, "ROUTER")
      assert.equal(connection.peer.routingId.toString(), "you")
      assert.equal(connection.peer.mechanism, "NULL")
      assert.equal(connection.peer.address, "inproc://n")
      assert.ok(Buffer.isBuffer(connection.peer.routingId))
      const { peer } = await remote.report()
      assert.deepEqual(peer, {
        socketType: "DEALER",
        routingId: "me",
        metadata: [["X-Colour", "blue"]],
        address: "inproc://n",
      })
    })

    it("keeps scopes apart", async () => {
      const remote = new Remote({ scope: "blue" })
      await remote.tell({ do: "listen" })
      const abort = new AbortController()
      const dialling = transport.dial(endpoint("n"), handshake(), abort.signal)
      await dial(new InprocTransport({ scope: "blue" }), "n")
      abort.abort()
      await assert.rejects(dialling, { code: "ECONNABORTED" })
    })

    it("refuses a name that another thread has, until it is free", async () => {
      const [remote, other] = [new Remote(), new Remote()]
      await acquaint(remote, other)
      await remote.tell({ do: "listen" })
      await assert.rejects(listen(), { code: "EADDRINUSE" })
      await listen("mine")
      await assert.rejects(other.tell({ do: "listen", name: "mine" }), { code: "EADDRINUSE" })
      await assert.rejects(other.tell({ do: "listen" }), { code: "EADDRINUSE" })
      await remote.tell({ do: "unlisten" })
      await listen()
    })

    it("reports a name that a busy thread has, when that thread can say so", async () => {
      const remote = new Remote()
      await acquaint(remote)
      await remote.tell({ do: "listen" })
      const busy = await remote.block(600)
      const accepting = await listen()
      assert.equal(accepting.failures.length, 0)
      await busy.done
      await until(() => accepting.failures.length === 1, "the objection")
      assert.equal((accepting.failures[0] as HeddleError).code, "EADDRINUSE")
    })

    it("gives a name to one of several threads that want it at once", async () => {
      const remotes = [new Remote(), new Remote(), new Remote()]
      await acquaint(...remotes)
      const results = await Promise.allSettled(remotes.map(remote => remote.tell({ do: "listen" })))
      assert.equal(results.filter(result => result.status === "fulfilled").length, 1)
      await dial(transport, "n")
    })

    it("waits for the next listener when the one it found ends in the handshake", async () => {
      const remote = new Remote()
      await remote.tell({ do: "listen", milliseconds: 60_000 })
      const dialling = dial(transport, "n")
      await new Promise(resolve => setTimeout(resolve, 50))
      await remote.stop()
      const next = new Remote()
      await next.tell({ do: "listen" })
      await dialling
    })

    it("gives up a dial by its signal while it shakes hands", async () => {
      const remote = new Remote()
      await remote.tell({ do: "listen", milliseconds: 1000 })
      const abort = new AbortController()
      const dialling = transport.dial(endpoint("n"), handshake(), abort.signal)
      await new Promise(resolve => setTimeout(resolve, 50))
      abort.abort()
      await assert.rejects(dialling, { code: "ECONNABORTED" })
      // The listener goes on.
      await dial(transport, "n")
    })

    it("rejects a dial whose peer is too busy to shake hands", async () => {
      const remote = new Remote()
      await remote.tell({ do: "listen", milliseconds: 300 })
      await assert.rejects(dial(transport, "n", { limits: { handshakeInterval: 20 } }), {
        code: "ERR_HANDSHAKE_TIMEOUT",
        fatal: false,
      })
      const report = await remote.reported(r => r.failures.length > 0, "the failure at the listener")
      assert.deepEqual(report.failures, ["ECONNRESET"])
    })

    for (const who of ["listener", "caller"] as const) {
      it(`rejects the dial for good when the ${who} refuses`, async () => {
        const remote = new Remote()
        await remote.tell({ do: "listen", refuse: who === "listener" })
        const admit = (): void => {
          if (who === "caller") throw new HeddleError("ERR_PEER_INCOMPATIBLE", "not with you")
        }
        await assert.rejects(dial(transport, "n", { admit }), {
          name: "HeddleError",
          code: "ERR_PEER_INCOMPATIBLE",
          message: "not with you",
          fatal: true,
        })
        const report = await remote.reported(r => r.failures.length > 0, "the failure at the listener")
        assert.deepEqual(report.failures, ["ERR_PEER_INCOMPATIBLE"])
      })
    }
  })

  describe("messages", () => {
    for (const ringSize of [4096, 262_144]) {
      it(`come back whole and in order, of all sizes, with rings of ${ringSize} bytes`, async () => {
        const seed = newSeed()
        const remote = new Remote({ ringSize })
        const [connection, heard] = await connect(remote, {}, {}, new InprocTransport({ ringSize }))
        await remote.tell({ do: "echo" })
        const random = generator(seed)
        const sent: Message[] = []
        let wrong = -1
        heard.onMessage = m => {
          if (!same(m, sent[heard.messages.length - 1]) && wrong < 0) wrong = heard.messages.length - 1
        }
        const total = 3000
        const go = (): void => {
          while (sent.length < total) {
            const m = randomMessage(random, LARGEST)
            sent.push(m)
            if (!connection.send(m)) return
          }
        }
        heard.onDrain = go
        go()
        await until(() => heard.messages.length === total, `the echo (seed ${seed})`)
        assert.equal(wrong, -1, `seed ${seed}`)
      })
    }

    it("pass at the edges of the ways they may take", async () => {
      const remote = new Remote()
      const [connection, heard] = await connect(remote)
      await remote.tell({ do: "echo" })
      const edges = [0, 1, 7, 8, 9, 16_383, 16_384, 16_385, 65_536, 1 << 20, (8 << 20) + 1]
      const sent: Message[] = edges.map(size => [patterned(size, size)])
      sent.push(Array.from({ length: 10_000 }, () => Buffer.alloc(0)))
      sent.push([patterned(20_000, 1), Buffer.alloc(0), patterned(10, 2), patterned(20_000, 3)])
      for (const m of sent) connection.send(m)
      await until(() => heard.messages.length === sent.length, "all of them")
      sent.forEach((m, i) => {
        assert.ok(same(m, heard.messages[i]), `message ${i}`)
      })
      assert.ok(connection.bytesSent > 9 << 20)
      assert.equal(connection.bytesReceived, connection.bytesSent)
    })

    it("leave the sender's memory alone", async () => {
      const remote = new Remote()
      const [connection, heard] = await connect(remote)
      await remote.tell({ do: "echo" })
      const frame = patterned(100_000, 5)
      connection.send([frame])
      connection.send([frame])
      await until(() => heard.messages.length === 2, "the echo")
      assert.equal(frame.length, 100_000)
      assert.ok(same([frame], heard.messages[0]))
      assert.ok(same([frame], heard.messages[1]))
    })

    it("pass large frames in shared memory without a copy", async () => {
      const remote = new Remote()
      const [connection, heard] = await connect(remote)
      await remote.tell({ do: "echo" })
      const frame = Buffer.from(new SharedArrayBuffer(100_000), 8, 90_000)
      frame.fill(1)
      connection.send([Buffer.from("head"), frame, Buffer.from("tail")])
      await until(() => heard.messages.length === 1, "the echo")
      const [head, body, tail] = heard.messages[0]
      assert.deepEqual([head.toString(), tail.toString(), body.length], ["head", "tail", 90_000])
      frame[77] = 42
      assert.equal(body[77], 42, "it is the same memory")
    })

    it("carry notices of any size in order", async () => {
      const remote = new Remote()
      const [connection, heard] = await connect(remote)
      await remote.tell({ do: "echo" })
      connection.control("SUBSCRIBE", Buffer.from("a"))
      connection.send([Buffer.from("m")])
      connection.control("CANCEL", Buffer.alloc(200_000, "b"))
      connection.control("JOIN", Buffer.alloc(0))
      connection.send([Buffer.alloc(20_000, "n")])
      connection.control("LEAVE", Buffer.from("c"))
      await until(() => heard.events.length === 6, "all")
      assert.deepEqual(heard.events, [
        "SUBSCRIBE a",
        "m",
        `CANCEL ${"b".repeat(40)}`,
        "JOIN ",
        "n".repeat(40),
        "LEAVE c",
      ])
      const { controls } = await remote.report()
      assert.equal(controls[1], `CANCEL 200000 ${"b".repeat(20)}`)
    })

    for (const busyPoll of [0, 50])
      it(`arrive one by one, whatever the pauses between them: no bell is missed (${busyPoll})`, async () => {
        const seed = newSeed()
        const random = generator(seed)
        const remote = new Remote({ busyPoll })
        const [connection, heard] = await connect(remote, {}, {}, new InprocTransport({ busyPoll }))
        await remote.tell({ do: "echo" })
        for (let i = 1; i <= 500; i++) {
          connection.send([Buffer.from([i & 0xff])])
          await until(() => heard.messages.length === i, `echo ${i} (seed ${seed})`)
          const pause = random()
          if (pause < 0.3) await new Promise(resolve => setTimeout(resolve, pause * 10))
          else for (let turns = pause * 40; turns > 0; turns--) await new Promise(resolve => setImmediate(resolve))
        }
      })

    it("come from many threads at once, each in order", async () => {
      const seed = newSeed()
      const accepting = await listen()
      const count = 3000
      const remotes = await Promise.all(
        Array.from({ length: 4 }, async (_, i) => {
          const remote = new Remote()
          await remote.tell({ do: "dial", side: { hello: { routingId: Buffer.from([i]) } } })
          return remote
        }),
      )
      const heard = await Promise.all(
        remotes.map(async () => {
          const connection = await accepting.next()
          const random = generator(seed + connection.peer.routingId[0])
          const recorder = new Recorder()
          let wrong = 0
          recorder.onMessage = m => {
            if (!same(m, randomMessage(random, 50_000))) wrong++
          }
          connection.start(recorder)
          return { recorder, wrong: () => wrong }
        }),
      )
      await Promise.all(remotes.map((remote, i) => remote.tell({ do: "random", seed: seed + i, count, size: 50_000 })))
      await until(() => heard.every(one => one.recorder.messages.length === count), `all messages (seed ${seed})`)
      assert.deepEqual(
        heard.map(one => one.wrong()),
        [0, 0, 0, 0],
        `seed ${seed}`,
      )
    })

    it("wait in the ring while the other thread is busy", async () => {
      const remote = new Remote()
      const [connection] = await connect(remote)
      const busy = await remote.block(100)
      for (let i = 0; i < 100; i++) connection.send([Buffer.alloc(100)])
      await busy.done
      await remote.reported(r => r.messages === 100, "all of them")
    })
  })

  describe("back-pressure", () => {
    it("holds the sum of both high-water marks, and drains at half", async () => {
      const remote = new Remote()
      const [connection, heard] = await connect(
        remote,
        { limits: { sendHighWaterMark: 3, receiveHighWaterMark: 50 } },
        { limits: { sendHighWaterMark: 50, receiveHighWaterMark: 4 } },
      )
      await remote.tell({ do: "pause" })
      const answers = Array.from({ length: 7 }, () => connection.send([Buffer.from("x")]))
      assert.deepEqual(answers, [true, true, true, true, true, true, false])
      await new Promise(resolve => setTimeout(resolve, 10))
      assert.equal(heard.drains, 0)
      await remote.tell({ do: "resume" })
      await until(() => heard.drains === 1, "drain")
      assert.equal((await remote.report()).messages, 7)
      // The other direction has its own limit: 100.
      connection.pause()
      const theirs = (await remote.tell({ do: "send", count: 100, size: 10 })) as boolean[]
      assert.equal(theirs.indexOf(false), 99)
      connection.resume()
      await until(() => heard.messages.length === 100, "all of theirs")
    })

    it("tells the sender to stop when the ring is full, though there is no limit", async () => {
      const remote = new Remote({ ringSize: 4096 })
      const none = { limits: { sendHighWaterMark: 0, receiveHighWaterMark: 0 } }
      const [connection, heard] = await connect(remote, none, none, new InprocTransport({ ringSize: 4096 }))
      await remote.tell({ do: "pause" })
      let taken = 1
      while (connection.send([Buffer.alloc(100)])) taken++
      assert.ok(taken < 50, `${taken} messages of 100 bytes in a ring of 4096`)
      for (let i = 0; i < 1000; i++) assert.equal(connection.send([Buffer.alloc(100)]), false)
      await remote.tell({ do: "resume" })
      await until(() => heard.drains === 1, "drain")
      await remote.reported(r => r.messages === taken + 1000, "all, also what was sent in spite of false")
    })

    it("takes what is larger than the ring one at a time", async () => {
      const remote = new Remote()
      const none = { limits: { sendHighWaterMark: 0, receiveHighWaterMark: 0 } }
      const [connection, heard] = await connect(remote, none, none)
      await remote.tell({ do: "pause" })
      assert.equal(connection.send([patterned(1 << 20, 1)]), false)
      connection.control("JOIN", Buffer.from("between"))
      assert.equal(connection.send([patterned(20 << 20, 2), Buffer.from("end")]), false)
      assert.equal(heard.drains, 0)
      await remote.tell({ do: "resume" })
      await until(() => heard.drains === 1, "drain")
      const report = await remote.reported(r => r.messages === 2, "both")
      assert.equal(report.bytes, (21 << 20) + 3)
      assert.deepEqual(report.controls, ["JOIN 7 between"])
    })

    it("bounds how many messages in shared memory are on the way", async () => {
      const remote = new Remote({ ringSize: 4096 })
      const none = { limits: { sendHighWaterMark: 0, receiveHighWaterMark: 0 } }
      const [connection] = await connect(remote, none, none, new InprocTransport({ ringSize: 4096 }))
      await remote.tell({ do: "pause" })
      const frame = Buffer.from(new SharedArrayBuffer(100_000))
      let taken = 1
      while (connection.send([frame])) taken++
      assert.ok(taken <= 4096 / 8 + 1, `${taken} messages`)
      await remote.tell({ do: "resume" })
      await remote.reported(r => r.messages === taken, "all")
    })

    it("delivers nothing after pause, and goes on after resume", async () => {
      const remote = new Remote()
      const [connection, heard] = await connect(remote)
      heard.onMessage = () => {
        if (heard.messages.length === 3) connection.pause()
      }
      await remote.tell({ do: "send", count: 10 })
      await until(() => heard.messages.length === 3, "three")
      await new Promise(resolve => setTimeout(resolve, 10))
      assert.equal(heard.messages.length, 3)
      connection.resume()
      assert.equal(heard.messages.length, 3)
      await until(() => heard.messages.length === 10, "the rest")
    })
  })

  describe("ends", () => {
    it("delivers all that was sent before end, then closes both sides once", async () => {
      const seed = newSeed()
      const remote = new Remote()
      const [connection, heard] = await connect(remote)
      await remote.tell({ do: "expect", seed, size: LARGEST })
      const random = generator(seed)
      for (let i = 0; i < 3000; i++) connection.send(randomMessage(random, LARGEST))
      connection.end()
      connection.end()
      assert.equal(connection.send([Buffer.from("late")]), false)
      const report = await remote.reported(r => r.closings > 0, "closed there")
      await until(() => heard.closings > 0, "closed here")
      assert.equal(report.messages, 3000)
      assert.equal(report.wrong, -1, `seed ${seed}`)
      assert.equal(report.reason, "")
      assert.equal(heard.reason, undefined)
      connection.close()
      await new Promise(resolve => setTimeout(resolve, 10))
      assert.equal(heard.closings, 1)
      assert.equal((await remote.report()).closings, 1)
    })

    it("ends when both say goodbye at once", async () => {
      const remote = new Remote()
      const [connection, heard] = await connect(remote)
      const told = remote.tell({ do: "end" })
      connection.end()
      await told
      await until(() => heard.closings === 1, "closed here")
      await remote.reported(r => r.closings === 1, "closed there")
    })

    it("ends when both say goodbye and neither reads any more", async () => {
      const second = new Remote()
      const [again, heardAgain] = await connect(second)
      await second.tell({ do: "pause" })
      again.send([Buffer.alloc(10)])
      again.end()
      await second.tell({ do: "end" })
      await until(() => heardAgain.closings === 1, "closed here")
      await second.reported(r => r.closings === 1, "closed there")
    })

    it("closes at once here, and soon there, with the reason", async () => {
      for (const [reason, code] of [
        [undefined, ""],
        [new Error("tired"), "ECONNRESET"],
        [new HeddleError("EPROTO", "nonsense", { fatal: true }), "ERR_ZMTP_PEER_ERROR"],
      ] as const) {
        const remote = new Remote()
        const [connection, heard] = await connect(remote)
        await remote.tell({ do: "pause" })
        connection.send([Buffer.from("lost")])
        connection.close(reason)
        assert.equal(heard.closings, 1)
        assert.equal(heard.reason, reason)
        const report = await remote.reported(r => r.closings === 1, "closed there")
        assert.equal(report.reason, code)
        assert.equal(report.messages, 0)
        await remote.stop()
      }
    })

    for (const size of [64, 100_000]) {
      it(`notices a worker that is terminated in the middle of a flood of ${size} bytes`, async () => {
        const remote = new Remote()
        const [connection, heard] = await connect(remote)
        heard.onMessage = ([frame]) => {
          const index = heard.messages.length - 1
          assert.equal(frame.readUInt32LE(), index)
          assert.equal(frame.length, size)
        }
        await remote.tell({ do: "flood", size })
        await until(() => heard.messages.length > 100, "some messages")
        await remote.stop()
        await until(() => heard.closings === 1, "closed")
        assert.equal((heard.reason as HeddleError).code, "ECONNRESET")
        assert.equal(connection.send([Buffer.from("x")]), false)
      })
    }

    it("notices a worker that exits, and delivers what it had published", async () => {
      const remote = new Remote()
      const [connection, heard] = await connect(remote)
      connection.pause()
      await remote.tell({ do: "send", count: 50, size: 10 })
      remote.tell({ do: "exit" }).catch(() => {})
      await until(() => remote.exited, "the exit")
      assert.equal(heard.closings, 0)
      connection.resume()
      await until(() => heard.closings === 1, "closed")
      assert.equal(heard.messages.length, 50)
      assert.equal((heard.reason as HeddleError).code, "ECONNRESET")
    })

    it("notices a worker that has nothing more to do", async () => {
      const remote = new Remote()
      const [, heard] = await connect(remote)
      await remote.tell({ do: "leave" })
      await until(() => heard.closings === 1, "closed")
      await until(() => remote.exited, "the exit")
    })

    it("notices the death of a thread that it sends to", async () => {
      const remote = new Remote()
      const [connection, heard] = await connect(remote)
      let sent = 0
      const go = (): void => {
        while (heard.closings === 0 && sent++ < 1e9) {
          if (!connection.send([Buffer.alloc(64)])) return
          if (sent % 256 === 0) {
            setImmediate(go)
            return
          }
        }
      }
      heard.onDrain = go
      go()
      await until(() => sent > 10_000, "a flood")
      await remote.stop()
      await until(() => heard.closings === 1, "closed")
    })

    it("ends a goodbye to a thread that is gone", async () => {
      const remote = new Remote()
      const [connection, heard] = await connect(remote)
      await remote.tell({ do: "pause" })
      connection.end()
      await remote.stop()
      await until(() => heard.closings === 1, "closed")
      assert.equal(heard.reason, undefined)
    })

    it("is told about a connection to a thread that died before start", async () => {
      const remote = new Remote()
      await remote.tell({ do: "listen" })
      const connection = await dial(transport, "n")
      await remote.tell({ do: "await" })
      await remote.tell({ do: "send", count: 2 })
      await remote.stop()
      await new Promise(resolve => setTimeout(resolve, 10))
      const heard = new Recorder()
      connection.start(heard)
      await until(() => heard.closings === 1, "closed")
      assert.equal(heard.messages.length, 2)
    })

    it("frees the names of a thread that died, and waits for it no more", async () => {
      const [remote, other] = [new Remote(), new Remote()]
      await acquaint(remote, other)
      await remote.tell({ do: "listen" })
      await other.stop()
      await remote.stop()
      // Patience with a thread that does not answer ends with this timer.
      const patience = countFired(250)
      try {
        await listen()
      } finally {
        assert.equal(patience.stop(), 0)
      }
    })

    for (const order of ["worker-first", "main-first"]) {
      it(`keeps no thread alive by itself (${order})`, async () => {
        const script = fileURLToPath(new URL("./inproc-fixtures/no-hold.js", import.meta.url))
        const { stdout } = await promisify(execFile)(process.execPath, [script, order], { timeout: 60_000 })
        assert.equal(stdout, "done\n")
      })
    }
  })
})
