import assert from "node:assert/strict"
import { closesAfterEach } from "../../support/cleanup.ts"
import { turns, until } from "../../support/wait.ts"
import { another, collect, overTcp, range } from "./nodes.ts"

describe("fabric: history", () => {
  closesAfterEach()

  it("FAB-HIS-1 a late subscriber gets the last message of each subject, oldest first, then the live flow", async () => {
    const [a, b] = await overTcp(2)
    a.keep("prices.*")
    for (let i = 0; i < 9; i++) a.publish(`prices.${"cab"[i % 3]}`, i)
    a.publish("other.x", 1)
    const got = collect<number>(b, "prices.>", { history: "last" })
    await got.subscription.ready
    a.publish("prices.a", 9)
    assert.deepEqual(await got.count(4), [6, 7, 8, 9])
    assert.deepEqual(
      got.messages.map(({ subject, kept }) => `${subject} ${kept}`),
      ["prices.c true", "prices.a true", "prices.b true", "prices.a false"],
    )
    const none = collect(b, "prices.>")
    await none.subscription.ready
    await a.flush()
    assert.equal(none.messages.length, 0)
  })

  it("FAB-HIS-2 or so many of each subject, as far as they were kept, with codec and headers", async () => {
    const [a, b] = await overTcp(2)
    a.keep("log.*", { last: 5 })
    const headers: [string, string][] = [["n", "1"]]
    for (let i = 0; i < 20; i++) a.publish(`log.${i % 2}`, { i }, { headers, codec: i % 3 === 0 ? "json" : "msgpack" })
    const three = collect<{ i: number }>(b, "log.*", { history: 3 })
    const many = collect<{ i: number }>(b, "log.1", { history: 100 })
    assert.deepEqual(
      (await three.count(6)).map(({ i }) => i),
      range(6, 14),
    )
    assert.deepEqual(
      (await many.count(5)).map(({ i }) => i),
      [11, 13, 15, 17, 19],
    )
    for (const { headers } of three.messages) assert.equal(headers.get("n"), "1")
    await a.flush()
    assert.equal(three.messages.length, 6)
    assert.equal(many.messages.length, 5)
  })

  it("FAB-HIS-3 no hole and nothing twice while publishers go on, and other subscriptions see none of it", async () => {
    const [a, b, c] = await overTcp(3)
    for (const node of [a, b]) node.keep("s.>", { last: 100_000 })
    const plain = collect<number>(c, "s.*")
    await plain.subscription.ready
    let on = true
    let sent = 0
    const publishing = (async () => {
      while (on || sent < 1_000) {
        for (let i = 0; i < 10; i++, sent++) {
          a.publish("s.a", sent)
          b.publish("s.b", sent)
        }
        await turns()
      }
    })()
    const late = []
    for (let i = 0; i < 10; i++) {
      late.push(collect<number>(c, "s.*", { history: 100_000, limit: 1_000_000 }))
      await turns(5)
    }
    await Promise.all(late.map(one => one.subscription.ready))
    on = false
    await publishing
    for (const { count, messages } of [plain, ...late]) {
      await count(2 * sent)
      for (const subject of ["s.a", "s.b"]) {
        const values = messages.filter(one => one.subject === subject).map(one => one.data)
        assert.deepEqual(values, range(sent))
      }
    }
    assert.ok(late.at(-1)?.messages.some(one => one.kept))
    assert.ok(plain.messages.every(one => !one.kept))
  })

  it("FAB-HIS-4 the node's own publisher is asked, too", async () => {
    const [a] = await overTcp(1)
    a.keep("x", { last: 3 })
    for (let i = 0; i < 5; i++) a.publish("x", i)
    const got = collect(a, "x", { history: 2 })
    assert.deepEqual(a.publish("x", 5), { peers: 1, dropped: 0, taken: true })
    assert.deepEqual(await got.count(3), [3, 4, 5])
    const blocking = collect(a, "x", { history: "last", policy: "block", limit: 1 })
    assert.deepEqual(await blocking.count(1), [5])
    a.publish("x", 6)
    assert.deepEqual(await blocking.count(2), [5, 6])
  })

  it("FAB-HIS-5 what is kept belongs to the publisher: memory that changes afterwards does not change it", async () => {
    const [a, b] = await overTcp(2)
    a.keep("x")
    const bytes = Buffer.from("before")
    a.publish("x", bytes)
    await turns(2)
    bytes.fill("!")
    const got = collect<Buffer>(b, "x", { history: "last" })
    assert.equal((await got.count(1))[0].toString(), "before")
  })

  it("FAB-HIS-6 a keeper that was stopped keeps nothing; clear forgets; the newest of several counts once", async () => {
    const [a, b] = await overTcp(2)
    const wide = a.keep("x.>", { last: 2 })
    a.publish("x.a", 1)
    a.publish("x.a", 2)
    a.publish("x.b", 3)
    // From here on this one has x.a, and the other still its older messages.
    const narrow = a.keep("x.a", { last: 2 })
    a.publish("x.a", 4)
    const got = collect(b, "x.*", { history: 2 })
    assert.deepEqual(await got.count(3), [2, 3, 4])
    const last = collect(b, "x.*", { history: 1 })
    assert.deepEqual(await last.count(2), [3, 4])
    wide.clear("x.b")
    narrow[Symbol.dispose]()
    a.publish("x.b", 5)
    wide.clear()
    a.publish("x.b", 6)
    wide[Symbol.dispose]()
    const none = collect(b, "x.*", { history: 10 })
    await none.subscription.ready
    await a.flush()
    assert.deepEqual(none.values(), [])
  })

  it("FAB-HIS-7 members of a queue group cannot ask for it", async () => {
    const [a] = await overTcp(1)
    assert.throws(() => a.subscribe("x", { queue: "q", history: "last" }), { code: "EINVAL", message: /queue group/ })
  })

  it("FAB-HIS-8 history beyond the limit of the subscription is dropped by its policy, and counted", async () => {
    const [a, b] = await overTcp(2)
    a.keep("x", { last: 100 })
    for (let i = 0; i < 100; i++) a.publish("x", i)
    const slow = b.subscribe("x", { history: 100, limit: 10, policy: "drop-old" })
    await slow.ready
    assert.equal(slow.queued, 10)
    assert.equal(slow.dropped, 90)
    assert.equal((await slow.receive()).data, 90)
  })

  it("FAB-HIS-9 nodes that join later send what they kept, and get what was kept", async () => {
    const [a] = await overTcp(1)
    a.keep("x")
    const got = collect<string>(a, "x", { history: "last" })
    a.publish("x", "a")
    await got.count(1)
    const b = await another(a)
    const late = collect(b, "x", { history: "last" })
    assert.deepEqual(await late.count(1), ["a"])
    b.keep("x")
    b.publish("x", "b")
    assert.deepEqual(await got.count(2), ["a", "b"])
    const both = collect<string>(b, "x", { history: "last" })
    assert.deepEqual((await both.count(2)).toSorted(), ["a", "b"])
  })
})

