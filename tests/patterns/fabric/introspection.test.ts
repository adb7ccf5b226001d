import assert from "node:assert/strict"
import { type Fabric, type HeddleError, type JoinOptions, join, seeds } from "../../../index.ts"
import { readNodeStats, readTrace } from "../../../patterns/fabric/introspection/answers.ts"
import { Troubles } from "../../../patterns/fabric/introspection/troubles.ts"
import { closesAfterEach, using } from "../../support/cleanup.ts"
import { runModule } from "../../support/processes.ts"
import { until } from "../../support/wait.ts"

const LISTEN = "tcp://127.0.0.1:0"
const FROM = { node: "n", name: "somebody", pid: 0, roundTrip: 1 }

/** Linked nodes a, b, c... */
async function nodes(...options: JoinOptions[]): Promise<Fabric[]> {
  const all: Fabric[] = []
  for (const [i, more] of options.entries()) {
    const discovery = i === 0 ? [] : [seeds([all[0].endpoints[0]])]
    all.push(using(await join("introspection", { name: "abc"[i], discovery, listen: LISTEN, ...more })))
  }
  for (const node of all) await node.ready({ peers: options.length - 1 })
  return all
}

function refusal(call: () => unknown): string {
  try {
    call()
  } catch (error) {
    return `${(error as HeddleError).code}: ${(error as Error).message}`
  }
  return "taken"
}

