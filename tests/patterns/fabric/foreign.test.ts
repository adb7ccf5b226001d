import assert from "node:assert/strict"
import {
  Dealer,
  type Fabric,
  type FabricMessage,
  type JoinOptions,
  join,
  Pair,
  Publisher,
  Pull,
  Push,
  Reply,
  Request,
  Router,
  ServiceError,
  Subscriber,
  XPublisher,
  XSubscriber,
} from "../../../index.ts"
import { command, GREETING, message, ready } from "../../support/bytes.ts"
import { closesAfterEach, later, using } from "../../support/cleanup.ts"
import { Program } from "../../support/processes.ts"
import { RawPeer } from "../../support/raw-peer.ts"
import { QUICK } from "../../support/sockets.ts"
import { pass, turns, until } from "../../support/wait.ts"
import { another, collect, events, overTcp } from "./nodes.ts"

/** A node of its own fabric, for clients. */
async function alone(options: JoinOptions = {}): Promise<Fabric> {
  const [node] = await overTcp(1, options)
  return node
}

function connected<T extends { connect(address: string): void; close(): Promise<void> }>(socket: T, node: Fabric): T {
  socket.connect(node.endpoints[0])
  return using(socket)
}

/** A subscriber that the node knows of. */
async function follower(node: Fabric, ...prefixes: string[]): Promise<Subscriber> {
  const before = clients(node, "SUB").length
  const socket = connected(new Subscriber(QUICK), node)
  socket.subscribe(...prefixes)
  await until(() => clients(node, "SUB").length > before)
  return socket
}

function clients(node: Fabric, type: string) {
  return node.stats().clients.filter(client => client.type === type)
}

async function texts(socket: { receive(): Promise<readonly Buffer[]> }): Promise<string[]> {
  return (await socket.receive()).map(String)
}

