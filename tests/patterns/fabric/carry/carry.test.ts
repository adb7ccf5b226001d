import assert from "node:assert/strict"
import { closesAfterEach } from "../../../support/cleanup.ts"
import { GroupHub } from "../../../support/group.ts"
import { pass, turns, until } from "../../../support/wait.ts"
import { collect, range } from "../nodes.ts"
import { CarryRig, carryOf, GROUP, PROBE } from "./rig.ts"

const ON = "receiving group: its beacons come through"

describe("Carried subjects", () => {
  closesAfterEach()

  let hub: GroupHub
  let rig: CarryRig
  beforeEach(() => {
    hub = new GroupHub()
    rig = new CarryRig(hub)
  })

  it("are sent to the group once for all who hear it (FAB-CAR-1, 2, 16)", async () => {
    const { p, subscribers } = await rig.carried(3)
    const before = carryOf(p).messagesSent
    const bytes = p.stats().bytesSent
    rig.tick(p, 1_000)
    await p.flush()
    assert.equal(carryOf(p).messagesSent - before, 1_000)
    const count = rig.published(p)
    for (const one of subscribers) assert.deepEqual([one.holes(count), one.got.length], [0, count])
    assert.ok(p.stats().bytesSent - bytes < 3_000, "the links carried no more than flush and acknowledgements")
    for (const one of subscribers) assert.deepEqual(one.ways(), [ON])
    const groups = { to: [GROUP], from: [] }
    assert.deepEqual(
      p.peers.map(({ carry }) => carry),
      [groups, groups, groups],
    )
    for (const { node } of subscribers) {
      assert.deepEqual(node.peers.find(({ name }) => name === "p")?.carry, { to: [], from: [GROUP] })
      const peer = node.stats().peers.find(({ name }) => name === "p")
      assert.equal(peer?.messagesReceived, count)
      const subjects = node.stats().subjects.reduce((sum, { messagesReceived }) => sum + messagesReceived, 0)
      assert.ok(subjects >= 1_000)
    }
    for (const { messagesSent } of p.stats().peers) assert.equal(messagesSent, count)
  })

  it("go by link while fewer hear the group than the threshold says (FAB-CAR-3)", async () => {
    const p = await rig.join("p")
    const one = await rig.subscriber("s")
    rig.tick(p, 100)
    await p.flush()
    await pass(PROBE)
    rig.tick(p, 100)
    await p.flush()
    assert.deepEqual([one.got.length, hub.sent.length, hub.open.senders], [200, 0, 0])
    assert.deepEqual(one.ways(), [])
  })

  it("go by the group for one peer where the threshold is one (FAB-CAR-3)", async () => {
    const { p, subscribers } = await rig.carried(1, {
      carry: { "ticks.>": { group: GROUP, threshold: 1, probe: PROBE } },
    })
    rig.tick(p, 100)
    await p.flush()
    assert.deepEqual([subscribers[0].holes(rig.published(p)), subscribers[0].ways()], [0, [ON]])
  })

  it("go by link to peers without the option, by the group to the others (FAB-CAR-2, 13)", async () => {
    const { p, subscribers } = await rig.carried(2)
    const plain = await rig.subscriber("plain", { carry: undefined })
    const first = rig.published(p)
    const result = p.publish("ticks.x", first)
    assert.deepEqual(result, { peers: 3, dropped: 0, taken: true })
    await p.flush()
    for (const { got } of [...subscribers, plain]) assert.equal(got.at(-1), first)
    assert.deepEqual(p.peers.find(({ name }) => name === "plain")?.carry, { to: [], from: [] })
    assert.equal(plain.node.stats().carry, undefined)
  })

  it("reach peers that take less than the publisher may send by link (FAB-CAR-13)", async () => {
    const { p, subscribers } = await rig.carried(2)
    const small = await rig.subscriber("small", { maxPayload: 1_000 })
    await until(() => hub.open.receivers === 3)
    await pass(PROBE)
    p.publish("ticks.x", Buffer.alloc(2_000))
    rig.tick(p)
    await p.flush()
    assert.deepEqual(p.peers.find(({ name }) => name === "small")?.carry, { to: [], from: [] })
    assert.equal(small.got.at(-1), rig.published(p) - 1)
    assert.deepEqual(
      subscribers.map(({ got }) => got.length),
      Array(2).fill(rig.published(p) + 1),
    )
    assert.equal(p.stats().dropped, 1)
  })

  it("cost nothing where no peer wants them (FAB-CAR-9)", async () => {
    const { p } = await rig.carried(2)
    const { messagesSent } = carryOf(p)
    assert.deepEqual(p.publish("ticks", 1), { peers: 0, dropped: 0, taken: true })
    const only = await rig.subscriber("q", {}, "ticks.only")
    await until(() => carryOf(p).to === 3)
    assert.equal(p.publish("ticks.only", 7).peers, 3)
    assert.equal(p.publish("ticks.other", 8).peers, 2)
    await p.flush()
    assert.deepEqual(only.got, [7])
    assert.equal(carryOf(p).messagesSent, messagesSent + 2)
  })

  it("keep values, codecs, headers and large payloads (FAB-CAR-1, 10)", async () => {
    const codec = {
      name: "own",
      encode: (value: unknown) => Buffer.from(`<${value as string}>`),
      decode: (bytes: Buffer) => bytes.toString().slice(1, -1),
    }
    const { p, subscribers } = await rig.carried(2, { codecs: [codec] })
    const got = subscribers.map(({ node }) => collect(node, "ticks.values.>"))
    for (const { subscription } of got) await subscription.ready
    const large = Buffer.alloc(100_000, 7)
    const values = [
      { price: 1.5, name: "a" },
      { price: 2.5, name: "b" },
      { other: [1, { price: 3, name: "c" }] },
      "text",
      null,
      undefined,
      Buffer.from("bytes"),
      large,
      [{ fresh: 1, keys: 2 }],
    ]
    const before = carryOf(p).messagesSent
    for (const [i, value] of values.entries())
      p.publish(`ticks.values.${i % 2}`, value, i % 2 === 0 ? { headers: { n: `${i}`, b: Buffer.of(i) } } : undefined)
    p.publish("ticks.values.own", "mine", { codec: "own" })
    p.publish("ticks.values.own", "mine too", { codec: "own", headers: { x: "y" } })
    p.publish("ticks.values.json", { j: 1 }, { codec: "json" })
    await p.flush()
    assert.equal(carryOf(p).messagesSent - before, values.length + 3)
    for (const { messages } of got) {
      assert.deepEqual(
        messages.map(({ data }) => data),
        [...values, "mine", "mine too", { j: 1 }],
      )
      assert.deepEqual(
        messages.slice(0, 2).map(({ headers }) => [...headers]),
        [
          [
            ["n", "0"],
            ["b", Buffer.of(0)],
          ],
          [],
        ],
      )
      assert.deepEqual([messages[0].from, messages[0].fromName, messages[7].size], [p.id, "p", 100_000])
      assert.deepEqual([messages[9].encoding, [...messages[10].headers]], ["own", [["x", "y"]]])
    }
  })

  it("wait for the structures that they need, which come by link (FAB-CAR-10)", async () => {
    const { p, subscribers } = await rig.carried(2)
    const late = await rig.subscriber("late")
    await until(() => carryOf(p).to === 3)
    const got = [...subscribers, late].map(({ node }) => collect<object>(node, "ticks.s"))
    for (const { subscription } of got) await subscription.ready
    const values = range(50).map(i => ({ [`key${i % 10}`]: i, same: [{ [`inner${i % 7}`]: 1 }] }))
    for (const value of values) {
      p.publish("ticks.s", value)
      await turns(1)
    }
    for (const one of got) assert.deepEqual(await one.count(values.length), values)
  })

  it("go by link to queue groups, to blocking subscriptions and to those with history (FAB-CAR-7)", async () => {
    const { p, subscribers } = await rig.carried(2)
    const [a, b] = subscribers.map(({ node }) => node)
    const keeper = p.keep("ticks.>", { last: 3 })
    const jobs = [collect(a, "ticks.job", { queue: "q" }), collect(b, "ticks.job", { queue: "q" })]
    const block = collect(a, "ticks.job", { policy: "block", limit: 1_000 })
    for (const { subscription } of [...jobs, block]) await subscription.ready
    for (const i of range(100)) assert.equal(p.publish("ticks.job", i).taken, true)
    const history = collect(b, "ticks.job", { history: 3 })
    await history.subscription.ready
    await p.flush()
    assert.deepEqual(
      [...jobs[0].values(), ...jobs[1].values()].sort((one, two) => Number(one) - Number(two)),
      range(100),
    )
    assert.deepEqual(block.values(), range(100))
    assert.deepEqual(history.values(), [97, 98, 99])
    assert.ok(jobs.every(({ messages }) => messages.length > 0))
    // Plain subscriptions of the same peers still get them by the group, each once.
    for (const { got } of subscribers) assert.deepEqual(got.slice(-100), range(100))
    keeper[Symbol.dispose]()
  })

  it("go on for whoever comes late, without a hole or a double (FAB-CAR-1)", async () => {
    const { p, subscribers } = await rig.carried(2)
    let running = true
    const busy = (async () => {
      while (running) {
        rig.tick(p, 20)
        await turns(3)
      }
    })()
    const late = [await rig.subscriber("l0"), await rig.subscriber("l1")]
    await until(() => carryOf(p).to === 4)
    await pass(50)
    running = false
    await busy
    await p.flush()
    const count = rig.published(p)
    for (const { got, holes } of late) assert.equal(got.at(-1), count - 1, `${holes}`)
    for (const one of late) assert.equal(one.holes(count), one.got[0])
    for (const one of subscribers) assert.equal(one.holes(count), 0)
  })

  it("are given up when too few hear them, in order (FAB-CAR-3, 5)", async () => {
    const { p, subscribers } = await rig.carried(2)
    let running = true
    const busy = (async () => {
      while (running) {
        rig.tick(p, 5)
        await turns(5)
      }
    })()
    await subscribers[1].node.close()
    await until(() => subscribers[0].ways().length === 2)
    await until(() => carryOf(p).to === 0)
    running = false
    await busy
    await p.flush()
    assert.equal(subscribers[0].holes(rig.published(p)), 0)
    assert.deepEqual(subscribers[0].ways(), [ON, "receiving link: too few peers hear the group"])
    const sent = hub.sent.length
    rig.tick(p, 10)
    await p.flush()
    assert.equal(subscribers[0].holes(rig.published(p)), 0)
    assert.ok(hub.sent.length - sent <= 2, "beacons at most")
    // Another comes, and it is used again.
    const other = await rig.subscriber("other")
    await rig.byGroup(p, 2)
    rig.tick(p, 10)
    await p.flush()
    assert.equal(subscribers[0].holes(rig.published(p)), 0)
    assert.equal(other.got.at(-1), rig.published(p) - 1)
  })

  it("are not listened to where nobody subscribes any more", async () => {
    const { p, subscribers } = await rig.carried(3)
    const extra = subscribers[2].node
    const more = extra.subscribe("ticks.>", () => {})
    await more.ready
    more.unsubscribe()
    await pass(PROBE)
    assert.equal(carryOf(p).to, 3, "one of its subscriptions is still there")
    const late = await rig.join("late")
    const subscription = late.subscribe("ticks.1", () => {})
    await until(() => carryOf(p).to === 4)
    subscription.unsubscribe()
    await until(() => carryOf(p).to === 3 && hub.open.receivers === 3)
    rig.tick(p, 10)
    await p.flush()
    for (const one of subscribers) assert.equal(one.holes(rig.published(p)), 0)
    // And again.
    late.subscribe("ticks.1", () => {})
    await until(() => carryOf(p).to === 4)
  })

  it("have several publishers, each with an order of its own", async () => {
    const { p, subscribers } = await rig.carried(2)
    const q = await rig.join("q")
    const got = subscribers.map(({ node }) => collect(node, "ticks.q.*"))
    for (const { subscription } of got) await subscription.ready
    let number = 0
    await until(() => {
      q.publish(`ticks.q.${number % 2}`, number++)
      return carryOf(q).to === 2
    })
    for (let i = 0; i < 200; i++) {
      q.publish(`ticks.q.${number % 2}`, number++)
      rig.tick(p)
    }
    await Promise.all([p.flush(), q.flush()])
    for (const { values } of got) assert.deepEqual(values(), range(number))
    for (const { got } of subscribers) assert.equal(got.length, rig.published(p) + number)
  })

  it("may be carried by several groups, the first pattern that matches counts", async () => {
    const carry = { "ticks.a": { group: "group://a", probe: PROBE }, "ticks.>": { group: GROUP, probe: PROBE } }
    const p = await rig.join("p", { carry })
    const subscribers = [await rig.subscriber("s0", { carry }), await rig.subscriber("s1", { carry })]
    let count = 0
    const stats = () => (p.stats().carry ?? []).map(({ to }) => to)
    await until(() => {
      p.publish("ticks.a", count++)
      p.publish("ticks.b", count++)
      return stats().every(to => to === 2)
    })
    const before = (p.stats().carry ?? []).map(({ messagesSent }) => messagesSent)
    for (const _ of range(10)) p.publish("ticks.a", count++)
    for (const _ of range(5)) p.publish("ticks.b", count++)
    await p.flush()
    assert.deepEqual(
      (p.stats().carry ?? []).map(({ messagesSent }, i) => messagesSent - before[i]),
      [10, 5],
    )
    for (const { got } of subscribers)
      assert.deepEqual(
        [...got].sort((a, b) => a - b),
        range(count),
      )
  })
})
