import assert from "node:assert/strict"
import { seeds } from "../../../../index.ts"
import { closesAfterEach, later } from "../../../support/cleanup.ts"
import { GroupHub } from "../../../support/group.ts"
import { Random } from "../../../support/random.ts"
import { Valve } from "../../../support/valve.ts"
import { pass, turns, until } from "../../../support/wait.ts"
import { collect, range } from "../nodes.ts"
import { CarryRig, carryOf, GROUP, linksOf, PROBE } from "./rig.ts"

const ON = "receiving group: its beacons come through"
const SILENT = "receiving link: no datagram came within the probe time"

describe("Carried subjects on a bad network", () => {
  closesAfterEach()

  let hub: GroupHub
  let rig: CarryRig
  beforeEach(() => {
    hub = new GroupHub()
    rig = new CarryRig(hub)
  })

  /** Publishes all the time, while `during` goes on. */
  const while_ = async (p: Parameters<CarryRig["tick"]>[0], during: () => Promise<void>, burst = 10): Promise<void> => {
    let running = true
    const busy = (async () => {
      while (running) {
        rig.tick(p, burst)
        await turns(4)
      }
    })()
    try {
      await during()
    } finally {
      running = false
      await busy
    }
  }

  it("are completed by link when the group loses some (FAB-CAR-4)", async () => {
    const { p, subscribers } = await rig.carried(3)
    const random = new Random(7)
    hub.lose = () => random.chance(0.2)
    for (const _ of range(100)) {
      rig.tick(p, 5)
      await turns(3)
    }
    await p.flush()
    for (const one of subscribers) assert.deepEqual([one.holes(rig.published(p)), one.missing], [0, 0])
    assert.ok(carryOf(p).repairsSent > 0)
    for (const { node } of subscribers) {
      assert.ok(carryOf(node).repairsReceived > 0)
      assert.ok(carryOf(node).messagesReceived > carryOf(node).repairsReceived)
    }
  })

  it("are completed by link when the last of them is lost (FAB-CAR-4)", async () => {
    const { p, subscribers } = await rig.carried(2)
    hub.lose = (_from, to) => to === "s0"
    rig.tick(p, 3)
    await turns(10)
    hub.lose = () => false
    // The next beacon says that there was something.
    await until(() => subscribers[0].got.length === rig.published(p))
    assert.deepEqual([subscribers[0].holes(rig.published(p)), subscribers[0].ways()], [0, [ON]])
  })

  it("go by link where the group was never heard, and it is told (FAB-CAR-5)", async () => {
    hub.lose = (_from, to) => to === "deaf"
    const { p, subscribers } = await rig.carried(2)
    const deaf = await rig.subscriber("deaf")
    await while_(p, () => until(() => deaf.ways().length > 0))
    await p.flush()
    assert.deepEqual(deaf.ways(), [SILENT])
    assert.equal(deaf.holes(rig.published(p)), deaf.got[0])
    for (const one of subscribers) assert.deepEqual([one.holes(rig.published(p)), one.ways()], [0, [ON]])
    assert.equal(carryOf(p).to, 2)
  })

  it("go by link when the group falls silent, and by the group again when it is back (FAB-CAR-5)", async () => {
    const { p, subscribers } = await rig.carried(3)
    const [victim] = subscribers
    await while_(p, async () => {
      await pass(50)
      hub.lose = (_from, to) => to === "s0"
      await until(() => victim.ways().length === 2)
      await until(() => carryOf(p).to === 2)
      await pass(50)
      hub.lose = () => false
      await until(() => victim.ways().length === 3)
      await pass(50)
    })
    await p.flush()
    for (const one of subscribers) assert.deepEqual([one.holes(rig.published(p)), one.missing], [0, 0])
    assert.deepEqual(victim.ways(), [ON, SILENT, ON])
    assert.deepEqual(subscribers[1].ways(), [ON])
    assert.equal(carryOf(p).to, 3)
  })

  it("say on both sides which way they go, and why (FAB-CAR-5)", async () => {
    const { p, subscribers } = await rig.carried(2)
    const said: string[] = []
    p.events.on("carry", ({ group, peer, where, by, reason }) => {
      said.push(`${group} ${peer.name} ${where} ${by}: ${reason}`)
    })
    hub.lose = (_from, to) => to === "s1"
    await until(() => said.length > 0)
    assert.deepEqual(said, [`${GROUP} s1 sending link: no datagram came within the probe time`])
    assert.deepEqual(subscribers[1].events.filter(({ type }) => type === "carry").at(-1), {
      type: "carry",
      group: GROUP,
      peer: { node: p.id, name: "p" },
      where: "receiving",
      by: "link",
      reason: "no datagram came within the probe time",
    })
  })

  it("leave the group where more is lost than comes (FAB-CAR-5)", async () => {
    const { p, subscribers } = await rig.carried(2)
    const random = new Random(3)
    hub.lose = (_from, to) => to === "s1" && random.chance(0.8)
    await while_(p, () => until(() => subscribers[1].ways().length === 2))
    await p.flush()
    assert.equal(subscribers[1].ways()[1], "receiving link: more was lost than came")
    for (const one of subscribers) assert.equal(one.holes(rig.published(p)), 0)
  })

  it("are told as a gap, with the exact number, when they are kept no more (FAB-CAR-4)", async () => {
    const { p, subscribers } = await rig.carried(2, { resume: { bytes: 20_000 } })
    const [victim, other] = subscribers
    hub.lose = (_from, to) => to === "s0"
    const values = Buffer.alloc(900)
    for (const i of range(100)) {
      p.publish("ticks.large", values, { headers: { i: `${i}` } })
      // No batch exceeds the window.
      await turns(2)
    }
    hub.lose = () => false
    rig.tick(p)
    await until(() => victim.missing > 0)
    await p.flush()
    assert.ok(victim.missing > 50 && victim.missing < 100, `${victim.missing}`)
    assert.equal(victim.got.length + victim.missing, other.got.length)
    assert.deepEqual(victim.got.at(-1), rig.published(p) - 1)
    assert.equal(carryOf(victim.node).missing, victim.missing)
    assert.equal(other.missing, 0)
  })

  it("arrive before flush, drain and close are through (FAB-CAR-11)", async () => {
    const { p, subscribers } = await rig.carried(2)
    hub.freeze("s0")
    rig.tick(p, 50)
    await p.flush()
    for (const one of subscribers) assert.equal(one.holes(rig.published(p)), 0)
    hub.thaw("s0")
    // What a subscription that drains has yet to get.
    const more = collect(subscribers[0].node, "ticks.more")
    await more.subscription.ready
    hub.freeze("s0")
    for (const i of range(20)) p.publish("ticks.more", i)
    await more.subscription.drain()
    assert.deepEqual(more.values(), range(20))
    hub.thaw("s0")
    hub.freeze("s1")
    rig.tick(p, 30)
    await p.close()
    const count = rig.published(p)
    for (const { got } of subscribers) await until(() => got.at(-1) === count - 1)
    assert.deepEqual(
      subscribers.map(({ missing }) => missing),
      [0, 0],
    )
    assert.deepEqual([carryOf(subscribers[1].node).from, hub.open.senders], [0, 0])
  })

  it("go by link when the group takes nothing more (FAB-CAR-8)", async () => {
    const { p, subscribers } = await rig.carried(2)
    await while_(p, async () => {
      await pass(20)
      hub.stall("p")
      await until(() => subscribers.every(one => one.ways().length === 2))
      await pass(20)
    })
    await p.flush()
    for (const one of subscribers) {
      assert.deepEqual([one.holes(rig.published(p)), one.missing], [0, 0])
      assert.equal(one.ways()[1], "receiving link: the group took no more")
    }
    hub.flow("p")
    await while_(p, () => until(() => carryOf(p).to === 2))
    await p.flush()
    for (const one of subscribers) assert.equal(one.holes(rig.published(p)), 0)
  })

  it("are dropped as full, and counted, when the window is full of them (FAB-CAR-8)", async () => {
    const bytes = 40_000
    const { p, subscribers } = await rig.carried(2, { resume: { bytes } })
    hub.stall("p")
    // More than the window in one turn.
    let dropped = 0
    for (const _ of range(200)) dropped += p.publish("ticks.x", Buffer.alloc(1_000)).dropped
    assert.ok(dropped > 200 && dropped < 400, `${dropped}`)
    assert.equal(carryOf(p).dropped * 2, dropped)
    await until(() => subscribers.every(one => one.ways().length === 2))
    await p.flush()
    for (const { got, missing } of subscribers) assert.equal(got.length + missing, rig.published(p) + 200 - dropped / 2)
    assert.equal(p.stats().dropped, dropped)
    await until(() => subscribers.every(({ events }) => events.some(({ type }) => type === "drop")))
  })

  it("come once when the group is faster than the word that they come by link (FAB-CAR-1)", async () => {
    // Others dial it only where we say.
    const p = await rig.join("p", { advertise: [] })
    const others = [await rig.subscriber("s0"), await rig.subscriber("s1")]
    const valve = await Valve.open(p.endpoints[0])
    later(() => valve.close())
    const slow = await rig.subscriber("slow", { listen: [], discovery: [seeds([valve.endpoint], { retry: 60_000 })] })
    await rig.byGroup(p, 3)
    await while_(p, async () => {
      hub.lose = (_from, to) => to === "slow"
      valve.stall()
      await until(() => slow.ways().length === 2)
      hub.lose = () => false
      // It has asked to go by link, and is served by it; the answer is on the way, the group goes on.
      await until(() => carryOf(p).to === 2)
      await pass(100)
      valve.flow()
    })
    await p.flush()
    for (const one of [slow, ...others]) assert.deepEqual([one.holes(rig.published(p)), one.missing], [0, 0])
    assert.equal(slow.ways()[1], SILENT)
  })

  it("go by link when the port of the group fails, and are carried again later (FAB-CAR-5)", async () => {
    const { p, subscribers } = await rig.carried(2)
    const warnings: string[] = []
    p.events.on("warning", ({ error }) => void warnings.push(error.message))
    await while_(p, async () => {
      hub.fail("p")
      await until(() => subscribers.every(one => one.ways().length === 2))
      await until(() => carryOf(p).to === 2)
    })
    await p.flush()
    for (const one of subscribers) {
      assert.deepEqual(one.ways(), [ON, "receiving link: the group's port failed", ON])
      assert.equal(one.holes(rig.published(p)), 0)
    }
    assert.match(warnings[0], /network of p is down/)
  })

  it("go on through the group while links are cut (FAB-CAR-1)", async () => {
    const { p, subscribers } = await rig.carried(2)
    const random = new Random(11)
    await while_(p, async () => {
      for (let cut = 0; cut < 5; cut++) {
        hub.lose = () => random.chance(0.1)
        for (const { events } of subscribers) events.length = 0
        // The connection, not the link: it is dialled again at once.
        for (const link of linksOf(p)) link.connection?.close()
        await until(() => p.peers.every(({ state }) => state === "up"))
        await pass(30)
      }
      hub.lose = () => false
    })
    await p.flush()
    for (const one of subscribers) assert.deepEqual([one.holes(rig.published(p)), one.missing], [0, 0])
    assert.equal(carryOf(p).to, 2)
  })

  it("begin anew by link when a link was away for too long, and what is lacking is told (FAB-CAR-14)", async () => {
    const { p, subscribers } = await rig.carried(3, { resume: { time: 0 } })
    const [victim] = subscribers
    await while_(p, async () => {
      hub.lose = (_from, to) => to === "s0"
      await pass(30)
      for (const link of linksOf(p)) if (link.name === "s0") link.connection?.close()
      await until(() => victim.events.some(({ type }) => type === "down"))
      await until(() => p.peers.every(({ state }) => state === "up"))
      hub.lose = () => false
      await until(() => victim.ways().at(-1) === ON && victim.ways().length > 1)
    })
    await p.flush()
    assert.equal(victim.holes(rig.published(p)), victim.missing)
    for (const one of subscribers.slice(1)) assert.deepEqual([one.holes(rig.published(p)), one.missing], [0, 0])
  })

  it("outlive a publisher that is started again", async () => {
    const { p, subscribers } = await rig.carried(2)
    rig.tick(p, 10)
    await p.close()
    const again = await rig.join("p")
    await rig.byGroup(again, 2)
    rig.tick(again, 10)
    await again.flush()
    for (const { got } of subscribers) assert.deepEqual(got.slice(-rig.published(again)), range(rig.published(again)))
    for (const { missing } of subscribers) assert.equal(missing, 0)
  })

  it("leave nothing behind: ports, timers (FAB-LEA-6)", async () => {
    const { p, subscribers } = await rig.carried(2)
    rig.tick(p, 10)
    for (const { node } of [...subscribers, { node: p }]) await node.close()
    assert.deepEqual(hub.open, { senders: 0, receivers: 0 })
    const { length } = hub.sent
    await pass(PROBE / 2)
    assert.equal(hub.sent.length, length)
  })
})