describe("fabric: introspection", () => {
  closesAfterEach()

  it("trace names who gets a subject, at which node, and who has published it", async () => {
    const [a, b, c] = await nodes({}, {}, {})
    a.keep("orders.>", { last: 3 })
    const wishes = [
      b.subscribe("orders.*", () => {}),
      b.subscribe("orders.new", () => {}, { queue: "billing" }),
      c.subscribe("orders.new", () => {}, { queue: "billing" }),
      c.subscribe("other.>", () => {}),
      c.serve("orders.new", () => 1, { queue: "clerks" }),
      b.work("orders.>", () => {}),
    ]
    await Promise.all(wishes.map(one => one.ready))
    a.publish("orders.new", 1)
    a.publish("orders.new", 2)
    const trace = await c.trace("orders.new")
    assert.equal(trace.subject, "orders.new")
    assert.deepEqual(trace.silent, [])
    assert.equal(trace.nodes[0].node, c.id)
    const found = new Map(trace.nodes.map(one => [one.name, one]))
    const kinds = (name: string) =>
      found
        .get(name)
        ?.takers.map(one => `${one.kind} ${one.pattern} ${one.queue}`.trim())
        .sort()
    assert.deepEqual(kinds("a"), [])
    assert.deepEqual(kinds("b"), ["subscription orders.*", "subscription orders.new billing", "worker orders.>"])
    assert.deepEqual(kinds("c"), ["service orders.new clerks", "subscription orders.new billing"])
    assert.deepEqual(
      ["a", "b", "c"].map(name => found.get(name)?.published),
      [2, 0, 0],
    )
    assert.equal(found.get("a")?.kept, 2)
    assert.equal(found.get("b")?.kept, 0)
    assert.equal(found.get("a")?.pid, process.pid)
    assert.ok((found.get("a")?.roundTrip as number) > 0)
    assert.equal(found.get("c")?.roundTrip, 0)
  })

  it("survey has the counters of all nodes", async () => {
    const [a, b] = await nodes({}, {})
    let come = 0
    const subscription = b.subscribe("ticks", () => come++)
    await subscription.ready
    for (let i = 0; i < 10; i++) a.publish("ticks", i)
    await until(() => come === 10)
    const { nodes: all, silent } = await b.survey()
    assert.deepEqual(silent, [])
    const [own, other] = all
    assert.equal(own.node, b.id)
    assert.equal(other.name, "a")
    assert.equal(other.stats.messagesSent, 10)
    assert.equal(other.stats.subjects.find(one => one.subject === "ticks")?.messagesSent, 10)
    assert.equal(own.stats.takers.find(one => one.pattern === "ticks")?.handled, 10)
    assert.deepEqual(
      other.stats.peers.map(one => one.name),
      ["b"],
    )
    assert.ok(other.cpu > 0 && other.memory > 1_000_000)
  })

  it("survey has the round trips of links when it is asked to have them measured", async () => {
    const [a, b] = await nodes({}, {}, { introspection: false })
    const trips = async (roundTrips: boolean) => {
      const survey = await a.survey({ roundTrips })
      return survey.nodes.flatMap(({ stats }) => stats.peers.map(one => one.roundTrip))
    }
    await trips(false)
    assert.deepEqual(await trips(true), [-1, -1, -1, -1])
    // The node that tells nothing answers all the same: a refusal takes as long.
    while ((await trips(true)).some(one => one < 0)) await new Promise(resolve => setTimeout(resolve, 20))
    assert.ok((await trips(false)).every(one => one > 0 && one < 60_000))
    assert.equal(a.stats().requests + b.stats().requests, 0)
  })

  it("survey has drops by reason", async () => {
    const [a, b] = await nodes({}, {})
    await b.subscribe("x", () => new Promise(() => {}), { limit: 2 }).ready
    for (let i = 0; i < 10; i++) a.publish("x", i)
    const [taker] = b.stats().takers
    await until(() => {
      Object.assign(taker, b.stats().takers[0])
      return taker.handled + taker.queued + taker.dropped === 10
    })
    await until(() => b.stats().dropReasons.full === taker.dropped)
    const { nodes: all } = await a.survey()
    assert.deepEqual(
      all.map(({ stats }) => stats.dropReasons.full),
      [0, taker.dropped],
    )
    assert.ok(taker.dropped > 0)
    assert.deepEqual([b.stats().dropReasons.stale, b.stats().gaps, b.stats().missing], [0, 0, 0])
  })

  it("losses are counted by what events tell of them", () => {
    const troubles = new Troubles()
    const peer = { node: "n", name: "n" }
    const drop = { type: "drop", peer, pattern: "x" } as const
    troubles.note({ ...drop, where: "here", reason: "full", count: 3 })
    troubles.note({ ...drop, where: "sending", reason: "unacknowledged", count: 2 })
    troubles.note({ ...drop, where: "peer", reason: "full", count: 100 })
    troubles.note({ type: "gap", peer, missing: 7 })
    troubles.note({ type: "gap", peer, missing: null })
    troubles.note({ type: "up", peer })
    assert.deepEqual(troubles.stats(), {
      dropReasons: { full: 3, conflated: 0, stale: 0, malformed: 0, unacknowledged: 2 },
      gaps: 2,
      missing: 7,
    })
  })

  it("of more subjects than are told, those that grew most since the last time are", async () => {
    const [a, b] = await nodes({}, {})
    for (let i = 0; i < 300; i++) for (let j = 0; j < 5; j++) a.publish(`old.${i}`, null)
    const first = (await b.survey()).nodes[1].stats.subjects
    assert.equal(first.length, 200)
    for (let j = 0; j < 2; j++) a.publish("fresh", null)
    const [second] = (await b.survey()).nodes[1].stats.subjects
    assert.equal(second.subject, "fresh")
    assert.equal(second.messagesSent, 2)
  })

  it("is no service of the user: not among takers and interests, not ready, out of reach of wildcards", async () => {
    const [a, b] = await nodes({}, {})
    let served = 0
    const service = b.serve(">", () => ++served)
    await service.ready
    await a.trace("any")
    assert.equal(served, 0)
    assert.deepEqual(
      b.stats().takers.map(one => one.pattern),
      [">"],
    )
    assert.deepEqual(
      a.peers.map(one => one.interests),
      [1],
    )
    await assert.rejects(a.ready({ subject: "other", servers: 2, timeout: 20 }), { code: "ETIMEDOUT" })
  })

  it("a node that has switched it off is silent, and still asks others", async () => {
    const [a, b] = await nodes({ introspection: false }, {})
    const { nodes: all, silent } = await b.trace("x")
    assert.deepEqual(
      all.map(one => one.name),
      ["b"],
    )
    assert.equal(silent[0].name, "a")
    assert.match(silent[0].why, /^introspection is switched off there/)
    assert.equal((await a.trace("x")).nodes.length, 2)
  })

  it("works whatever the codec and the schemas of a node", async () => {
    const refusing = {
      "~standard": { version: 1 as const, vendor: "test", validate: () => ({ issues: [{ message: "never" }] }) },
    }
    const [, b] = await nodes({ codec: "bytes", schemas: { ">": refusing } }, { codec: "string" })
    assert.equal((await b.trace("x")).nodes.length, 2)
  })

  it("an answer that is larger than the fabric's payloads is an error, not a hang", async () => {
    const [, b] = await nodes({ maxPayload: 100 }, {})
    const { silent } = await b.survey()
    assert.match(silent[0].why, /exceeds the 100 that the fabric takes/)
  })

  it("subjects of the fabric itself cannot be used; others with $ can", async () => {
    const [a] = await nodes({})
    const calls: Record<string, (subject: string) => unknown> = {
      publish: subject => a.publish(subject, 1),
      subscribe: subject => a.subscribe(subject, () => {}),
      serve: subject => a.serve(subject, () => 1),
      work: subject => a.work(subject, () => {}),
      keep: subject => a.keep(subject),
    }
    for (const [name, call] of Object.entries(calls)) {
      assert.match(
        refusal(() => call("$heddle.stats")),
        /^EINVAL: Invalid subject "\$heddle.stats": "\$heddle." is reserved/,
        name,
      )
      for (const free of ["$mine.x", "$heddle", "$heddles.x"])
        assert.equal(
          refusal(() => call(free)),
          "taken",
          `${name} ${free}`,
        )
    }
    assert.match(
      refusal(() => a.subscribe("$heddle.>", () => {})),
      /reserved/,
    )
    await assert.rejects(a.request("$heddle.stats", 1), { code: "EINVAL" })
    await assert.rejects(a.push("$heddle.stats", 1), { code: "EINVAL" })
    await assert.rejects(a.send("$heddle.stats", 1), { code: "EINVAL" })
  })

  it("trace refuses what is no subject; nothing is answered after close", async () => {
    const [a] = await nodes({})
    await assert.rejects(a.trace("a.*"), { code: "EINVAL" })
    await assert.rejects(a.trace("a", { timeout: 0 }), { code: "EINVAL" })
    await a.close()
    await assert.rejects(a.trace("a"), { code: "EBADF" })
    await assert.rejects(a.survey(), { code: "EBADF" })
  })

  it("does not keep a process alive", async () => {
    const { code } = await runModule(`
      import { join } from ${JSON.stringify(new URL("../../../index.js", import.meta.url).href)}
      const node = await join("alone", { discovery: [] })
      await node.trace("x")
      await node.survey()
    `)
    assert.equal(code, 0)
  })

  it("answers that are none are told from answers, and nothing in them is believed", () => {
    for (const none of [null, undefined, 1, "x", [], [1]]) {
      assert.equal(readTrace(none, FROM), null)
      assert.equal(readNodeStats(none, FROM), null)
    }
    assert.equal(readNodeStats({ stats: 1 }, FROM), null)
    const trace = readTrace(
      { published: -1, kept: "9", takers: [1, null, { pattern: 7, kind: "spy", queued: 1 / 0 }], name: "false" },
      FROM,
    )
    const taker = { kind: "subscription", pattern: "", queue: "", handled: 0, failed: 0, queued: 0, dropped: 0 }
    assert.deepEqual(trace, { ...FROM, pid: 0, published: 0, kept: 0, takers: [taker], more: 0 })
    const many = readTrace({ takers: Array.from({ length: 5_000 }, () => ({})) }, FROM)
    assert.equal(many?.takers.length, 1_000)
    const stats = readNodeStats({ stats: { peers: "x", subjects: [{ subject: "a".repeat(5_000) }] } }, FROM)
    assert.equal(stats?.stats.subjects[0].subject.length, 1_024)
    assert.deepEqual(stats?.stats.peers, [])
  })
})
