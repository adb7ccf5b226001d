import assert from "node:assert/strict"
import type { Fabric, SubscribeOptions } from "../../../index.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { turns, until } from "../../support/wait.ts"
import { collect, events, Gate, overTcp, range } from "./nodes.ts"

describe("fabric: handlers, iterators and errors", () => {
  closesAfterEach()

  it("FAB-SUB-11 handlers that return promises run one after the other, unless concurrency says more", async () => {
    const [a, b] = await overTcp(2)
    const one = new Gate()
    const three = new Gate()
    const subscriptions = [b.subscribe("x", one.handler), b.subscribe("x", three.handler, { concurrency: 3 })]
    await Promise.all(subscriptions.map(s => s.ready))
    for (let i = 0; i < 10; i++) a.publish("x", i)
    await a.flush()
    assert.deepEqual(one.inside, [0])
    assert.deepEqual(three.inside, [0, 1, 2])
    assert.equal(subscriptions[0].queued, 9)
    one.step()
    three.step()
    await turns()
    assert.deepEqual(one.inside, [0, 1])
    assert.deepEqual(three.inside, [0, 1, 2, 3])
    one.release()
    three.release()
    await until(() => one.inside.length + three.inside.length === 20)
    assert.deepEqual(one.inside, range(10))
    assert.deepEqual(three.inside, range(10))
  })

  it("FAB-SUB-12 what a handler throws, now or later, is an event; the next messages come", async () => {
    const [a, b] = await overTcp(2)
    const errors = events(b, "error")
    const got: unknown[] = []
    const handle = b.subscribe("x.*", ({ data }) => {
      got.push(data)
      if (data === 1) throw new Error("now")
      if (data === 2) return Promise.reject(new Error("later"))
    })
    await handle.ready
    for (let i = 0; i < 5; i++) a.publish("x.y", i)
    await until(() => got.length === 5)
    assert.deepEqual(
      errors.map(({ subject, error }) => `${subject} ${(error as Error).message}`),
      ["x.* now", "x.* later"],
    )
    assert.equal(handle.failed, 2)
    assert.equal(b.stats().takers.find(one => one.pattern === "x.*")?.failed, 2)
  })

  it("FAB-SUB-13 without a handler it is an async iterator; leaving the loop ends it", async () => {
    const [a, b] = await overTcp(2)
    const subscription = b.subscribe("x")
    await subscription.ready
    for (let i = 0; i < 5; i++) a.publish("x", i)
    const got: unknown[] = []
    for await (const { data } of subscription) {
      got.push(data)
      if (data === 3) break
    }
    assert.deepEqual(got, [0, 1, 2, 3])
    assert.equal(subscription.closed, true)
    await b.flush()
    assert.equal(a.publish("x", 5).peers, 0)
    assert.throws(() => b.subscribe("x", () => {})[Symbol.asyncIterator](), {
      code: "EINVAL",
      message: /has a handler/,
    })
  })

  it("FAB-SUB-13 receive takes one; several calls are served in their order, and end with the subscription", async () => {
    const [a, b] = await overTcp(2)
    const subscription = b.subscribe("x")
    await subscription.ready
    const first = range(3).map(() => subscription.receive())
    for (let i = 0; i < 5; i++) a.publish("x", i)
    assert.deepEqual(
      (await Promise.all(first)).map(one => one.data),
      [0, 1, 2],
    )
    assert.equal((await subscription.receive()).data, 3)
    assert.equal((await subscription.receive()).data, 4)
    const pending = assert.rejects(subscription.receive(), { code: "EBADF" })
    subscription.unsubscribe()
    await pending
    await assert.rejects(subscription.receive(), { code: "EBADF" })
    for await (const _ of subscription) assert.fail("it has ended")
  })

  it("FAB-SUB-13 also for what this node publishes", async () => {
    const [a] = await overTcp(1)
    const subscription = a.subscribe("x")
    const waiting = subscription.receive()
    a.publish("x", 1)
    const later = subscription.receive()
    a.publish("x", 2)
    assert.deepEqual([(await waiting).data, (await later).data], [1, 2])
  })

  it("FAB-SUB-14 handlers may publish, subscribe and unsubscribe", async () => {
    const [a, b] = await overTcp(2)
    const pongs = collect(a, "pong")
    const inner: unknown[] = []
    const ping = b.subscribe("ping", ({ data }) => {
      b.publish("pong", data)
      if (data === 1) b.subscribe("ping", message => void inner.push(message.data))
      if (data === 2) ping.unsubscribe()
    })
    await Promise.all([pongs.subscription.ready, ping.ready])
    for (let i = 0; i < 5; i++) a.publish("ping", i)
    assert.deepEqual(await pongs.count(3), [0, 1, 2])
    await until(() => inner.length === 3)
    assert.deepEqual(inner, [2, 3, 4])
  })

  it("FAB-SUB-15 drain handles what has come, and lets handlers finish", async () => {
    const [a, b] = await overTcp(2)
    const gate = new Gate()
    const slow = b.subscribe("x", gate.handler)
    await slow.ready
    for (let i = 0; i < 3; i++) a.publish("x", i)
    let drained = false
    const draining = slow.drain().then(() => {
      drained = true
    })
    await until(() => slow.queued === 2)
    await a.flush()
    assert.equal(drained, false)
    gate.release()
    await draining
    assert.deepEqual(gate.inside, [0, 1, 2])
    const iterated: unknown[] = []
    const iterator = b.subscribe("x")
    await iterator.ready
    for (let i = 0; i < 3; i++) a.publish("x", i)
    const loop = (async () => {
      for await (const { data } of iterator) {
        iterated.push(data)
        await turns()
      }
    })()
    await iterator.drain()
    await loop
    assert.deepEqual(iterated, [0, 1, 2])
  })

  it("FAB-SUB-16 flush resolves when everything published has been taken, what waited for room included", async () => {
    const [a, b] = await overTcp(2, { resume: { bytes: 4096 } })
    const got = collect(b, "x")
    await got.subscription.ready
    for (let i = 0; i < 5_000; i++) a.publish("x", i)
    assert.ok(a.stats().peers[0].queued > 1_000)
    await a.flush()
    assert.equal(got.messages.length, 5_000)
    assert.equal(a.stats().peers[0].queued, 0)
  })

  for (const subject of [
    "",
    ".",
    "a.",
    ".a",
    "a..b",
    "a b",
    "a\tb",
    "a\0",
    "*",
    "a.*",
    ">",
    "a.>",
    "x".repeat(1025),
    "\ud800",
    7,
  ]) {
    it(`FAB-SUB-17 the subject ${JSON.stringify(subject).slice(0, 20)} is an error at the call that says what to do`, async () => {
      const [a] = await overTcp(1)
      assert.throws(() => a.publish(subject as string, 1), { code: "EINVAL", message: /subject.*[;,] / })
      await assert.rejects(a.send(subject as string, 1), { code: "EINVAL" })
    })
  }

  const options: [SubscribeOptions, RegExp][] = [
    [{ policy: "drop" as never }, /policy is drop; it takes one of block, drop-new, drop-old, conflate, keep-last/],
    [{ limit: 0 }, /limit is 0; it takes a whole number from 1/],
    [{ keep: 1.5 }, /keep is 1.5/],
    [{ ttl: -1 }, /ttl is -1/],
    [{ concurrency: 0 }, /concurrency is 0/],
    [{ max: Number.NaN }, /max is NaN/],
    [{ history: "first" as never }, /history is first/],
    [{ queue: "" }, /queue group/],
    [{ queue: "two words" }, /queue group/],
  ]
  for (const [option, message] of options) {
    it(`FAB-SUB-18 the option ${JSON.stringify(option)} is an error at the call that says what it takes`, async () => {
      const [a] = await overTcp(1)
      assert.throws(() => a.subscribe("x", option), { code: "EINVAL", message })
      assert.equal(a.stats().takers.length, 0)
    })
  }

  const misspelt: [string, (node: Fabric, option: object) => unknown, RegExp][] = [
    [
      "subscribe",
      (node, option) => node.subscribe("x", option),
      /subscribe has no option quue; it has queue, policy, limit, keep, ttl, history, concurrency, max$/,
    ],
    [
      "subscribe with a handler",
      (node, option) => node.subscribe("x", () => {}, option),
      /subscribe has no option quue; it has queue, /,
    ],
    [
      "serve",
      (node, option) => node.serve("x", () => {}, option),
      /serve has no option quue; it has queue, concurrency, limit$/,
    ],
    [
      "work",
      (node, option) => node.work("x", () => {}, option),
      /work has no option quue; it has concurrency, prefetch, ackWait$/,
    ],
  ]
  for (const [call, made, message] of misspelt) {
    it(`FAB-SUB-18 an option that ${call} does not have is an error that names those it has`, async () => {
      const [a] = await overTcp(1)
      assert.throws(() => made(a, { concurrency: 1, quue: "q" }), { name: "HeddleError", code: "EINVAL", message })
      assert.equal(a.stats().takers.length, 0)
    })
  }

  const unknown: Record<string, (node: Fabric, option: object) => unknown> = {
    send: (node, option) => node.send("x", 1, option),
    push: (node, option) => node.push("x", 1, option),
    request: (node, option) => node.request("x", 1, option),
    requestMany: (node, option) => node.requestMany("x", 1, option),
    stream: (node, option) => node.stream("x", 1, option),
    keep: (node, option) => node.keep("x", option),
    ready: (node, option) => node.ready(option),
    drain: (node, option) => node.drain(option),
    trace: (node, option) => node.trace("x", option),
    survey: (node, option) => node.survey(option),
  }
  for (const [name, call] of Object.entries(unknown)) {
    it(`FAB-SUB-18 an option that ${name} does not have is an error, and nothing happens`, async () => {
      const [a] = await overTcp(1)
      a.subscribe("x", () => assert.fail("nothing is sent"))
      // Some throw, those that give promises reject: drain throws, as it does for a value that cannot be.
      await assert.rejects(async () => call(a, { tiemout: 1 }), {
        name: "HeddleError",
        code: "EINVAL",
        message: new RegExp(`Invalid argument: ${name} has no option tiemout; it has `),
      })
      await a.flush()
      assert.deepEqual([a.closed, a.stats().tasks.outstanding, a.stats().requests], [false, 0, 0])
      assert.equal(a.stats().takers.length, 1)
    })
  }

  for (const pattern of ["", "a..b", "a.>.b", "a b", "x".repeat(1025)]) {
    it(`FAB-SUB-17 the pattern ${JSON.stringify(pattern).slice(0, 20)} is an error at the call`, async () => {
      const [a] = await overTcp(1)
      const calls: ((node: Fabric) => unknown)[] = [node => node.subscribe(pattern), node => node.keep(pattern)]
      if (pattern !== "a.>.b")
        for (const call of calls) assert.throws(() => call(a), { code: "EINVAL", message: /pattern/ })
    })
  }

  it("FAB-SUB-19 a closed node takes nothing, ends its subscriptions and their iterators", async () => {
    const [a] = await overTcp(1)
    const iterator = a.subscribe("x")
    const handled = a.subscribe("x", () => {})
    const loop = (async () => {
      for await (const _ of iterator) assert.fail("nothing was sent")
    })()
    await a.close()
    await loop
    assert.equal(handled.closed, true)
    for (const call of [() => a.publish("x", 1), () => a.subscribe("x"), () => a.keep("x")])
      assert.throws(call, { code: "EBADF" })
    await assert.rejects(a.send("x", 1), { code: "EBADF" })
    await assert.rejects(a.flush(), { code: "EBADF" })
  })
})
