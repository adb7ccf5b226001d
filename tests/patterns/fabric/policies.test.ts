import assert from "node:assert/strict"
import type { Fabric, PolicyName } from "../../../index.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { coded } from "../../support/pattern.ts"
import { pass, turns, until } from "../../support/wait.ts"
import { another, collect, events, fillWindow, Gate, overTcp, range, withValve } from "./nodes.ts"

const WINDOW = 4096

describe("fabric: policies of subscriptions", () => {
  closesAfterEach()

  const subject = (i: number): string => `s.${i % 2 === 0 ? "even" : "odd"}`
  const cases: [PolicyName, expected: number[], reason: "full" | "conflated", options?: { keep?: number }][] = [
    ["drop-new", [0, 1, 2, 3, 4, 5], "full"],
    ["drop-old", [14, 15, 16, 17, 18, 19], "full"],
    ["conflate", [18, 19], "conflated"],
    ["keep-last", [16, 17, 18, 19], "conflated", { keep: 2 }],
  ]
  for (const [policy, expected, reason, options] of cases) {
    it(`FAB-POL-1 ${policy}: the publisher keeps what the policy says for a stalled link, and counts the rest`, async () => {
      const { publisher, subscriber, valve } = await withValve(WINDOW)
      const got = collect<number>(subscriber, "s.*", { policy, limit: 6, ...options })
      const other = collect(subscriber, "fill")
      await other.subscription.ready
      const drops = events(publisher, "drop")
      const heard = events(subscriber, "drop")
      valve.stall()
      const filled = fillWindow(publisher, "fill", WINDOW)
      let dropped = 0
      for (let i = 0; i < 20; i++) dropped += publisher.publish(subject(i), i).dropped
      assert.equal(dropped, 20 - expected.length)
      assert.equal(publisher.stats().peers[0].dropped, dropped)
      assert.equal(publisher.stats().peers[0].queued, expected.length)
      valve.flow()
      assert.deepEqual(await got.count(expected.length), expected)
      await other.count(filled)
      await publisher.flush()
      assert.deepEqual(got.values(), expected)
      assert.deepEqual(drops, [
        {
          type: "drop",
          where: "sending",
          peer: { node: subscriber.id, name: "subscriber" },
          pattern: "s.*",
          reason,
          count: dropped,
        },
      ])
      await until(() => heard.length > 0)
      assert.equal(got.subscription.droppedBefore, dropped)
      assert.equal(got.subscription.dropped, 0)
      assert.deepEqual(heard[0].peer, { node: publisher.id, name: "publisher" })
      assert.equal(heard[0].where, "peer")
      assert.equal(heard[0].count, dropped)
    })

    it(`FAB-POL-2 ${policy}: the subscriber keeps what the policy says while its handler is slow, and counts the rest`, async () => {
      const [a, b] = await overTcp(2)
      const gate = new Gate()
      const slow = b.subscribe("s.*", gate.handler, { policy, limit: 6, ...options })
      const fast = collect(b, "s.*")
      await fast.subscription.ready
      const drops = events(b, "drop")
      a.publish("s.first", -1)
      for (let i = 0; i < 20; i++) a.publish(subject(i), i)
      await fast.count(21)
      assert.equal(slow.queued, expected.length)
      gate.release()
      await until(() => gate.inside.length > expected.length)
      assert.deepEqual(gate.inside, [-1, ...expected])
      assert.equal(slow.dropped, 20 - expected.length)
      assert.deepEqual(drops, [
        { type: "drop", where: "here", peer: null, pattern: "s.*", reason, count: 20 - expected.length },
      ])
      assert.equal(b.stats().dropped, 20 - expected.length)
    })
  }

  it("FAB-POL-3 ttl: what has waited for too long is dropped as stale, at the publisher", async () => {
    const { publisher, subscriber, valve } = await withValve(WINDOW)
    const old = collect(subscriber, "s", { ttl: 10 })
    const other = collect(subscriber, "fill")
    await other.subscription.ready
    const drops = events(publisher, "drop")
    valve.stall()
    const filled = fillWindow(publisher, "fill", WINDOW)
    for (let i = 0; i < 5; i++) publisher.publish("s", i)
    publisher.publish("fill", "last")
    await pass(30)
    valve.flow()
    await other.count(filled + 1)
    assert.deepEqual(old.values(), [])
    await until(() => old.subscription.droppedBefore === 5)
    assert.deepEqual(
      drops.map(({ reason, count }) => [reason, count]),
      [["stale", 5]],
    )
  })

  it("FAB-POL-3 ttl: and at the subscriber", async () => {
    const [a, b] = await overTcp(2)
    const slow = b.subscribe("s", { ttl: 10 })
    const fast = collect(b, "s")
    await fast.subscription.ready
    for (let i = 0; i < 5; i++) a.publish("s", i)
    await fast.count(5)
    await pass(30)
    const next = slow.receive()
    assert.equal(slow.dropped, 5)
    a.publish("s", 5)
    assert.equal((await next).data, 5)
  })

  it("FAB-POL-4 block: publish takes nothing once the limit is reached, send waits, and nothing is lost", async () => {
    const { publisher, subscriber, valve } = await withValve(WINDOW)
    const got = collect<number>(subscriber, "s", { policy: "block", limit: 5 })
    const other = collect(subscriber, ">")
    await other.subscription.ready
    valve.stall()
    fillWindow(publisher, "fill", WINDOW)
    let taken = 0
    while (publisher.publish("s", taken).taken) taken++
    assert.equal(taken, 5)
    assert.deepEqual(publisher.publish("s", "nobody gets it"), { peers: 0, dropped: 0, taken: false })
    assert.equal(publisher.publish("free", 0).taken, true)
    await assert.rejects(publisher.send("s", "late", { timeout: 5 }), { code: "ETIMEDOUT" })
    const abort = new AbortController()
    const cancelled = assert.rejects(publisher.send("s", "x", { signal: abort.signal }), { code: "ECANCELED" })
    abort.abort()
    await cancelled
    const sending = range(20, 5).map(i => publisher.send("s", i))
    valve.flow()
    for (const result of await Promise.all(sending)) assert.equal(result.taken, true)
    assert.deepEqual(await got.count(25), range(25))
    assert.equal(publisher.stats().dropped, 0)
    assert.equal(publisher.stats().subjects.find(one => one.subject === "s")?.messagesSent, 25)
  })

  it("FAB-POL-5 block: a slow handler makes publishers wait, near and far, and lets them go on", async () => {
    const nodes = await overTcp(3)
    const [a, b] = nodes
    const gate = new Gate()
    const slow = b.subscribe("s", gate.handler, { policy: "block", limit: 8 })
    await slow.ready
    const sent: number[] = []
    const publish = (node: Fabric): boolean => {
      const value = nodes.indexOf(node) * 1_000 + sent.length
      const { taken } = node.publish("s", value)
      if (taken) sent.push(value)
      return taken
    }
    while (slow.queued < 6) {
      publish(a)
      await a.flush()
    }
    // Now all have heard that they shall wait.
    await b.flush()
    for (const node of nodes) while (publish(node));
    // One is inside, 6 wait there, b filled that up to 8, and a and c keep 8 each.
    assert.equal(slow.queued, 8)
    assert.equal(sent.length, 1 + 8 + 8 + 8)
    const waiting = nodes.map(node => node.send("s", "end"))
    gate.release()
    await Promise.all(waiting)
    await until(() => gate.inside.length === sent.length + 3)
    for (const n of [0, 1, 2]) {
      const own = (value: unknown): boolean => typeof value === "number" && Math.floor(value / 1_000) === n
      assert.deepEqual(gate.inside.filter(own), sent.filter(own))
    }
    assert.equal(slow.dropped, 0)
  })

  it("FAB-POL-5 block: a node that joins while it waits must wait too", async () => {
    const [a, b] = await overTcp(2)
    const gate = new Gate()
    const slow = b.subscribe("s", gate.handler, { policy: "block", limit: 4 })
    await slow.ready
    for (let i = 0; i < 4; i++) a.publish("s", i)
    await a.flush()
    assert.equal(slow.queued, 3)
    const c = await another(a)
    await c.ready({ peers: 2, subject: "s" })
    let taken = 0
    for (; taken < 100; taken++) if (!c.publish("s", taken).taken) break
    assert.equal(taken, 4)
    assert.equal(slow.queued, 3)
    gate.release()
    await until(() => gate.inside.length === 8)
  })

  it("FAB-POL-5 block: publishers go on where all that waited has become stale", async () => {
    const [a, b] = await overTcp(2)
    const slow = b.subscribe("s", { policy: "block", limit: 4, ttl: 5 })
    await slow.ready
    for (let i = 0; i < 3; i++) a.publish("s", i)
    await a.flush()
    assert.equal(slow.queued, 3)
    await pass(20)
    const next = slow.receive()
    // Round trips: the word to go on has arrived.
    await b.flush()
    a.publish("s", "fresh")
    assert.equal((await next).data, "fresh")
    assert.equal(slow.dropped, 3)
  })

  for (const policy of ["block", "drop-new"] as const) {
    it(`FAB-POL-5 ${policy}: the order stays while a link is full and open by turns`, async () => {
      const [a, b] = await overTcp(2, { resume: { bytes: 4096 } })
      const got = collect<number>(b, "s", { policy, limit: 100_000 })
      await got.subscription.ready
      const payload = "x".repeat(50)
      for (let i = 0; i < 2_000; ) {
        for (let n = i % 150; n >= 0 && i < 2_000; n--, i++) a.publish("s", { i, payload })
        await turns()
      }
      await got.count(2_000)
      assert.deepEqual(
        got.messages.map(({ data }) => (data as { i: number }).i),
        range(2_000),
      )
    })
  }

  it("FAB-POL-6 block: who publishes waits no longer for a peer that is gone for longer than its window", async () => {
    const { publisher, subscriber, valve } = await withValve(WINDOW, { resume: { bytes: WINDOW, time: 300 } })
    const down = events(publisher, "down")
    const got = collect(subscriber, "s", { policy: "block", limit: 3 })
    await got.subscription.ready
    await valve.close()
    await until(() => down.length > 0)
    // The window of the link takes some, then the limit of the subscription.
    while (publisher.publish("s", Buffer.alloc(100)).taken);
    assert.equal(publisher.peers[0].state, "down")
    assert.deepEqual(await publisher.send("s", 3), { peers: 1, dropped: 1, taken: true })
    assert.equal(publisher.peers[0].state, "lapsed")
  })

  it("FAB-POL-7 one slow subscription slows no other, of its node or of another one", async () => {
    const [a, b, c] = await overTcp(3)
    const gate = new Gate()
    const stuck = b.subscribe("s", gate.handler, { limit: 10 })
    const blocked = b.subscribe("blocked", gate.handler, { policy: "block", limit: 10 })
    const near = collect<number>(b, "s")
    const far = collect<number>(c, "s")
    await Promise.all([stuck.ready, blocked.ready, near.subscription.ready, far.subscription.ready])
    while (a.publish("blocked", 0).taken);
    for (let i = 0; i < 2_000; i++) a.publish("s", i)
    assert.deepEqual(await near.count(2_000), range(2_000))
    assert.deepEqual(await far.count(2_000), range(2_000))
    assert.equal(stuck.queued, 10)
    assert.equal(stuck.dropped, 1_989)
    gate.release()
  })

  it("FAB-POL-7 one stalled link slows no other", async () => {
    const { publisher, subscriber, valve } = await withValve(WINDOW)
    const stuck = collect(subscriber, ">", { limit: 10 })
    await stuck.subscription.ready
    const other = await another(publisher)
    const free = collect<number>(other, "s", { limit: 10 })
    await free.subscription.ready
    valve.stall()
    fillWindow(publisher, "fill", WINDOW)
    for (let i = 0; i < 500; i++) {
      publisher.publish("s", i)
      if (i % 5 === 4) await free.count(i + 1)
    }
    assert.deepEqual(free.values(), range(500))
    assert.equal(publisher.stats().peers.find(one => one.name === "subscriber")?.dropped, 490)
    assert.equal(publisher.stats().peers.find(one => one.name === "another")?.dropped, 0)
  })

  it("FAB-POL-8 what waits for two subscriptions of a node is kept when one of them ends", async () => {
    const { publisher, subscriber, valve } = await withValve(WINDOW)
    const strong = collect(subscriber, "s.*", { limit: 100 })
    const weak = collect<number>(subscriber, "s.x", { limit: 99 })
    const other = collect(subscriber, "fill")
    await other.subscription.ready
    valve.stall()
    fillWindow(publisher, "fill", WINDOW)
    for (let i = 0; i < 50; i++) publisher.publish(i % 2 === 0 ? "s.x" : "s.y", i)
    strong.subscription.unsubscribe()
    await until(() => publisher.peers[0].interests === 2)
    assert.equal(publisher.stats().peers[0].queued, 25)
    for (let i = 50; i < 60; i++) publisher.publish("s.x", i)
    valve.flow()
    const expected = [...range(25).map(i => i * 2), ...range(10, 50)]
    assert.deepEqual(await weak.count(35), expected)
  })

  it("FAB-POL-9 a payload that one node does not take is dropped for it alone, and its link stays", async () => {
    const [a, b] = await overTcp(2)
    const small = await another(a, { maxPayload: 1_000 })
    const wide = collect(b, ">")
    const got = [
      collect(small, "plain"),
      collect(small, "block", { policy: "block" }),
      collect(small, "queue", { queue: "q" }),
      collect(small, "queue.block", { queue: "q", policy: "block" }),
      collect(small, "history", { history: 1 }),
    ]
    await Promise.all([wide, ...got].map(one => one.subscription.ready))
    for (const { subscription } of got) {
      const { pattern } = subscription
      assert.equal(a.publish(pattern, Buffer.alloc(1_001)).dropped, 1, pattern)
      assert.equal(a.publish(pattern, Buffer.alloc(1_000)).dropped, 0, pattern)
    }
    await wide.count(10)
    for (const one of got) assert.equal((await one.count(1))[0] instanceof Buffer, true)
    await a.flush()
    assert.deepEqual(
      got.map(one => one.messages.length),
      [1, 1, 1, 1, 1],
    )
    assert.equal(a.stats().peers.find(one => one.name === "another")?.dropped, 5)
    for (const { subscription } of got) assert.equal(subscription.droppedBefore, 1)
  })

  it("FAB-SUB-16 flush waits for a subscriber that blocks as long as it takes, or as long as it is told", async () => {
    const [a, b] = await overTcp(2)
    const gate = new Gate()
    await b.subscribe("x", gate.handler, { policy: "block", limit: 1 }).ready
    await until(() => {
      const { taken } = a.publish("x", 1)
      return !taken
    })
    const waiting = a.send("x", "last")
    await assert.rejects(a.flush({ timeout: 20 }), coded("ETIMEDOUT", /^flush: .*20 ms; .*may be slow/))
    await assert.rejects(a.flush({ timeout: 0 }), coded("ETIMEDOUT"))
    await assert.rejects(a.flush({ timeout: -1 }), coded("EINVAL", /timeout/))
    gate.release()
    await waiting
    await a.flush()
    await a.flush({ timeout: 60_000 })
    await until(() => gate.inside.at(-1) === "last")
  })
})