describe("fabric: ZeroMQ clients", () => {
  closesAfterEach()

  describe("SUB and XSUB", () => {
    it("follow by prefix what any node publishes, once, whatever number of prefixes match", async () => {
      const [a, b] = await overTcp(2)
      const socket = await follower(b, "orders.", "orders.eu", "orders.eu.", "ord")
      await a.ready({ subject: "orders.eu" })
      const subjects = ["orders", "orders.eu", "orders.eu.paid", "other", "order"]
      for (const node of [a, b]) {
        for (const subject of subjects) node.publish(subject, node.name, { codec: "string" })
      }
      await a.flush()
      const got: string[] = []
      for (let i = 0; i < 8; i++) got.push((await texts(socket)).join(" "))
      const wanted = subjects.filter(subject => subject !== "other")
      assert.deepEqual(got.sort(), wanted.flatMap(subject => [`${subject} a0`, `${subject} a1`]).sort())
      assert.equal(socket.tryReceive(), null)
    })

    it("are told bytes, strings, JSON as they are, and msgpack as any library reads it", async () => {
      const [a, b] = await overTcp(2)
      const socket = await follower(b, "p.")
      await a.ready({ subject: "p.x" })
      for (const node of [a, b]) {
        node.publish("p.bytes", Buffer.from([0, 255]))
        node.publish("p.string", "grüße", { codec: "string" })
        node.publish("p.json", { n: 1 }, { codec: "json" })
        node.publish("p.nothing", undefined)
        // Twice: from the second on the structure is known by its number alone.
        node.publish("p.record", { sku: "a", left: 7 })
        node.publish("p.record", { sku: "b", left: 8 })
        for (const expected of [
          ["p.bytes", "00ff"],
          ["p.string", Buffer.from("grüße").toString("hex")],
          ["p.json", Buffer.from('{"n":1}').toString("hex")],
          ["p.nothing", ""],
          // fixmap of two, fixstr keys, as the msgpack specification writes them.
          ["p.record", "82a3736b75a161a46c65667407"],
          ["p.record", "82a3736b75a162a46c65667408"],
        ]) {
          const [subject, payload] = await socket.receive()
          assert.deepEqual([`${subject}`, payload.toString("hex")], expected)
        }
      }
    })

    it("get all payloads that are no bytes by foreign.codec", async () => {
      const node = await alone({ foreign: { codec: "json" } })
      const socket = await follower(node, "")
      await node.ready({ subject: "p" })
      node.publish("p", { n: 1 })
      node.publish("p", { n: 2 }, { codec: "json" })
      node.publish("p", "text", { codec: "string" })
      node.publish("p", Buffer.from("raw"))
      const got: string[] = []
      for (let i = 0; i < 4; i++) got.push((await texts(socket))[1])
      assert.deepEqual(got, ['{"n":1}', '{"n":2}', '"text"', "raw"])
    })

    it("miss what foreign.codec cannot carry, which is counted and told", async () => {
      const node = await alone({ foreign: { codec: "string" } })
      const warnings = events(node, "warning")
      const drops = events(node, "drop")
      const socket = await follower(node, "")
      await node.ready({ subject: "p" })
      node.publish("p", { n: 1 })
      node.publish("p", "text")
      assert.deepEqual(await texts(socket), ["p", "text"])
      await until(() => drops.length > 0)
      assert.equal(drops[0].reason, "malformed")
      assert.equal(drops[0].where, "sending")
      assert.match(warnings[0].error.message, /foreign\.codec/)
    })

    it("no longer get what they have cancelled, also by other nodes", async () => {
      const [a, b] = await overTcp(2)
      const socket = await follower(b, "a.", "b.")
      await a.ready({ subject: "a.1" })
      await a.ready({ subject: "b.1" })
      socket.unsubscribe("a.")
      await until(() => a.publish("a.1", 1).peers === 0)
      assert.equal(a.publish("b.1", "last").peers, 1)
      assert.equal((await texts(socket))[0], "b.1")
      await socket.close()
      await until(() => a.publish("b.1", 1).peers === 0)
      await until(() => clients(b, "SUB").length === 0)
    })

    it("that come and go with wider prefixes miss nothing and get nothing twice", async () => {
      const [a, b] = await overTcp(2)
      const steady = await follower(b, "n.1.")
      await a.ready({ subject: "n.1.x" })
      const flighty = connected(new Subscriber(QUICK), b)
      let sent = 0
      for (let round = 0; round < 20; round++) {
        if (round % 2 === 0) flighty.subscribe("")
        else flighty.unsubscribe("")
        for (let i = 0; i < 50; i++) a.publish("n.1.x", `${sent++}`, { codec: "string" })
        await turns(3)
      }
      for (let i = 0; i < sent; i++) assert.deepEqual(await texts(steady), ["n.1.x", `${i}`])
      assert.equal(steady.tryReceive(), null)
    })

    it("see what clients of the same node publish", async () => {
      const node = await alone()
      const socket = await follower(node, "t.")
      await node.ready({ subject: "t.1" })
      const push = connected(new Push(QUICK), node)
      await push.send(["t.1", "hello"])
      assert.deepEqual(await texts(socket), ["t.1", "hello"])
    })

    it("may use messages (3.0) or commands (3.1), and a repeated one counts once", async () => {
      const node = await alone()
      const peer = using(await RawPeer.connect(node.endpoints[0]))
      await peer.shake("SUB")
      await peer.write(message(Buffer.from("\x01a.")), command("SUBSCRIBE", "b."), command("SUBSCRIBE", "a."))
      await node.ready({ subject: "a.1" })
      await node.ready({ subject: "b.1" })
      node.publish("a.1", Buffer.from("A"))
      node.publish("b.1", Buffer.from("B"))
      assert.deepEqual(await peer.readMessage(), ["a.1", "A"])
      assert.deepEqual(await peer.readMessage(), ["b.1", "B"])
      await peer.write(command("CANCEL", "a."), message(Buffer.from("\x00b.")))
      await until(() => node.publish("a.1", 1).peers === 0 && node.publish("b.1", 1).peers === 0)
    })

    it("may send what is no subscription: it is passed over and counted", async () => {
      const node = await alone()
      const socket = connected(new XSubscriber(QUICK), node)
      await socket.send("hello")
      await socket.send("\x01x")
      await node.ready({ subject: "x" })
      node.publish("x", Buffer.from("1"))
      assert.deepEqual(await texts(socket), ["x", "1"])
      assert.equal(clients(node, "XSUB")[0].dropped, 1)
    })

    it("that are slow lose messages of their own, which is counted and told; others get all", async () => {
      const node = await alone({ foreign: { highWaterMark: 10 } })
      const drops = events(node, "drop")
      const good = await follower(node, "")
      // It is the only one: what it wants is known.
      await node.ready({ subject: "load" })
      const deaf = using(await RawPeer.connect(node.endpoints[0]))
      await deaf.shake("SUB")
      await deaf.write(command("SUBSCRIBE", ""))
      deaf.deafen()
      const payload = Buffer.alloc(100_000)
      const own = collect(node, "load")
      let sent = 0
      for (; drops.length === 0; sent++) {
        node.publish("load", payload)
        assert.equal((await good.receive())[1].length, payload.length)
      }
      await own.count(sent)
      assert.equal(drops[0].where, "sending")
      assert.equal(drops[0].reason, "full")
      assert.equal(drops[0].client?.type, "SUB")
      const [slow, quick] = clients(node, "SUB").sort((one, other) => other.dropped - one.dropped)
      assert.ok(slow.dropped > 0)
      assert.ok(slow.queued <= 10)
      assert.equal(quick.dropped, 0)
      assert.equal(quick.messagesSent, sent)
      assert.equal(node.stats().dropped, slow.dropped)
    })

    it("with too many prefixes are cut off with an error that names the option", async () => {
      const node = await alone({ foreign: { maxSubscriptions: 3 } })
      const warnings = events(node, "warning")
      const peer = using(await RawPeer.connect(node.endpoints[0]))
      await peer.shake("SUB")
      const other = await follower(node, "a")
      for (const prefix of ["a", "b", "c", "a", "d"]) await peer.write(command("SUBSCRIBE", prefix))
      const { name, data } = await peer.readCommand()
      assert.equal(name, "ERROR")
      assert.match(data.toString(), /maxSubscriptions/)
      await until(() => clients(node, "SUB").length === 1)
      assert.equal(warnings[0].error.code, "ERR_SUBSCRIPTION_LIMIT")
      node.publish("a", Buffer.from("1"))
      assert.deepEqual(await texts(other), ["a", "1"])
    })
  })

  describe("PUB, XPUB and PUSH", () => {
    for (const [type, make] of [
      ["PUB", () => new Publisher(QUICK)],
      ["XPUB", () => new XPublisher(QUICK)],
      ["PUSH", () => new Push(QUICK)],
    ] as const) {
      it(`${type} publishes to all nodes; the payload arrives as bytes`, async () => {
        const [a, b] = await overTcp(2)
        const here = collect<Buffer>(a, "in.*")
        const there = collect<Buffer>(b, "in.*")
        await there.subscription.ready
        const socket = connected(make(), a)
        await (socket instanceof Push ? socket.ready() : socket.ready({ topic: "in" }))
        for (let i = 0; i < 3; i++) await socket.send([`in.${i}`, `payload ${i}`])
        await socket.send("in.alone")
        for (const { messages, count } of [here, there]) {
          await count(4)
          assert.deepEqual(
            messages.map(one => [one.subject, one.data && String(one.data), one.fromName]),
            [0, 1, 2]
              .map(i => [`in.${i}`, `payload ${i}`, "a0"])
              .concat([["in.alone", undefined as unknown as string, "a0"]]),
          )
          assert.ok(Buffer.isBuffer(messages[0].data))
        }
        assert.equal(clients(a, type)[0].messagesReceived, 4)
      })
    }

    it("PUB of ZMTP 3.0 hears by a message that everything is wanted", async () => {
      const node = await alone()
      const got = collect<Buffer>(node, "old")
      const peer = using(await RawPeer.connect(node.endpoints[0]))
      const greeting = Buffer.from(GREETING)
      greeting[11] = 0
      await peer.greet(greeting)
      await peer.write(ready("PUB"))
      assert.equal((await peer.readCommand()).name, "READY")
      assert.deepEqual(await peer.readMessage(), ["\x01"])
      await peer.write(message("old", "peer"))
      assert.deepEqual((await got.count(1)).map(String), ["peer"])
    })

    it("are decoded by foreign.codec, and checked by schemas", async () => {
      const node = await alone({
        foreign: { codec: "json" },
        schemas: {
          "n.*": {
            "~standard": {
              version: 1,
              vendor: "test",
              validate: value => (typeof value === "number" ? { value } : { issues: [{ message: "no number" }] }),
            },
          },
        },
      })
      const drops = events(node, "drop")
      const got = collect(node, ">")
      const socket = connected(new Push(QUICK), node)
      for (const [subject, payload] of [
        ["n.1", "7"],
        ["n.1", '"seven"'],
        ["n.1", "{"],
        ["other", '{"a":[1]}'],
      ])
        await socket.send([subject, payload])
      assert.deepEqual(await got.count(2), [7, { a: [1] }])
      await until(() => drops.length > 0)
      assert.deepEqual(
        drops.map(({ where, reason, count, client }) => [where, reason, count, client?.type]),
        [["here", "malformed", 2, "PUSH"]],
      )
      assert.equal(clients(node, "PUSH")[0].dropped, 2)
    })

    it("that send nonsense lose it, with one warning that says why, and go on", async () => {
      const node = await alone({ maxPayload: 1_000 })
      const warnings = events(node, "warning")
      const drops = events(node, "drop")
      const got = collect<Buffer>(node, ">")
      const peer = using(await RawPeer.connect(node.endpoints[0]))
      await peer.shake("PUSH")
      const bad = [
        message("a", "b", "c"),
        message("", "empty subject"),
        message("a..b", "x"),
        message("a.*", "x"),
        message("a.>", "x"),
        message("a b", "x"),
        message(Buffer.from([0xff, 0xfe]), "x"),
        message("$heddle.stats", "x"),
        message("x".repeat(2_000), "x"),
        message("big", Buffer.alloc(1_001)),
        message(""),
      ]
      for (const one of bad) await peer.write(one)
      await peer.write(message("good", "1"))
      await until(() => got.messages.some(one => one.subject === "good"))
      // Bytes that are no UTF-8 have become the sign that stands for such: a subject like any other.
      assert.equal(got.messages.length, 2)
      await until(() => drops.length === bad.length - 1 - 1)
      assert.equal(clients(node, "PUSH")[0].dropped, bad.length - 1)
      assert.equal(warnings.length, 1)
      assert.equal(warnings[0].error.code, "EINVAL")
      assert.match(warnings[0].error.message, /PUSH at tcp:.*3 frames/)
      assert.ok(drops.every(drop => drop.pattern.length <= 80))
    })

    it("wait while a subscriber with the policy block is full, and lose nothing", async () => {
      const node = await alone()
      const taken: string[] = []
      let go: (() => void) | null = null
      const gate = new Promise<void>(resolve => {
        go = resolve
      })
      node.subscribe(
        "s",
        async (one: FabricMessage) => {
          await gate
          taken.push(String(one.data))
        },
        { policy: "block", limit: 4 },
      )
      const socket = connected(new Push({ ...QUICK, sendHighWaterMark: 0 }), node)
      for (let i = 0; i < 100; i++) await socket.send(["s", `${i}`])
      // One is in the handler, some are in its queue, one is held, and the rest is not read.
      await until(() => node.stats().takers[0].queued >= 3)
      await pass(20)
      assert.ok(clients(node, "PUSH")[0].messagesReceived < 20)
      ;(go as unknown as () => void)()
      await until(() => taken.length === 100)
      assert.deepEqual(
        taken,
        Array.from({ length: 100 }, (_, i) => `${i}`),
      )
    })
  })

  describe("PULL", () => {
    it("is refused without foreign.pull, by an error that names it", async () => {
      const node = await alone()
      const warnings = events(node, "warning")
      const peer = using(await RawPeer.connect(node.endpoints[0]))
      await peer.write(GREETING, ready("PULL"))
      await peer.read(64)
      const { name, data } = await peer.readCommand()
      assert.equal(name, "ERROR")
      assert.match(data.toString(), /foreign\.pull/)
      await peer.gone
      await until(() => warnings.length > 0)
      assert.equal(warnings[0].error.code, "ERR_PEER_INCOMPATIBLE")
    })

    it("gets each message of its queue group that no other member gets, in turn with other PULL clients", async () => {
      const [a, b] = await overTcp(2, { foreign: { pull: { subject: "jobs.*", queue: "workers" } } })
      const pulls = [connected(new Pull(QUICK), a), connected(new Pull(QUICK), a)]
      await until(() => clients(a, "PULL").length === 2)
      const own = collect<Buffer>(b, "jobs.*", { queue: "workers" })
      await own.subscription.ready
      await b.ready({ subject: "jobs.1", subscribers: 2 })
      for (let i = 0; i < 400; i++) b.publish(`jobs.${i % 3}`, Buffer.from(`${i}`))
      await b.flush()
      const total = (): number =>
        own.messages.length + clients(a, "PULL").reduce((sum, client) => sum + client.messagesSent, 0)
      await until(() => total() === 400)
      const got = own.values().map(String)
      const [first, second] = clients(a, "PULL").map(client => client.messagesSent)
      assert.ok(Math.abs(first - second) <= 1, `${first} and ${second}`)
      for (const pull of pulls) {
        for (let one = await pull.receiveMany(); ; one = await pull.receiveMany()) {
          for (const [subject, payload] of one) {
            assert.equal(`${subject}`, `jobs.${Number(payload) % 3}`)
            got.push(`${payload}`)
          }
          if (pull.stats().messagesReceived >= Math.min(first, second) && !pull.readable) break
        }
      }
      await until(() => {
        for (const pull of pulls)
          for (let one = pull.tryReceive(); one !== null; one = pull.tryReceive()) got.push(`${one[1]}`)
        return got.length === 400
      })
      assert.equal(new Set(got).size, 400)
    })

    it("that is slow makes messages wait, bounded and counted", async () => {
      const node = await alone({ foreign: { pull: { subject: "jobs" }, highWaterMark: 5 } })
      const drops = events(node, "drop")
      const peer = using(await RawPeer.connect(node.endpoints[0]))
      await peer.shake("PULL")
      await node.ready({ subject: "jobs" })
      peer.deafen()
      let sent = 0
      for (; drops.length === 0; sent++) {
        node.publish("jobs", Buffer.alloc(100_000, sent))
        await turns()
      }
      const [{ messagesSent, queued }] = clients(node, "PULL")
      assert.equal(queued, 1)
      assert.equal(node.stats().takers[0].queued, 5)
      const lost = node.stats().dropped
      assert.equal(messagesSent + 6 + lost, sent)
      peer.listen()
      for (let i = 0; i < messagesSent + 6; i++) assert.equal((await peer.readMessage())[1].charCodeAt(0), i & 255)
      peer.end()
      await until(() => node.publish("jobs", 1).peers === 0)
    })
  })

  it("PULL clients that come later get what waited for those who have gone", async () => {
    const node = await alone({ foreign: { pull: { subject: "jobs" }, highWaterMark: 50 } })
    const drops = events(node, "drop")
    const deaf = using(await RawPeer.connect(node.endpoints[0]))
    await deaf.shake("PULL")
    await node.ready({ subject: "jobs" })
    deaf.deafen()
    let sent = 0
    for (; drops.length === 0; sent++) {
      node.publish("jobs", Buffer.alloc(100_000, sent))
      await turns()
    }
    deaf.reset()
    await until(() => clients(node, "PULL").length === 0)
    const next = connected(new Pull(QUICK), node)
    for (let i = 0; i < 50; i++) assert.equal((await next.receive()).length, 2)
    node.publish("jobs", Buffer.from("fresh"))
    assert.deepEqual(await texts(next), ["jobs", "fresh"])
  })

  describe("REQ and DEALER", () => {
    const serve = (node: Fabric): void => {
      node.serve("echo", one => (one.data === undefined ? "nothing" : one.data))
      node.serve("fail", () => {
        throw new ServiceError("OUT_OF_STOCK", "none left")
      })
      node.serve("object", () => ({ left: 3 }))
    }

    it("ask services of any node, and get errors as code and text", async () => {
      const [a, b] = await overTcp(2)
      serve(b)
      for (const subject of ["echo", "fail", "object"]) await a.ready({ subject, servers: 1 })
      for (const node of [a, b]) {
        const request = connected(new Request(QUICK), node)
        const ask = async (...frames: string[]): Promise<string[]> => {
          await request.send(frames)
          return (await request.receive()).map(frame => frame.toString("latin1"))
        }
        assert.deepEqual(await ask("echo", "hello"), ["hello"])
        assert.deepEqual(await ask("object", ""), ["\x81\xa4left\x03"])
        const [code, text, ...rest] = await ask("fail", "")
        assert.equal(code, "OUT_OF_STOCK")
        assert.match(text, /none left/)
        assert.deepEqual(rest, [])
        assert.equal((await ask("nobody", ""))[0], "ERR_NO_RESPONDERS")
        assert.equal((await ask("a..b", ""))[0], "EINVAL")
        assert.equal((await ask("$heddle.stats", ""))[0], "EINVAL")
        assert.equal((await ask("echo", "too", "many"))[0], "EINVAL")
        assert.deepEqual(await ask("echo", "still"), ["still"])
      }
    })

    it("DEALER may leave the envelope out, or put any before; replies come as they are ready", async () => {
      const node = await alone()
      serve(node)
      let release = (_value: string): void => {}
      node.serve("slow", () => new Promise<string>(resolve => (release = resolve)), {})
      const dealer = connected(new Dealer(QUICK), node)
      const ask = async (...frames: string[]): Promise<string[]> => {
        await dealer.send(frames)
        return texts(dealer)
      }
      assert.deepEqual(await ask("echo", "plain"), ["plain"])
      assert.deepEqual(await ask("", "echo", "p"), ["", "p"])
      assert.deepEqual(await ask("7", "hop", "", "echo", "p"), ["7", "hop", "", "p"])
      assert.deepEqual((await ask("7", "", "nobody", "p")).slice(0, 3), ["7", "", "ERR_NO_RESPONDERS"])
      assert.equal((await ask("nobody", "p")).length, 2)
      await dealer.send(["1", "", "slow", ""])
      assert.deepEqual(await ask("2", "", "echo", "quick"), ["2", "", "quick"])
      release("done")
      assert.deepEqual((await texts(dealer)).slice(0, 2), ["1", ""])
    })

    it("a request that is none and cannot be answered is dropped, counted and told", async () => {
      const node = await alone()
      serve(node)
      const warnings = events(node, "warning")
      const dealer = connected(new Dealer(QUICK), node)
      await dealer.send(["a", "b", "c"])
      await dealer.send(["echo", "next"])
      assert.deepEqual(await texts(dealer), ["next"])
      assert.equal(clients(node, "DEALER")[0].dropped, 1)
      assert.match(warnings[0].error.message, /DEALER/)
    })

    it("time out as requests of the node do, and are cancelled when the client goes", async () => {
      const node = await alone({ timeout: 50 })
      const signals: AbortSignal[] = []
      node.serve("never", one => {
        signals.push(one.signal)
        return new Promise(() => {})
      })
      const dealer = connected(new Dealer(QUICK), node)
      await dealer.send(["never", ""])
      assert.equal((await texts(dealer))[0], "ETIMEDOUT")

      const patient = await alone()
      patient.serve("never", one => {
        signals.push(one.signal)
        return new Promise(() => {})
      })
      const client = connected(new Dealer(QUICK), patient)
      for (let i = 0; i < 3; i++) await client.send(["never", ""])
      await until(() => signals.length === 4)
      assert.equal(patient.stats().requests, 3)
      await client.close()
      await until(() => patient.stats().requests === 0)
      await until(() => signals.every(signal => signal.aborted))
    })

    it("have 1,000 requests under way; the next is answered EBUSY", async () => {
      const node = await alone()
      const release: (() => void)[] = []
      node.serve("slow", () => new Promise<void>(resolve => release.push(resolve)))
      const dealer = connected(new Dealer({ ...QUICK, sendHighWaterMark: 0 }), node)
      for (let i = 0; i < 1_001; i++) await dealer.send([`${i}`, "", "slow", ""])
      assert.deepEqual((await texts(dealer)).slice(0, 3), ["1000", "", "EBUSY"])
      await until(() => release.length === 1_000)
      for (const go of release) go()
      for (let i = 0; i < 1_000; i++) assert.equal((await texts(dealer)).length, 3)
      await dealer.send(["again", "", "slow", ""])
      await until(() => release.length === 1_001)
      release[1_000]()
      assert.deepEqual(await texts(dealer), ["again", "", ""])
    })
  })

  describe("all of them", () => {
    it("are refused with foreign.accept: false, and other socket types always, without a loop", async () => {
      const closed = await alone({ foreign: { accept: false } })
      const open = await alone()
      for (const [node, type] of [
        [closed, "SUB"],
        [closed, "REQ"],
        [open, "ROUTER"],
        [open, "REP"],
        [open, "PAIR"],
        [open, "PEER"],
        [open, "RADIO"],
      ] as const) {
        const peer = using(await RawPeer.connect(node.endpoints[0]))
        await peer.write(GREETING, ready(type))
        await peer.read(64)
        const { name, data } = await peer.readCommand()
        assert.equal(name, "ERROR", type)
        assert.match(data.toString(), new RegExp(`${type} socket has no place`))
        await peer.gone
      }
      for (const socket of [new Pair(QUICK), new Router(QUICK), new Reply(QUICK)]) {
        const attempts: string[] = []
        socket.events.on("connect:retry", ({ error }) => void attempts.push(error?.code ?? ""))
        connected(socket, open)
        await until(() => attempts.length > 0)
        assert.equal(attempts[0], "ERR_ZMTP_PEER_ERROR")
      }
      assert.equal(open.stats().clients.length, 0)
    })

    it("are at most foreign.maxClients; others may come when they go", async () => {
      const node = await alone({ foreign: { maxClients: 1 } })
      const first = await follower(node, "")
      const second = connected(new Publisher(QUICK), node)
      const refused = events(node, "warning")
      await until(() => refused.length > 0)
      assert.equal(refused[0].error.code, "EMFILE")
      await first.close()
      await second.ready()
      assert.deepEqual(
        node.stats().clients.map(client => client.type),
        ["PUB"],
      )
    })

    it("are seen: by events, and by their counters", async () => {
      const node = await alone()
      const joined = events(node, "client:join")
      const left = events(node, "client:leave")
      const socket = await follower(node, "")
      await node.ready({ subject: "x" })
      node.publish("x", Buffer.alloc(100))
      await socket.receive()
      const [client] = node.stats().clients
      assert.equal(client.type, "SUB")
      assert.match(client.address, /^tcp:\/\/127\.0\.0\.1:\d+$/)
      assert.equal(client.messagesSent, 1)
      assert.ok(client.bytesSent > 100)
      assert.ok(client.bytesReceived > 0)
      await socket.close()
      await until(() => left.length === 1)
      assert.deepEqual(
        joined.map(one => one.client),
        left.map(one => one.client),
      )
      assert.equal(left[0].error, undefined)
    })

    it("leave nothing behind, 100 times in a row", async () => {
      const [a, b] = await overTcp(2, { foreign: { pull: { subject: "jobs", queue: "q" } } })
      b.serve("never", () => new Promise(() => {}))
      await a.ready({ subject: "never", servers: 1 })
      const types = ["SUB", "PUB", "PUSH", "PULL", "DEALER"] as const
      for (let i = 0; i < 100; i++) {
        const type = types[i % types.length]
        const peer = await RawPeer.connect(a.endpoints[0])
        await peer.shake(type)
        if (type === "SUB") await peer.write(command("SUBSCRIBE", `x.${i}.`), command("SUBSCRIBE", ""))
        if (type === "DEALER") await peer.write(message("never", "x"))
        await turns(2)
        if (i % 2 === 0) peer.end()
        else peer.reset()
        peer.destroy()
      }
      await until(() => a.stats().clients.length === 0)
      await until(() => a.stats().takers.length === 0 && a.stats().requests === 0)
      await a.flush()
      assert.equal(b.peers[0].interests, 0)
    })

    it("do not keep the process of the node alive", async () => {
      const program = Program.start(`
        import { join } from "${new URL("../../../index.js", import.meta.url).href}"
        const node = await join("alive", { discovery: [], listen: "tcp://127.0.0.1:0" })
        const subscription = node.subscribe("end", () => subscription.unsubscribe())
        console.log(node.endpoints[0])
      `)
      const [address] = await program.says(/tcp:\S+/)
      const socket = using(new Subscriber(QUICK))
      socket.connect(address)
      socket.subscribe("")
      const push = using(new Push(QUICK))
      push.connect(address)
      await push.ready()
      await socket.ready()
      await push.send(["end", ""])
      assert.equal(await program.exited, 0)
    })

    it("that vanish in the handshake, or say nonsense after it, disturb nobody", async () => {
      const node = await alone()
      const good = await follower(node, "")
      for (const bytes of [
        GREETING,
        Buffer.concat([GREETING, ready("SUB")]),
        Buffer.concat([GREETING, ready("SUB"), Buffer.from([4, 200, 1])]),
        Buffer.concat([GREETING, ready("SUB"), command("SUBSCRIBE", "x")]),
        Buffer.concat([GREETING, ready("REQ"), message(""), message("", "", "", "")]),
        Buffer.concat([GREETING, ready("PUSH"), Buffer.from([0xff, 0xff, 0xff])]),
        // It announces 2^62 bytes.
        Buffer.concat([GREETING, ready("PUSH"), Buffer.from([2, 0x40, 0, 0, 0, 0, 0, 0, 0])]),
      ]) {
        const peer = await RawPeer.connect(node.endpoints[0])
        await peer.write(bytes)
        await peer.read(64)
        await turns(3)
        peer.reset()
      }
      await until(() => node.stats().clients.length === 1)
      node.publish("x", Buffer.from("1"))
      assert.deepEqual(await texts(good), ["x", "1"])
    })

    it("get what is queued for them when the node closes, and answers when it drains", async () => {
      const node = await alone()
      const socket = await follower(node, "")
      await node.ready({ subject: "x" })
      let release = (): void => {}
      node.serve("slow", () => new Promise<Buffer>(resolve => (release = () => resolve(Buffer.from("done")))))
      const dealer = connected(new Dealer(QUICK), node)
      await dealer.send(["slow", ""])
      await until(() => node.stats().requests === 1)
      for (let i = 0; i < 100; i++) node.publish("x", Buffer.from(`${i}`))
      const drained = node.drain()
      await dealer.send(["slow", "late"])
      assert.equal((await texts(dealer))[0], "ECONNABORTED")
      release()
      assert.deepEqual(await texts(dealer), ["done"])
      await drained
      for (let i = 0; i < 100; i++) assert.equal((await texts(socket))[1], `${i}`)
      assert.equal(node.stats().clients.length, 0)
    })

    it("do not hold up close when they do not read", async () => {
      const node = await alone()
      const deaf = using(await RawPeer.connect(node.endpoints[0]))
      await deaf.shake("SUB")
      await deaf.write(command("SUBSCRIBE", ""))
      await node.ready({ subject: "x" })
      deaf.deafen()
      for (let i = 0; i < 500; i++) node.publish("x", Buffer.alloc(100_000))
      await node.close()
      assert.equal(node.stats().clients.length, 0)
    })

    it("options that cannot be are refused by join", async () => {
      for (const foreign of [
        { codec: "no such" },
        { pull: { subject: "a..b" } },
        { pull: { subject: "a", queue: "" } },
        { pull: { subject: "$heddle.>" } },
        { highWaterMark: 0 },
        { maxClients: -1 },
        { maxSubscriptions: 0 },
      ]) {
        await assert.rejects(
          join("wrong", { discovery: [], listen: [], foreign }).then(node => later(() => node.close())),
          { code: "EINVAL" },
        )
      }
    })

    it("may be in the same process, over inproc", async () => {
      const node = await join("inproc", { discovery: [], listen: ["inproc://foreign"] })
      later(() => node.close())
      const socket = await follower(node, "x.")
      await node.ready({ subject: "x.1" })
      node.serve("echo", one => one.data)
      await connected(new Push(QUICK), node).send(["x.1", "hello"])
      assert.deepEqual(await texts(socket), ["x.1", "hello"])
      const request = connected(new Request(QUICK), node)
      await request.send(["echo", "question"])
      assert.deepEqual(await texts(request), ["question"])
    })

    it("are no peers, and see what a node that joins later publishes", async () => {
      const node = await alone()
      const socket = await follower(node, "")
      assert.equal(node.peers.length, 0)
      const other = await another(node)
      assert.equal(other.peers.length, 1)
      await other.ready({ subject: "x" })
      other.publish("x", Buffer.from("1"))
      assert.deepEqual(await texts(socket), ["x", "1"])
      const { nodes } = await other.survey()
      assert.deepEqual(
        nodes.map(({ name, stats }) => [name, stats.clients.map(client => `${client.type} ${client.messagesSent}`)]),
        [
          ["another", []],
          ["a0", ["SUB 1"]],
        ],
      )
    })
  })
})
