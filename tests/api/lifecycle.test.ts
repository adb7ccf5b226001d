import assert from "node:assert/strict"
import { once } from "node:events"
import net from "node:net"
import * as heddle from "../../index.ts"
import { Context, Dealer, Pair, Pull, Push, Reply, Request, Subscriber } from "../../index.ts"
import { freeTcp } from "../support/addresses.ts"
import { closesAfterEach, using } from "../support/cleanup.ts"
import { coded, standing } from "../support/pattern.ts"
import { Program, runModule } from "../support/processes.ts"
import { lastingIpc } from "../support/sockets.ts"
import { turns } from "../support/wait.ts"

/** A program that uses the package, and says when it ends by itself. tests/core/keep-alive.test.ts has the simple cases. */
const source = (body: string): string => `
  import * as heddle from "${new URL("../../index.js", import.meta.url)}"
  const { Context, Publisher, Pull, Push, Subscriber } = heddle
  const say = text => process.stdout.write(text + "\\n")
  process.once("exit", () => say("exit"))
  ${body}
`

type AnySocket = heddle.Socket & { [name: string]: unknown }
const CLASSES = Object.entries(heddle).filter(
  ([, value]) => typeof value === "function" && value.prototype instanceof heddle.Socket,
) as unknown as [string, new () => AnySocket][]

/** One pair of addresses to bind: they stay the same when the binder goes. */
const ADDRESSES: [string, () => string | Promise<string>][] = [
  ["tcp", freeTcp],
  ["ipc", lastingIpc],
]

