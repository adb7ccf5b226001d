import assert from "node:assert/strict"
import { closesAfterEach } from "../../support/cleanup.ts"
import { until } from "../../support/wait.ts"
import { another, collect, overDirectory, overTcp, range } from "./nodes.ts"

describe("fabric: publish and subscribe", () => {
  closesAfterEach()

  for (const [way, open] of [
    ["tcp", overTcp],
    ["ipc", overDirectory],
  ] as const) {
    it(`FAB-SUB-1 every subscription whose pattern matches gets each message, in the order of its publisher, over ${way}`, async () => {
      const [a, b, c] = await open(3)
      const all = collect<number>(b, "orders.>")
      const eu = collect<number>(b, "orders.eu.*")
      const literal = collect<number>(c, "orders.eu.created")
      const other = collect<number>(c, "orders.us.*")
      await Promise.all([all, eu, literal, other].map(one => one.subscription.ready))
      for (let i = 0; i < 300; i++) a.publish(["orders.eu.created", "orders.eu.paid", "orders.us.paid"][i % 3], i)
      await a.flush()
      assert.deepEqual(await all.count(300), range(300))
      assert.deepEqual(
        await eu.count(200),
        range(300).filter(i => i % 3 < 2),
      )
      assert.deepEqual(
        await literal.count(100),
        range(300).filter(i => i % 3 === 0),
      )
      assert.deepEqual(
        await other.count(100),
        range(300).filter(i => i % 3 === 2),
      )
    })
  }

  it("FAB-SUB-2 the publisher's own subscriptions get its messages, never from within publish", async () => {
    const [a, b] = await overTcp(2)
    const own = collect(a, "s.*")
    const theirs = collect(b, "s.*")
    await theirs.subscription.ready
    assert.deepEqual(a.publish("s.1", 1), { peers: 2, dropped: 0, taken: true })
    assert.equal(own.messages.length, 0)
    assert.deepEqual(await own.count(1), [1])
    assert.deepEqual(await theirs.count(1), [1])
    assert.equal(own.messages[0].from, a.id)
    assert.equal(theirs.messages[0].from, a.id)
    assert.equal(theirs.messages[0].fromName, "a0")
    assert.equal(theirs.messages[0].subject, "s.1")
    assert.equal(theirs.messages[0].kept, false)
  })

  it("FAB-SUB-3 a message that nobody wants costs no bytes on the wire", async () => {
    const [a, b] = await overTcp(2)
    const wanted = collect(b, "wanted")
    await wanted.subscription.ready
    await a.flush()
    // Acknowledgements of what came before are on their way for a moment.
    let before = -1
    await until(() => {
      const now = a.stats().bytesSent
      const quiet = now === before
      before = now
      return quiet
    })
    for (let i = 0; i < 10_000; i++)
      assert.deepEqual(a.publish("unwanted", "x".repeat(100)), { peers: 0, dropped: 0, taken: true })
    await a.flush()
    // The probe of `flush`, and perhaps one of membership and an acknowledgement.
    assert.ok(a.stats().bytesSent - before < 1_000, `${a.stats().bytesSent - before} bytes`)
    assert.equal(a.stats().messagesSent, 0)
    assert.deepEqual(wanted.messages, [])
  })

  it("FAB-SUB-4 a node gets each message once on the wire, however many of its subscriptions match", async () => {
    const [a, b] = await overTcp(2)
    const three = [collect(b, "x"), collect(b, ">"), collect(b, "*")]
    await Promise.all(three.map(one => one.subscription.ready))
    assert.equal(a.publish("x", 1).peers, 1)
    a.publish("x", 2)
    for (const one of three) assert.deepEqual(await one.count(2), [1, 2])
    assert.equal(a.stats().messagesSent, 2)
    assert.equal(three[0].messages[0], three[1].messages[0])
  })

  it("FAB-SUB-5 a steady message of 64 bytes costs at most 12 bytes of framing", async () => {
    const [a, b] = await overTcp(2)
    const got = collect(b, "prices.>")
    await got.subscription.ready
    const payload = Buffer.alloc(64)
    // Beyond 127 subjects their numbers take two bytes.
    for (let i = 0; i < 2_000; i++) a.publish(`prices.${i % 1_000}`, payload)
    await a.flush()
    const { bytesSent } = a.stats()
    for (let i = 0; i < 10_000; i++) {
      a.publish(`prices.${i % 1_000}`, payload)
      if (i % 1_000 === 999) await a.flush()
    }
    await got.count(12_000)
    const each = (a.stats().bytesSent - bytesSent) / 10_000 - 64
    assert.ok(each <= 6, `${each} bytes each`)
  })

  it("FAB-SUB-5 also where each message is alone in its turn", async () => {
    const [a, b] = await overTcp(2)
    const got = collect(b, "tick")
    await got.subscription.ready
    const payload = Buffer.alloc(64)
    for (let i = 0; i < 2; i++) a.publish("tick", payload)
    await a.flush()
    const { bytesSent } = a.stats()
    for (let i = 0; i < 1_000; i++) {
      a.publish("tick", payload)
      await new Promise(resolve => setImmediate(resolve))
    }
    await got.count(1_002)
    const each = (a.stats().bytesSent - bytesSent) / 1_000 - 64
    assert.ok(each <= 12, `${each} bytes each`)
  })

  it("FAB-SUB-6 nothing comes after unsubscribe; others of the node are not touched", async () => {
    const [a, b] = await overTcp(2)
    const one = collect(b, "x")
    const two = collect(b, "x")
    await two.subscription.ready
    a.publish("x", 1)
    await two.count(1)
    one.subscription.unsubscribe()
    one.subscription.unsubscribe()
    assert.equal(one.subscription.closed, true)
    a.publish("x", 2)
    assert.deepEqual(await two.count(2), [1, 2])
    assert.deepEqual(one.values(), [1])
    two.subscription.unsubscribe()
    await b.flush()
    assert.equal(a.publish("x", 3).peers, 0)
  })

  it("FAB-SUB-7 max ends the subscription by itself", async () => {
    const [a, b] = await overTcp(2)
    const three = collect(b, "x", { max: 3 })
    const rest = collect(b, "x")
    await rest.subscription.ready
    for (let i = 0; i < 10; i++) a.publish("x", i)
    await rest.count(10)
    assert.deepEqual(three.values(), [0, 1, 2])
    assert.equal(three.subscription.closed, true)
    assert.equal(three.subscription.delivered, 3)
    const iterated: unknown[] = []
    const iterator = b.subscribe("x", { max: 2 })
    await iterator.ready
    for (let i = 0; i < 10; i++) a.publish("x", i)
    for await (const { data } of iterator) iterated.push(data)
    assert.deepEqual(iterated, [0, 1])
  })

  it("FAB-SUB-8 a subscription that is ready misses nothing published from then on, by nodes that join later too", async () => {
    const [a] = await overTcp(1)
    const got = collect(a, "late.*")
    const b = await another(a)
    // `join` resolves when the wishes of those who were found are known.
    assert.equal(b.publish("late.1", 1).peers, 1)
    assert.deepEqual(await got.count(1), [1])
  })

  it("FAB-SUB-9 a subject is wanted under many patterns, and given up one by one", async () => {
    const [a, b] = await overTcp(2)
    const all = range(200).map(i => collect(b, i % 2 === 0 ? `t.${i}.*` : `t.${i}.x`))
    const wide = collect(b, "t.>")
    await wide.subscription.ready
    for (let i = 0; i < 200; i++) a.publish(`t.${i}.x`, i)
    await wide.count(200)
    for (const [i, { values }] of all.entries()) assert.deepEqual(values(), [i])
    wide.subscription.unsubscribe()
    for (const [i, one] of all.entries()) if (i % 3 > 0) one.subscription.unsubscribe()
    await b.flush()
    for (let i = 0; i < 200; i++) assert.equal(a.publish(`t.${i}.x`, -i).peers, i % 3 === 0 ? 1 : 0)
    await all[198].count(2)
    for (const [i, { messages }] of all.entries()) assert.equal(messages.length, i % 3 === 0 ? 2 : 1)
  })

  it("FAB-SUB-10 20,000 subjects in turn all arrive right, though links number 8,192 at most", async () => {
    const [a, b] = await overTcp(2)
    let wrong = 0
    let count = 0
    const got = b.subscribe("n.*", ({ subject, data }) => {
      count++
      if (subject !== `n.${data}`) wrong++
    })
    await got.ready
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 20_000; i++) {
        // Twice in a row: the second time it gets a number, which another subject had before.
        a.publish(`n.${i}`, i)
        a.publish(`n.${i}`, i)
        // Some stay in use.
        a.publish(`n.${i % 50}`, i % 50)
      }
      await a.flush()
    }
    assert.equal(wrong, 0)
    assert.equal(count, 120_000)
    assert.equal(got.dropped, 0)
  })

  it("FAB-SUB-10 also where messages wait while their subjects lose their numbers", async () => {
    const [a, b] = await overTcp(2, { resume: { bytes: 16 * 1024 } })
    let wrong = 0
    let count = 0
    const got = b.subscribe(
      "n.*",
      ({ subject, data }) => {
        count++
        if (subject !== `n.${data}`) wrong++
      },
      { limit: 1_000_000 },
    )
    await got.ready
    for (let i = 0; i < 20_000; i++) {
      a.publish(`n.${i}`, i)
      a.publish(`n.${i}`, i)
    }
    assert.ok(a.stats().peers[0].queued > 30_000)
    await until(() => a.stats().peers[0].queued === 0)
    await a.flush()
    assert.equal(wrong, 0)
    assert.equal(count, 40_000)
  })
})
