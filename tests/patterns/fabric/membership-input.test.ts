import assert from "node:assert/strict"
import { readNotice } from "../../../patterns/fabric/membership/notice.ts"
import { type MemberInfo, Membership, type MembershipOptions } from "../../../patterns/fabric/membership.ts"
import { seeded } from "../../support/random.ts"
import { ALIVE, info, Rig, SUSPECT, update } from "./membership-rig.ts"

describe("Membership and what makes no sense", () => {
  it("takes no more members than it may", () => {
    const rig = new Rig({ maxMembers: 3 }).linked("a", "b")
    rig.gossip("a", update("c", 0, ALIVE), update("d", 0, SUSPECT))
    assert.equal(rig.membership.linkUp(info("e"), 0, true, rig.now), false)
    assert.deepEqual([rig.membership.size, rig.membership.refused, rig.taken()], [2, 3, []])
    rig.membership.goodbye("b", rig.now)
    assert.equal(rig.membership.linkUp(info("e"), 0, true, rig.now), true)
  })

  it("refuses hellos that make no sense, and its own", () => {
    const rig = new Rig().linked("a")
    const wrong: [MemberInfo, number][] = [
      [info("me"), 0],
      [info("b"), -1],
      [info("b"), Number.NaN],
      [info("b"), 2 ** 53],
      [info("b c"), 0],
      [{ ...info("b"), name: "n".repeat(257) }, 0],
      [{ ...info("b"), endpoints: Array(9).fill("tcp://b") }, 0],
    ]
    for (const [hello, incarnation] of wrong)
      assert.equal(rig.membership.linkUp(hello, incarnation, true, rig.now), false)
    assert.equal(rig.membership.size, 1)
  })

  it("says what is wrong with its own name and times", () => {
    const make =
      (self: MemberInfo, options: Partial<MembershipOptions> = {}) =>
      (): Membership =>
        new Membership(self, new Rig() as never, options)
    for (const wrong of [
      make(info("")),
      make(info("a b")),
      make({ ...info("a"), endpoints: ["x".repeat(257)] }),
      make(info("a"), { probeTimeout: 1_000 }),
      make(info("a"), { period: Number.NaN }),
      make(info("a"), { redial: -1 }),
    ])
      assert.throws(wrong, { name: "HeddleError", code: "EINVAL" })
  })

  it("counts what is malformed, and what strangers say", () => {
    const rig = new Rig().linked("a")
    const valid = update("x", 0, ALIVE)
    const wrong: unknown[] = [
      undefined,
      null,
      7,
      "probe",
      [],
      {},
      { t: "probe" },
      { t: "probe", s: -1 },
      { t: "probe", s: 1.5 },
      { t: "ack", s: 1 },
      { t: "ack", s: 1, d: 2 ** 32 },
      { t: "ask", s: 1, n: "" },
      { t: "vouch", s: 1, n: {} },
      { t: "gossip" },
      { t: "gossip", u: {} },
      { t: "gossip", u: [], d: "1" },
      { t: "gossip", u: Array(257).fill(valid) },
      { t: "gossip", u: [valid, null] },
      ...[{ n: "é" }, { i: 2 ** 41 }, { i: -1 }, { s: 4 }, { s: "0" }, { a: 5 }, { a: undefined }, { e: "x" }].map(
        part => ({
          t: "gossip",
          u: [{ ...valid, ...part }],
        }),
      ),
      ...[[""], [5], Array(9).fill("x"), ["x".repeat(257)]].map(e => ({ t: "gossip", u: [{ ...valid, e }] })),
    ]
    for (const notice of wrong)
      assert.equal(rig.membership.receive("a", notice, rig.now), false, JSON.stringify(notice))
    assert.equal(rig.membership.malformed, wrong.length)
    assert.equal(rig.membership.receive("stranger", { t: "probe", s: 1 }, rig.now), false)
    assert.deepEqual([rig.sent, rig.events, rig.membership.size], [[], [], 1])
  })

  it("keeps nothing of a notice but what belongs there", () => {
    const notice = readNotice(
      JSON.parse('{"t":"gossip","__proto__":{"d":1},"u":[{"n":"x","i":0,"s":2,"a":[],"z":{}}]}'),
    )
    assert.deepEqual(notice, { t: "gossip", u: [{ n: "x", i: 0, s: 2 }] })
  })

  it("survives whatever comes, and stays bounded", () =>
    seeded(random => {
      const rig = new Rig({ maxMembers: 20, maxTombstones: 10 }, random).linked("a", "b", "c")
      const nodes = ["me", "a", "b", "c", ...Array.from({ length: 60 }, (_, i) => `x${i}`)]
      const anything = (depth = 0): unknown => {
        const kind = random.int(0, depth > 2 ? 5 : 7)
        if (kind === 0) return random.pick([null, undefined, true, "", "probe", "é".repeat(300)])
        if (kind === 1) return random.pick([-1, 0.5, 2 ** 53, 2 ** 40, Number.NaN, Number.POSITIVE_INFINITY])
        if (kind <= 3) return random.int(0, 5)
        if (kind <= 5) return random.pick(nodes)
        if (kind === 6) return Array.from({ length: random.int(0, 4) }, () => anything(depth + 1))
        return Object.fromEntries([..."tsndiuae"].map(key => [key, anything(depth + 1)]))
      }
      const claim = (): unknown => {
        const made: Record<string, unknown> = { ...update(random.pick(nodes), random.int(0, 5), random.int(0, 3)) }
        if (random.chance(0.05)) made[random.pick([..."nisae"])] = anything()
        return made
      }
      const notice = (): unknown => {
        if (random.chance(0.2)) return anything()
        const t = random.pick(["probe", "ack", "ask", "vouch", "gossip", "gossip"])
        const u = Array.from({ length: random.int(0, 5) }, claim)
        return { t, s: random.int(0, 50), n: random.pick(nodes), d: random.int(0, 3), u }
      }
      for (let step = 0; step < 20_000; step++) {
        const node = random.pick(["a", "b", "c", "x1"])
        if (random.chance(0.02)) rig.membership.linkDown(node, rig.now)
        else if (random.chance(0.05)) rig.membership.linkUp(info(node), random.int(0, 5), true, rig.now)
        else rig.membership.receive(node, notice(), rig.now)
        if (random.chance(0.1)) rig.run(random.int(0, 500))
        rig.forget()
        assert.ok(rig.membership.size < 20)
        const departed = nodes.filter(one => /dead|left/.test(rig.membership.stateOf(one) ?? ""))
        assert.ok(departed.length <= 10)
      }
      assert.ok(rig.membership.malformed > 1_000)
    }))
})
