import assert from "node:assert/strict"
import fs from "node:fs"
import type { SocketOptions } from "../../core/construct.ts"
import { Context } from "../../core/context.ts"
import type { SocketEvent } from "../../core/observer.ts"
import { Pull } from "../../patterns/pipeline/pull.ts"
import { Push } from "../../patterns/pipeline/push.ts"
import { IpcTransport } from "../../transports/ipc.ts"
import { TcpTransport } from "../../transports/tcp.ts"
import { freeIpc, freeTcp } from "../support/addresses.ts"
import { closesAfterEach, later, using } from "../support/cleanup.ts"
import { event, pass, turns, until } from "../support/wait.ts"

const EBADF = { name: "HeddleError", code: "EBADF" }
const EAGAIN = { name: "HeddleError", code: "EAGAIN" }

describe("Socket", () => {
  closesAfterEach()

  let context: Context
  beforeEach(() => {
    context = new Context([new TcpTransport(), new IpcTransport()])
  })

  const quick = { reconnectInterval: 5, reconnectMaxInterval: 20 }
  const push = (options: SocketOptions<Push> = {}): Push => using(new Push({ context, ...quick, ...options }))
  const pull = (options: SocketOptions<Pull> = {}): Pull => using(new Pull({ context, ...quick, ...options }))
  /** Bound to an address of its own. */
  const bound = async (options: SocketOptions<Pull> = {}): Promise<[Pull, string]> => {
    const socket = pull(options)
    await socket.bind("tcp://127.0.0.1:*")
    return [socket, socket.lastEndpoint as string]
  }
  const connected = async (address: string, options: SocketOptions<Push> = {}): Promise<Push> => {
    const socket = push(options)
    socket.connect(address)
    await socket.ready()
    return socket
  }
  const texts = (socket: Pull): string[] => {
    const got: string[] = []
    later(() => consumer.stop())
    const consumer = socket.consume(message => void got.push(message.join("|")))
    return got
  }

  describe("addresses", () => {
    it("are real ones after bind, and peers reach them", async () => {
      for (const wildcard of [
        "tcp://127.0.0.1:*",
        "tcp://127.0.0.1:0",
        "tcp://*:*",
        "tcp://localhost:*",
        "tcp://lo:*",
        "ipc://*",
      ]) {
        const socket = pull()
        assert.equal(socket.lastEndpoint, null)
        await socket.bind(wildcard)
        const address = String(socket.lastEndpoint)
        assert.ok(!address.includes("*") && !address.endsWith(":0"), address)
        const sender = push()
        sender.connect(address.replace("0.0.0.0", "127.0.0.1"))
        await sender.send(wildcard)
        assert.equal((await socket.receive()).toString(), wildcard)
      }
    })

    for (const [address, code, says] of [
      ["nonsense", "EINVAL", /scheme/],
      ["tcp://", "EINVAL", /nothing after/],
      ["tcp://127.0.0.1", "EINVAL", /host:port/],
      ["tcp://127.0.0.1:99999", "EINVAL", /65535/],
      ["carrier-pigeon://coop", "EPROTONOSUPPORT", /tcp:\/\//],
      [`ipc:///tmp/${"x".repeat(120)}`, "ENAMETOOLONG", /107/],
      ["ipc:///no/such/folder/socket", "ENOENT", /folder/],
      ["tcp://nosuchinterface:*", "ENODEV", /nosuchinterface/],
      ["tcp://192.0.2.1:*", "EADDRNOTAVAIL", /address/],
    ] as const) {
      it(`that cannot be bound are refused: ${address.slice(0, 40)} with ${code}`, async () => {
        const socket = pull()
        await assert.rejects(socket.bind(address), { name: "HeddleError", code, message: says })
        // The socket is none the worse for it.
        await socket.bind("tcp://127.0.0.1:*")
      })
    }

    for (const [address, code] of [
      ["nonsense", "EINVAL"],
      ["tcp://*:5555", "EINVAL"],
      ["carrier-pigeon://coop", "EPROTONOSUPPORT"],
      [`ipc:///tmp/${"x".repeat(120)}`, "ENAMETOOLONG"],
    ] as const) {
      it(`that cannot be dialled are refused at once: ${address.slice(0, 40)} with ${code}`, () => {
        const socket = push()
        assert.throws(() => socket.connect(address), { name: "HeddleError", code })
        assert.equal(socket.lastEndpoint, null)
      })
    }

    it("in use are refused with EADDRINUSE, an event, and advice", async () => {
      for (const address of [await freeTcp(), freeIpc()]) {
        const [first, second] = [pull(), pull()]
        await first.bind(address)
        const failure = event(second.events, "bind:error")
        await assert.rejects(second.bind(address), { name: "HeddleError", code: "EADDRINUSE" })
        const { error } = await failure
        assert.equal(error.code, "EADDRINUSE")
        assert.equal(error.address, address)
        const sender = await connected(address)
        await sender.send("still there")
        assert.equal((await first.receive()).toString(), "still there")
      }
    })

    it("of a dead process's ipc file are taken over, those of other files are not", async () => {
      const address = freeIpc()
      const path = address.slice(6)
      const first = pull()
      await first.bind(address)
      fs.renameSync(path, `${path}.kept`)
      await first.close()
      fs.renameSync(`${path}.kept`, path)
      await pull().bind(address)
      const other = freeIpc()
      fs.writeFileSync(other.slice(6), "precious")
      await assert.rejects(pull().bind(other), { code: "EADDRINUSE", message: /another kind/ })
      assert.equal(fs.readFileSync(other.slice(6), "utf8"), "precious")
    })

    it("may be many for one socket, of both kinds", async () => {
      const socket = pull()
      const addresses: string[] = []
      for (const wildcard of ["tcp://127.0.0.1:*", "ipc://*", "tcp://127.0.0.1:*"]) {
        await socket.bind(wildcard)
        addresses.push(socket.lastEndpoint as string)
      }
      for (const address of addresses) await (await connected(address)).send(address)
      const got = [await socket.receive(), await socket.receive(), await socket.receive()].map(String)
      assert.deepEqual(got.sort(), [...addresses].sort())
    })
  })

  describe("connect", () => {
    it("may come before bind: messages wait, exactly up to the high-water mark", async () => {
      const address = await freeTcp()
      const sender = push({ sendHighWaterMark: 5 })
      sender.connect(address)
      for (let i = 0; i < 5; i++) assert.equal(sender.trySend(`${i}`), true)
      assert.equal(sender.writable, false)
      assert.equal(sender.trySend("5"), false)
      const waiting = sender.send("5")
      const receiver = pull()
      await receiver.bind(address)
      await waiting
      for (let i = 0; i < 6; i++) assert.equal((await receiver.receive()).toString(), `${i}`)
    })

    it("finds its binder again when that restarts, and loses nothing that had to wait", async () => {
      const address = await freeTcp()
      const sender = push()
      sender.connect(address)
      for (let round = 0; round < 3; round++) {
        const receiver = pull()
        await receiver.bind(address)
        await sender.ready()
        await sender.send(`round ${round}`)
        assert.equal((await receiver.receive()).toString(), `round ${round}`)
        await receiver.close()
        await until(() => sender.stats().peers[0].connected === false)
        await sender.send(`between ${round}`)
        const next = pull()
        await next.bind(address)
        assert.equal((await next.receive()).toString(), `between ${round}`)
        await next.close()
        await until(() => sender.stats().peers[0].connected === false)
      }
    })

    it("with `immediate` takes messages for connected peers only", async () => {
      const address = await freeTcp()
      const sender = push({ immediate: true })
      sender.connect(address)
      assert.equal(sender.writable, false)
      assert.equal(sender.trySend("x"), false)
      const waiting = sender.send("waited")
      const receiver = pull()
      await receiver.bind(address)
      await waiting
      assert.equal((await receiver.receive()).toString(), "waited")
      await receiver.close()
      await until(() => sender.stats().peers.length === 0)
      assert.equal(sender.trySend("x"), false)
    })
  })

  describe("unbind", () => {
    it("ends the listener and the connections through it, and frees the address", async () => {
      const address = await freeTcp()
      const receiver = pull()
      await receiver.bind(address)
      const sender = await connected(address, { reconnectInterval: -1 })
      const gone = event(sender.events, "disconnect")
      await receiver.unbind(address)
      await gone
      await pull().bind(address)
      await receiver.bind("tcp://127.0.0.1:*")
    })

    it("wants the address that bind reported", async () => {
      const [receiver, address] = await bound()
      const enoent = { name: "HeddleError", code: "ENOENT" }
      await assert.rejects(receiver.unbind("tcp://127.0.0.1:*"), enoent)
      await receiver.unbind(address)
      await assert.rejects(receiver.unbind(address), enoent)
    })
  })

  describe("disconnect", () => {
    it("sends what waits for that peer, within linger", async () => {
      const address = await freeTcp()
      const sender = push()
      sender.connect(address)
      for (let i = 0; i < 10; i++) await sender.send(`${i}`)
      sender.disconnect(address)
      const receiver = pull()
      await receiver.bind(address)
      for (let i = 0; i < 10; i++) assert.equal((await receiver.receive()).toString(), `${i}`)
      await until(() => sender.stats().peers.length === 0)
      assert.throws(() => sender.disconnect(address), { name: "HeddleError", code: "ENOENT" })
    })

    it("sends nothing more there: what is sent behind it goes to others, or waits", async () => {
      const [first, firstAddress] = await bound()
      const [second, secondAddress] = await bound()
      const [one, two] = [texts(first), texts(second)]
      const sender = await connected(firstAddress)
      sender.connect(secondAddress)
      await sender.ready({ peers: 2 })
      for (let i = 0; i < 10; i++) await sender.send("before")
      sender.disconnect(firstAddress)
      for (let i = 0; i < 100; i++) await sender.send(`after ${i}`)
      await until(() => one.length + two.length >= 110)
      assert.deepEqual(one, Array(5).fill("before"))
      assert.equal(two.length, 105)
      sender.disconnect(secondAddress)
      assert.equal(sender.trySend("nobody"), false)
      assert.equal(sender.writable, false)
    })

    it("drops and counts what cannot be sent in time", async () => {
      const address = await freeTcp()
      const sender = push({ linger: 0 })
      sender.connect(address)
      for (let i = 0; i < 3; i++) await sender.send("lost")
      sender.disconnect(address)
      await until(() => sender.stats().peers.length === 0)
      assert.deepEqual(sender.stats().dropped, { closed: 3 })
    })
  })

  describe("close", () => {
    it("resolves when everything has arrived, however slow the peer", async () => {
      const [receiver, address] = await bound({ receiveHighWaterMark: 10 })
      const sender = await connected(address)
      for (let i = 0; i < 500; i++) await sender.send([`${i}`, Buffer.alloc(100_000)])
      let closed = false
      const closing = sender.close({ linger: -1 }).then(() => {
        closed = true
      })
      await turns(10)
      assert.equal(closed, false, "nobody has read anything yet")
      for (let i = 0; i < 500; i++) {
        const [number, body] = await receiver.receive()
        assert.equal(number.toString(), `${i}`)
        assert.equal(body.length, 100_000)
      }
      await closing
    })

    it("waits for a peer that is not there yet, with linger -1", async () => {
      const address = await freeTcp()
      const sender = push()
      sender.connect(address)
      await sender.send("patience")
      const closing = sender.close({ linger: -1 })
      const receiver = pull()
      await receiver.bind(address)
      assert.equal((await receiver.receive()).toString(), "patience")
      await closing
    })

    it("waits for linger, and no less, when nobody takes what is queued; then it is dropped", async () => {
      const sender = push({ linger: 200 })
      sender.connect(await freeTcp())
      await sender.send("lost")
      const began = performance.now()
      await sender.close()
      assert.ok(performance.now() - began >= 195)
      assert.deepEqual(sender.stats().dropped, { closed: 1 })
    })

    it("does not wait without anything to send, or with linger 0", async () => {
      const idle = push({ linger: -1 })
      idle.connect(await freeTcp())
      await idle.close()
      const busy = push({ linger: -1 })
      busy.connect(await freeTcp())
      await busy.send("lost")
      await busy.close({ linger: 0 })
      const givenUp = push({ linger: -1, reconnectInterval: -1 })
      givenUp.connect(await freeTcp())
      await until(() => givenUp.stats().peers.length === 0)
      await givenUp.close()
    })

    it("sends also what an endpoint that was disconnected before still has", async () => {
      const address = await freeTcp()
      const sender = push({ linger: -1 })
      sender.connect(address)
      await sender.send("late")
      sender.disconnect(address)
      let closed = false
      const closing = sender.close().then(() => {
        closed = true
      })
      await pass(20)
      assert.equal(closed, false)
      const receiver = pull()
      await receiver.bind(address)
      assert.equal((await receiver.receive()).toString(), "late")
      await closing
    })

    it("cuts short with linger 0 what an endpoint that was disconnected before still has", async () => {
      const sender = push({ linger: -1 })
      sender.connect(await freeTcp())
      await sender.send("lost")
      sender.disconnect(sender.lastEndpoint as string)
      await sender.close({ linger: 0 })
      assert.deepEqual(sender.stats().dropped, { closed: 1 })
    })

    it("frees the address", async () => {
      const address = await freeTcp()
      for (let round = 0; round < 3; round++) {
        const receiver = pull()
        await receiver.bind(address)
        const sender = await connected(address)
        await sender.send("x")
        await receiver.receive()
        await receiver.close()
        await sender.close()
      }
    })

    it("removes the file and folder of a wildcard ipc address", async () => {
      const receiver = pull()
      await receiver.bind("ipc://*")
      const path = (receiver.lastEndpoint as string).slice(6)
      assert.ok(fs.existsSync(path))
      await receiver.close()
      assert.ok(!fs.existsSync(path))
      assert.ok(!fs.existsSync(path.replace(/\/[^/]+$/, "")))
    })

    it("is the same promise each time, and true at once", async () => {
      const socket = push()
      assert.equal(socket.closed, false)
      const closing = socket.close()
      assert.equal(socket.closed, true)
      assert.equal(socket.close(), closing)
      await closing
    })

    it("rejects who waits, refuses every further call, and ends the events", async () => {
      const [receiver, address] = await bound()
      const sender = push()
      const waiting = [receiver.receive(), sender.send("x"), sender.ready({ peers: 1 })]
      const ended = event(receiver.events, "end")
      const settled = Promise.allSettled(waiting)
      await Promise.all([receiver.close(), sender.close()])
      await ended
      const codes = (await settled).map(one => (one.status === "rejected" ? one.reason.code : "resolved"))
      assert.deepEqual(codes, ["EAGAIN", "EAGAIN", "EBADF"])
      await assert.rejects(receiver.receive(), EBADF)
      await assert.rejects(receiver.bind("tcp://127.0.0.1:*"), EBADF)
      await assert.rejects(receiver.unbind(address), EBADF)
      await assert.rejects(sender.send("x"), EBADF)
      await assert.rejects(sender.ready(), EBADF)
      assert.throws(() => sender.trySend("x"), EBADF)
      assert.throws(() => sender.connect(address), EBADF)
      assert.throws(() => sender.disconnect(address), EBADF)
      assert.equal(sender.writable, false)
      assert.equal(receiver.readable, false)
    })

    it("while bind is under way leaves nothing behind", async () => {
      const address = await freeTcp()
      const socket = pull()
      const binding = socket.bind(address)
      await socket.close()
      await assert.rejects(binding, EBADF)
      await pull().bind(address)
    })

    it("happens by `await using`, and for all sockets by their context's close", async () => {
      const address = await freeTcp()
      {
        await using socket = new Pull({ context })
        await socket.bind(address)
      }
      const all = [pull(), push(), pull()]
      await all[0].bind(address)
      assert.equal(context.size, 3)
      await context.close()
      assert.ok(all.every(one => one.closed))
      assert.equal(context.size, 0)
    })
  })

  describe("ready", () => {
    it("resolves when so many peers are connected", async () => {
      const [receiver, address] = await bound()
      await connected(address)
      await receiver.ready()
      let two = false
      const waiting = receiver.ready({ peers: 2 }).then(() => {
        two = true
      })
      await pass(20)
      assert.equal(two, false)
      await connected(address)
      await waiting
    })

    it("rejects after its timeout, and says how far it came", async () => {
      const [receiver, address] = await bound()
      await connected(address)
      await receiver.ready()
      await assert.rejects(receiver.ready({ peers: 2, timeout: 20 }), { ...EAGAIN, message: /1 of 2 peers/ })
    })
  })

  describe("events", () => {
    const watch = (socket: Push | Pull): SocketEvent[] => {
      const seen: SocketEvent[] = []
      const types = ["bind", "accept", "connect:delay", "connect", "handshake", "disconnect", "close", "end"] as const
      for (const type of types) socket.events.on(type, one => void seen.push(one))
      return seen
    }

    it("tell a connection's life in order, on both sides", async () => {
      const receiver = pull()
      const there = watch(receiver)
      await receiver.bind("tcp://127.0.0.1:*")
      const address = receiver.lastEndpoint as string
      const sender = push()
      const here = watch(sender)
      sender.connect(address)
      await sender.ready()
      await sender.close()
      await until(() => there.some(one => one.type === "disconnect"))
      await receiver.close()
      assert.deepEqual(
        here.map(one => one.type),
        ["connect:delay", "connect", "handshake", "disconnect", "end"],
      )
      assert.deepEqual(
        there.map(one => one.type),
        ["bind", "accept", "handshake", "disconnect", "close", "end"],
      )
      for (const one of here) if ("address" in one) assert.equal(one.address, address)
      assert.ok(
        [...here, ...there].every(one => !("error" in one)),
        "an orderly end has no error",
      )
    })
  })

  describe("stats", () => {
    it("count messages, bytes and drops by peer, and keep the sums of those who left", async () => {
      const [receiver, address] = await bound()
      for (let round = 1; round <= 3; round++) {
        const sender = await connected(address)
        for (let i = 0; i < 10; i++) await sender.send(Buffer.alloc(100))
        await until(() => receiver.stats().waiting === round * 10)
        const mine = sender.stats()
        assert.equal(mine.messagesSent, 10)
        assert.ok(mine.bytesSent >= 10 * 102)
        assert.equal(mine.peers.length, 1)
        assert.equal(mine.peers[0].address, address)
        assert.equal(mine.peers[0].connected, true)
        const theirs = receiver.stats()
        assert.equal(theirs.messagesReceived, round * 10)
        assert.equal(theirs.peers.length, 1)
        assert.equal(theirs.peers[0].messagesReceived, 10)
        await sender.close()
        await until(() => receiver.stats().peers.length === 0)
        assert.equal(receiver.stats().messagesReceived, round * 10)
      }
      assert.ok(receiver.stats().bytesReceived >= 30 * 102)
      await receiver.close()
      assert.deepEqual(receiver.stats().dropped, { closed: 30 })
    })
  })

  describe("context", () => {
    it("limits the number of its sockets; a closed one makes room", async () => {
      const small = new Context([new TcpTransport()], { maxSockets: 2 })
      const sockets = [using(new Push({ context: small })), using(new Push({ context: small }))]
      assert.throws(() => new Push({ context: small }), {
        name: "HeddleError",
        code: "EMFILE",
        message: /maxSockets is 2/,
      })
      await sockets[0].close()
      using(new Push({ context: small }))
    })

    it("refuses two transports for one scheme", () => {
      assert.throws(() => new Context([new TcpTransport(), new TcpTransport()]), { code: "EINVAL", message: /tcp/ })
    })

    it("is not left with a socket whose options were refused", () => {
      assert.throws(() => new Push({ context, linger: -5 }))
      assert.equal(context.size, 0)
    })
  })

  it("warns when an option is changed that acts on the next connect only", async () => {
    const socket = push()
    socket.connect(await freeTcp())
    const warned = new Promise<Error>(resolve => process.once("warning", resolve))
    socket.maxMessageSize = 5
    assert.match((await warned).message, /maxMessageSize.*next connect/)
    let more = false
    const listener = (): void => {
      more = true
    }
    process.on("warning", listener)
    later(() => process.off("warning", listener))
    socket.linger = 5
    push().maxMessageSize = 5
    await pass(10)
    assert.equal(more, false)
  })
})