describe("How a program ends", () => {
  closesAfterEach()

  it("by itself, with open sockets of every class that are bound and connected", async () => {
    const { code, output } = await runModule(
      source(`
        const names = ${JSON.stringify(CLASSES.map(([name]) => name))}
        for (const name of names) {
          const socket = new heddle[name]()
          await socket.bind(name === "Datagram" ? "udp://127.0.0.1:*" : "tcp://127.0.0.1:*")
          if (name !== "Stream" && name !== "Datagram") socket.connect("tcp://127.0.0.1:1")
        }
        const pull = new Pull()
        await pull.bind("ipc://*")
        const push = new Push()
        push.connect(pull.lastEndpoint)
        await Promise.all([push.ready(), pull.ready()])
        say(names.length)
      `),
    )
    assert.deepEqual([code, output], [0, `${CLASSES.length}\nexit\n`])
  })

  it("not while a for await, a consume or a wait for peers is pending, and then at once", async () => {
    for (const waiting of [
      "for await (const message of socket) say(message[0])",
      "for await (const [message] of socket.batches()) say(message[0])",
      "await new Promise(resolve => { const consumer = socket.consume(m => { say(m[0]); resolve(consumer.stop()) }) })",
      "await socket.ready(); say(await socket.receive())",
    ]) {
      const address = lastingIpc()
      const program = Program.start(
        source(`
          const socket = new Pull()
          await socket.bind("${address}")
          setTimeout(() => say("unref'd timer"), 50).unref()
          process.nextTick(() => say("bound"))
          socket.events.on("disconnect", () => socket.close())
          ${waiting}
        `),
      )
      await program.says(/unref'd timer/)
      const push = using(new Push())
      push.connect(address)
      await push.send("message")
      await push.close()
      assert.equal(await program.exited, 0)
      assert.match(program.output, /message\nexit\n$/)
    }
  })

  it("sends what is queued to a peer that comes late, when the last statement was a send", async () => {
    const address = await freeTcp()
    const program = Program.start(
      source(`
        const push = new Push({ reconnectInterval: 5, reconnectMaxInterval: 20 })
        push.connect("${address}")
        for (let i = 0; i < 500; i++) await push.send(String(i))
        say("sent")
      `),
    )
    await program.says(/sent/)
    const pull = using(new Pull())
    await pull.bind(address)
    for (let i = 0; i < 500; i++) assert.equal(`${await pull.receive()}`, `${i}`)
    assert.equal(await program.exited, 0)
    assert.equal(program.output, "sent\nexit\n")
  })

  it("with blocky: false or linger: 0 it does not wait for that peer", async () => {
    const address = await freeTcp()
    for (const options of ["context: new Context({ blocky: false }), linger: -1", "linger: 0"]) {
      const { code, output } = await runModule(
        source(`
          const push = new Push({ ${options} })
          push.connect("${address}")
          await push.send("for nobody")
        `),
      )
      assert.deepEqual([code, output], [0, "exit\n"])
    }
  })
})

describe("close", () => {
  closesAfterEach()

  for (const [name, free] of ADDRESSES) {
    it(`frees the address at once, 20 times, with a connected peer (${name})`, async () => {
      const address = await free()
      const push = using(new Push({ reconnectInterval: 1, reconnectMaxInterval: 5 }))
      push.connect(address)
      for (let i = 0; i < 20; i++) {
        const pull = using(new Pull())
        await pull.bind(address)
        await pull.ready()
        await pull.close()
      }
    })
  }

  it("unbind frees the port for a server of another kind", async () => {
    const pull = using(new Pull())
    await pull.bind("tcp://127.0.0.1:*")
    const address = pull.lastEndpoint as string
    await pull.unbind(address)
    const server = net.createServer().listen(Number(new URL(address).port), "127.0.0.1")
    await once(server, "listening")
    server.close()
    await once(server, "close")
  })

  it("await using closes, also when the block throws", async () => {
    const address = await freeTcp()
    await assert.rejects(async () => {
      await using context = new Context()
      await using pull = new Pull({ context })
      await pull.bind(address)
      throw new Error("in the block")
    }, /in the block/)
    await using again = new Pull()
    await again.bind(address)
  })

  it("rejects those who wait with EAGAIN, and what comes later with EBADF", async () => {
    const push = using(new Push())
    const sends = [push.send("a"), push.send("b")]
    assert.equal(await standing(sends[0]), "waits")
    const pull = using(new Pull())
    const receives = [pull.receive(), pull.receive(), pull.receiveMany()]
    const ready = pull.ready()
    const closes = [push.close(), pull.close()]
    assert.ok(push.closed && pull.closed)
    for (const waiting of [...sends, ...receives]) await assert.rejects(waiting, coded("EAGAIN"))
    await assert.rejects(ready, coded("EBADF"))
    await Promise.all(closes)
    await assert.rejects(push.send("c"), coded("EBADF"))
    await assert.rejects(pull.receive(), coded("EBADF"))
  })

  for (const [name, Class] of CLASSES) {
    it(`${name}: every operation on a closed socket fails with EBADF, and closing again does not`, async () => {
      const socket = using(new Class())
      await socket.close()
      assert.equal(socket.closed, true)
      await assert.rejects(socket.bind("tcp://127.0.0.1:*"), coded("EBADF"))
      await assert.rejects(socket.unbind("tcp://127.0.0.1:1"), coded("EBADF"))
      assert.throws(() => socket.connect("tcp://127.0.0.1:1"), coded("EBADF"))
      assert.throws(() => socket.disconnect("tcp://127.0.0.1:1"), coded("EBADF"))
      await assert.rejects(socket.ready(), coded("EBADF"))
      if ("send" in socket) {
        const { send, trySend } = socket as unknown as Record<string, (...args: unknown[]) => unknown>
        assert.equal(socket.writable, false)
        await assert.rejects(async () => send.call(socket, "x", { group: "g", routingId: 1 }), coded("EBADF"))
        assert.throws(() => trySend.call(socket, "x", { group: "g", routingId: 1 }), coded("EBADF"))
      }
      if ("receive" in socket) {
        const { receive, tryReceive, receiveMany, consume } = socket as unknown as Record<string, () => unknown>
        assert.equal(socket.readable, false)
        await assert.rejects(async () => receive.call(socket), coded("EBADF"))
        await assert.rejects(async () => receiveMany.call(socket), coded("EBADF"))
        assert.throws(() => tryReceive.call(socket), coded("EBADF"))
        assert.throws(() => consume.call(socket), coded("EBADF"))
        for await (const message of socket as unknown as AsyncIterable<unknown>) assert.fail(`received ${message}`)
      }
      await socket.close()
    })
  }

  it("in the middle of a consume: the handler is not called again", async () => {
    const [push, pull] = [using(new Push()), using(new Pull())]
    await pull.bind("tcp://127.0.0.1:*")
    push.connect(pull.lastEndpoint as string)
    for (let i = 0; i < 200; i++) await push.send(`${i}`)
    const seen: string[] = []
    await new Promise<void>((resolve, reject) => {
      pull.consume(([frame]) => {
        seen.push(`${frame}`)
        if (seen.length === 50) pull.close().then(resolve, reject)
      })
    })
    await turns(3)
    assert.deepEqual(
      seen,
      Array.from({ length: 50 }, (_, i) => `${i}`),
    )
  })

  it("in the middle of a for await and of batches: the loops end", async () => {
    for (const kind of ["messages", "batches"]) {
      const [push, pull] = [using(new Push()), using(new Pull())]
      await pull.bind("tcp://127.0.0.1:*")
      push.connect(pull.lastEndpoint as string)
      for (let i = 0; i < 20; i++) await push.send(`${i}`)
      let rounds = 0
      let closed = Promise.resolve()
      for await (const _ of kind === "messages" ? pull : pull.batches(1)) if (++rounds === 5) closed = pull.close()
      await closed
      assert.equal(rounds, 5, kind)
    }
  })

  it("of a context closes its sockets", async () => {
    const context = new Context()
    const sockets = [new Pair({ context }), new Dealer({ context }), new Reply({ context }), new Request({ context })]
    const subscriber = new Subscriber({ context })
    const waiting = subscriber.receive()
    const rejected = assert.rejects(waiting, coded("EAGAIN"))
    await context.close()
    await rejected
    assert.ok([...sockets, subscriber].every(socket => socket.closed))
  })
})