describe("fabric: ready", () => {
  closesAfterEach()

  it("FAB-RDY-1 a subscription is ready when all peers know of it, also when it ends before", async () => {
    const [a, b, c] = await overTcp(3)
    const got = collect(a, "x")
    await got.subscription.ready
    for (const node of [b, c]) assert.equal(node.publish("x", 1).peers, 1)
    await got.count(2)
    const gone = a.subscribe("y")
    gone.unsubscribe()
    await gone.ready
    const [alone] = await overTcp(1)
    await alone.subscribe("x").ready
  })

  it("FAB-RDY-2 ready waits for subscribers, servers, workers and peers, this node's own included", async () => {
    const [a, b] = await overTcp(2)
    const settled: string[] = []
    const note = (name: string, promise: Promise<void>): Promise<void> => promise.then(() => void settled.push(name))
    const waits = [
      note("default", a.ready({ subject: "x.1" })),
      note("two", a.ready({ subject: "x.1", subscribers: 2 })),
      note("server", a.ready({ subject: "x.1", servers: 1 })),
      note("worker", a.ready({ subject: "x.1", workers: 1 })),
      note("all", a.ready({ subject: "x.1", subscribers: 2, servers: 1, workers: 1, peers: 2 })),
    ]
    await a.ready({})
    await a.ready({ peers: 1 })
    b.serve("x.1", () => null)
    await waits[2]
    b.work("x.*", () => {})
    await waits[3]
    assert.deepEqual(settled, ["server", "worker"])
    b.subscribe("x.>", () => {}, { queue: "q" })
    await waits[0]
    assert.deepEqual(settled, ["server", "worker", "default"])
    a.subscribe("x.1", () => {})
    await waits[1]
    const c = await another(a)
    await waits[4]
    assert.deepEqual(settled, ["server", "worker", "default", "two", "all"])
    await c.ready({ subject: "x.1", subscribers: 2, servers: 1, workers: 1, peers: 2 })
  })

  it("FAB-RDY-3 it ends with ETIMEDOUT that says what was missing, ECANCELED, or EBADF", async () => {
    const [a] = await overTcp(1)
    await assert.rejects(a.ready({ subject: "x", subscribers: 2, timeout: 5 }), {
      code: "ETIMEDOUT",
      message: /0 of 2 subscribers of x/,
    })
    await assert.rejects(a.ready({ peers: 1, signal: AbortSignal.abort() }), { code: "ECANCELED" })
    const abort = new AbortController()
    const aborted = assert.rejects(a.ready({ peers: 1, signal: abort.signal }), { code: "ECANCELED" })
    abort.abort()
    await aborted
    const closed = assert.rejects(a.ready({ peers: 1 }), { code: "EBADF" })
    await a.close()
    await closed
    await assert.rejects(a.ready({ peers: 0 }), { code: "EBADF" })
  })

  it("FAB-RDY-4 a node that leaves counts no longer", async () => {
    const [a, b] = await overTcp(2)
    b.subscribe("x", () => {})
    await a.ready({ subject: "x" })
    await b.close()
    await until(() => a.peers.length === 0)
    await assert.rejects(a.ready({ subject: "x", timeout: 5 }), { code: "ETIMEDOUT" })
    assert.equal(a.publish("x", 1).peers, 0)
  })
})
