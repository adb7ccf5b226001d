import assert from "node:assert/strict"
import type { Fabric, FabricMessage, Subscription } from "../../../index.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { until } from "../../support/wait.ts"
import { collect, fillWindow, Gate, overDirectory, overTcp, range, withValve } from "./nodes.ts"

const WINDOW = 4096
const inOrder = (values: unknown[]): unknown[] => (values as number[]).toSorted((a, b) => a - b)

/** Handlers that all write to one list. */
function members(
  nodes: Fabric[],
  pattern: string,
  queue: string,
): { shares: unknown[][]; subscriptions: Subscription[] } {
  const shares: unknown[][] = nodes.map(() => [])
  const subscriptions = nodes.map((node, i) =>
    node.subscribe(pattern, ({ data }: FabricMessage) => void shares[i].push(data), { queue }),
  )
  return { shares, subscriptions }
}

describe("fabric: queue groups", () => {
  closesAfterEach()

  for (const [way, open] of [
    ["tcp", overTcp],
    ["ipc", overDirectory],
  ] as const) {
    it(`FAB-QUE-1 each message goes to one member, and all members get some, over ${way}`, async () => {
      const nodes = await open(4)
      const { shares, subscriptions } = members([nodes[1], nodes[2], nodes[3], nodes[3]], "jobs.*", "workers")
      await Promise.all(subscriptions.map(one => one.ready))
      for (let i = 0; i < 1_000; i++) {
        assert.deepEqual(nodes[0].publish(`jobs.${i % 7}`, i), { peers: 1, dropped: 0, taken: true })
        if (i % 100 === 99) await nodes[0].flush()
      }
      await until(() => shares.flat().length >= 1_000)
      await nodes[0].flush()
      assert.deepEqual(inOrder(shares.flat()), range(1_000))
      for (const share of shares) assert.ok(share.length > 50, `${shares.map(one => one.length)}`)
    })
  }

  it("FAB-QUE-2 several groups and plain subscriptions each get their share", async () => {
    const [a, b, c] = await overTcp(3)
    const one = members([a, b, c], "jobs.x", "one")
    const two = members([b, c], "jobs.*", "two")
    const plain = collect(b, "jobs.>")
    const own = collect(a, "jobs.x")
    await Promise.all(
      [...one.subscriptions, ...two.subscriptions, plain.subscription, own.subscription].map(s => s.ready),
    )
    for (let i = 0; i < 300; i++) {
      const { peers } = a.publish("jobs.x", i)
      assert.ok(peers >= 2 && peers <= 3, `${peers}`)
      if (i % 50 === 49) await a.flush()
    }
    await plain.count(300)
    await own.count(300)
    await until(() => one.shares.flat().length >= 300 && two.shares.flat().length >= 300)
    await a.flush()
    assert.deepEqual(plain.values(), range(300))
    assert.deepEqual(own.values(), range(300))
    assert.deepEqual(inOrder(one.shares.flat()), range(300))
    assert.deepEqual(inOrder(two.shares.flat()), range(300))
  })

  it("FAB-QUE-3 a member that is busy gets less: who has the least outstanding work for its concurrency is chosen", async () => {
    const [a, b, c] = await overTcp(3)
    const gate = new Gate()
    const slow = b.subscribe("jobs", gate.handler, { queue: "q" })
    const fast = collect(c, "jobs", { queue: "q" })
    await Promise.all([slow.ready, fast.subscription.ready])
    for (let i = 0; i < 200; i++) {
      a.publish("jobs", i)
      // Word that it is done has come back.
      await a.flush()
      await c.flush()
    }
    // It keeps those that it had when it began to be slow; nothing of its share is done.
    assert.ok(gate.inside.length + slow.queued <= 2, `${gate.inside.length + slow.queued}`)
    assert.ok(fast.messages.length >= 198)
    gate.release()
  })

  it("FAB-QUE-3 and capacity counts", async () => {
    const [a, b, c] = await overTcp(3)
    const gate = new Gate()
    const one = b.subscribe("jobs", gate.handler, { queue: "q", concurrency: 1 })
    const nine = c.subscribe("jobs", gate.handler, { queue: "q", concurrency: 9 })
    await Promise.all([one.ready, nine.ready])
    for (let i = 0; i < 100; i++) a.publish("jobs", i)
    await a.flush()
    const had = nine.delivered + nine.queued
    assert.ok(had > 60 && had < 100, `${had}`)
    gate.release()
  })

  it("FAB-QUE-4 a member of the same process is preferred while it is not busy", async () => {
    const [a, b] = await overTcp(2)
    const own = collect(a, "jobs", { queue: "q" })
    const near = collect(b, "jobs", { queue: "q" })
    await near.subscription.ready
    for (let i = 0; i < 50; i++) {
      a.publish("jobs", i)
      await a.flush()
    }
    // Both are in this process: they take turns.
    assert.ok(own.messages.length > 0 && near.messages.length > 0)
    assert.equal(own.messages.length + near.messages.length, 50)
  })

  it("FAB-QUE-5 when a member ends the others get its share; what it had been sent is still handled if it drains", async () => {
    const [a, b, c] = await overTcp(3)
    const { shares, subscriptions } = members([b, c], "jobs", "q")
    await Promise.all(subscriptions.map(one => one.ready))
    for (let i = 0; i < 500; i++) a.publish("jobs", i)
    // Those are on the way.
    await subscriptions[0].drain()
    assert.equal(subscriptions[0].closed, true)
    for (let i = 500; i < 600; i++) a.publish("jobs", i)
    await until(() => shares.flat().length >= 600)
    assert.deepEqual(inOrder(shares.flat()), range(600))
    assert.deepEqual(shares[1].slice(-100), range(100, 500))
  })

  it("FAB-QUE-5 plain subscriptions drain, too", async () => {
    const [a, b] = await overTcp(2)
    const got = collect(b, "x")
    await got.subscription.ready
    for (let i = 0; i < 500; i++) a.publish("x", i)
    await got.subscription.drain()
    assert.deepEqual(got.values(), range(500))
    assert.equal(a.publish("x", 0).peers, 0)
  })

  it("FAB-QUE-6 what waits for a member whose link is down or stalled goes to the others", async () => {
    const { publisher, subscriber, valve } = await withValve(WINDOW)
    const stalled = collect(subscriber, "jobs", { queue: "q" })
    const other = collect(subscriber, "fill")
    await other.subscription.ready
    valve.stall()
    fillWindow(publisher, "fill", WINDOW)
    // It is the only one.
    for (let i = 0; i < 20; i++) assert.equal(publisher.publish("jobs", i).peers, 1)
    assert.equal(publisher.stats().peers[0].queued, 20)
    const own = collect(publisher, "jobs", { queue: "q" })
    for (let i = 20; i < 40; i++) publisher.publish("jobs", i)
    assert.deepEqual(await own.count(20), range(20, 20))
    await valve.close()
    assert.deepEqual(inOrder(await own.count(40)), range(40))
    assert.equal(stalled.messages.length, 0)
    assert.equal(publisher.stats().peers[0].queued, 0)
  })

  it("FAB-QUE-7 a publisher is made to wait when all members with the policy block are full, and nothing is lost", async () => {
    const [a, b, c] = await overTcp(3)
    const gate = new Gate()
    const options = { queue: "q", policy: "block", limit: 4 } as const
    const slow = [a, b, c].map(node => node.subscribe("jobs", gate.handler, options))
    await Promise.all(slow.map(one => one.ready))
    let sent = 0
    for (;;) {
      if (!a.publish("jobs", sent).taken) break
      sent++
      assert.ok(sent < 100, "nobody made it wait")
      await a.flush().catch(() => {})
      if (slow.every(one => one.queued >= 3)) break
    }
    while (a.publish("jobs", sent).taken) {
      sent++
      assert.ok(sent < 100, "nobody made it wait")
    }
    for (const one of slow) assert.ok(one.queued <= 4, `${one.queued}`)
    const last = a.send("jobs", sent)
    gate.release()
    assert.equal((await last).taken, true)
    await until(() => gate.inside.length > sent)
    assert.deepEqual(inOrder(gate.inside), range(sent + 1))
    assert.equal(a.stats().dropped, 0)
  })

  it("FAB-QUE-8 messages dropped on the way or here do not count as outstanding for ever", async () => {
    const { publisher, subscriber, valve } = await withValve(WINDOW)
    const far = collect(subscriber, "jobs", { queue: "q", limit: 5 })
    const other = collect(subscriber, "fill")
    await other.subscription.ready
    valve.stall()
    const filled = fillWindow(publisher, "fill", WINDOW)
    let dropped = 0
    for (let i = 0; i < 500; i++) dropped += publisher.publish("jobs", i).dropped
    assert.equal(dropped, 495)
    valve.flow()
    await other.count(filled)
    await far.count(5)
    await publisher.flush()
    await subscriber.flush()
    const own = collect(publisher, "jobs", { queue: "q" })
    for (let i = 0; i < 40; i++) {
      publisher.publish("jobs", i)
      await publisher.flush()
      await subscriber.flush()
    }
    // With 495 outstanding it would get none.
    assert.ok(far.messages.length > 10, `${far.messages.length}`)
    assert.equal(own.messages.length + far.messages.length - 5, 40)
  })
})
