import assert from "node:assert/strict"
import { type Claim, overrides } from "../../../patterns/fabric/membership/member.ts"
import type { MembershipNotice } from "../../../patterns/fabric/membership.ts"
import { ALIVE, DEAD, info, LEFT, Rig, SUSPECT, update } from "./membership-rig.ts"

describe("Membership", () => {
  it("orders claims as SWIM does, but lets the dead come back by a higher incarnation", () => {
    const claims: Claim[] = [0, 1].flatMap(incarnation =>
      (["alive", "suspect", "dead"] as const).map(state => ({ incarnation, state })),
    )
    for (const [i, a] of claims.entries())
      for (const [j, b] of claims.entries()) assert.equal(overrides(a, b), i > j, `${JSON.stringify([a, b])}`)
    const left: Claim = { incarnation: 0, state: "left" }
    for (const claim of [...claims, left]) assert.equal(overrides(claim, left), false)
    for (const claim of claims) assert.equal(overrides(left, claim), true)
  })

  it("asks whom it has dialled, and some of many at once", () => {
    const rig = new Rig()
    const asked = (): string[] =>
      rig.sent.splice(0).map(({ to, notice }) => {
        assert.ok(notice.t === "gossip" && notice.u.length === 0 && notice.d !== undefined)
        return to
      })
    for (const node of ["a", "b", "c", "d"]) rig.membership.linkUp(info(node), 0, true, rig.now)
    assert.deepEqual(asked(), ["a", "b"])
    rig.now += 100
    rig.membership.linkUp(info("e"), 0, true, rig.now)
    assert.ok(asked().includes("e"))
    rig.membership.linkUp(info("f"), 0, false, rig.now)
    assert.deepEqual(asked(), [])
  })

  it("asks ever more rarely while links come up, and compares once when no more do", () => {
    const rig = new Rig()
    const asked = (): number =>
      rig.sent.splice(0).filter(({ notice }) => notice.t === "gossip" && notice.u.length === 0).length
    // Two each in the first 100, 200, 400 ms and those behind; none of the comparisons that are put off while it goes on.
    for (let i = 0; i < 90; i++) {
      rig.membership.linkUp(info(`n${i}`), 0, true, rig.now)
      rig.run(10)
    }
    const many = asked()
    assert.ok(many >= 6 && many <= 8, `${many} lists asked for`)
    rig.run(300)
    assert.equal(asked(), 1)
    rig.run(5_000, rig.lively)
    assert.equal(asked(), 0)
  })

  it("does not pass on what two others told before it was its turn", () => {
    const rig = new Rig().linked("a", "b", "c")
    rig.gossip("a", update("x", 2, ALIVE))
    rig.gossip("b", update("x", 2, ALIVE))
    rig.gossip("c", update("x", 2, ALIVE))
    rig.run(300, rig.lively)
    assert.deepEqual(rig.told("x"), [])
  })

  it("gives who is only heard of time to come before it asks others about it", () => {
    const rig = new Rig({ gossipDelay: 0 }).linked("a", "b", "c")
    rig.cut.add("x")
    rig.gossip("a", update("x", 2, ALIVE))
    const others = (to: string, notice: MembershipNotice): void => {
      if (to !== "x") rig.lively(to, notice)
    }
    rig.run(5_000, others)
    assert.equal(rig.membership.stateOf("x"), "alive")
    rig.run(10_000, others)
    assert.notEqual(rig.membership.stateOf("x"), "alive")
  })

  it("tells a newcomer that asks all it knows, asks back, and tells the others soon", () => {
    const rig = new Rig().linked("a", "b")
    assert.equal(rig.membership.linkUp(info("c"), 3, false, rig.now), true)
    assert.deepEqual(rig.taken(), ["joined c"])
    assert.equal(rig.sent.length, 0)
    rig.membership.receive("c", { t: "gossip", u: [], d: 1 }, rig.now)
    const [list] = rig.sent.filter(({ to }) => to === "c")
    assert.ok(list.notice.t === "gossip" && list.notice.d !== undefined)
    assert.deepEqual(new Set(list.notice.u.map(({ n }) => n)), new Set(["me", "a", "b", "c"]))
    assert.deepEqual(
      rig.told("c").filter(to => !to.startsWith("c")),
      [],
      "who comes introduces itself",
    )
    rig.run(200)
    assert.deepEqual(
      rig
        .told("c")
        .filter(to => !to.startsWith("c"))
        .sort(),
      ["a alive 3", "b alive 3"],
    )
    assert.equal(rig.membership.size, 3)
  })

  it("answers with its list only who knows something else", () => {
    const rig = new Rig().linked("a")
    rig.membership.receive("a", { t: "probe", s: 1 }, rig.now)
    const [{ notice }] = rig.sent.splice(0)
    assert.ok(notice.t === "ack" && notice.s === 1)
    rig.membership.receive("a", { t: "gossip", u: [], d: notice.d }, rig.now)
    assert.deepEqual(rig.sent, [])
    rig.membership.receive("a", { t: "gossip", u: [], d: notice.d ^ 1 }, rig.now)
    assert.deepEqual(rig.told("me"), ["a alive 0"])
  })

  it("asks one other, soon after a change, whether it knows more", () => {
    const rig = new Rig().linked("a", "b", "c")
    rig.run(199, rig.lively)
    const asked = rig.sent.filter(({ notice }) => notice.t === "gossip" && notice.d !== undefined)
    assert.equal(asked.length, 1)
    assert.ok(asked[0].notice.t === "gossip" && asked[0].notice.u.length === 0)
    rig.sent.length = 0
    rig.run(5_000, rig.lively)
    assert.ok(rig.sent.every(({ notice }) => notice.t !== "gossip" || notice.u.length > 0))
  })

  it("sends its list to who acknowledges with another digest, once news has had its time", () => {
    const rig = new Rig().linked("a", "b")
    rig.membership.receive("a", { t: "ack", s: 1_000_000, d: 1 }, rig.now)
    assert.deepEqual(rig.sent, [])
    rig.now += 2_000
    rig.membership.receive("a", { t: "ack", s: 1_000_000, d: 1 }, rig.now)
    assert.deepEqual(rig.told("b")[0], "a alive 0")
  })

  it("does not tell everybody what another tells everybody at the same time", () => {
    const nodes = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]
    for (const another of [false, true]) {
      const rig = new Rig().linked(...nodes)
      rig.membership.linkDown("a", rig.now)
      if (another) rig.gossip("b", update("a", 0, SUSPECT))
      rig.run(100)
      // log2(11) + 1
      assert.equal(rig.told("a").length, another ? 4 : 9)
    }
  })

  it("declares nobody dead who is heard, but tells it once more what is thought of it", () => {
    const rig = new Rig().linked("a", "b")
    rig.gossip("b", update("a", 0, SUSPECT))
    for (let i = 0; i < 40; i++) {
      rig.run(500, (to, notice) => to === "b" && rig.lively(to, notice))
      rig.came.set("a", rig.now)
    }
    assert.equal(rig.membership.stateOf("a"), "suspect")
    assert.ok(rig.told("a").filter(told => told === "a suspect 0").length > 2)
    rig.run(10_001, (to, notice) => to === "b" && rig.lively(to, notice))
    assert.equal(rig.membership.stateOf("a"), "dead")
  })

  it("wants links to those it hears of, and passes on news once", () => {
    const rig = new Rig().linked("a", "b")
    rig.gossip("a", update("x", 2, ALIVE))
    assert.deepEqual(rig.taken(), ["joined x", "wanted x"])
    rig.run(200)
    assert.deepEqual(rig.told("x"), ["b alive 2"])
    rig.gossip("b", update("x", 2, ALIVE))
    assert.deepEqual(rig.taken(), [])
    assert.equal(rig.told("x").length, 1)
  })

  it("asks three others when a probe is not answered, and believes who vouches", () => {
    for (const vouching of [true, false]) {
      const rig = new Rig().linked("a", "b", "c", "d", "e")
      let probed = ""
      rig.run(10_000, (to, notice) => {
        if (notice.t === "probe" && probed === "") probed = to
        else if (notice.t === "probe" && to !== probed) rig.lively(to, notice)
        if (notice.t === "ask" && vouching) rig.membership.receive(to, { ...notice, t: "vouch" }, rig.now)
      })
      assert.deepEqual(rig.taken().slice(0, 1), vouching ? [] : [`suspected ${probed}`])
      const asks = rig.sent.filter(({ notice }) => notice.t === "ask").slice(0, 3)
      assert.equal(new Set(asks.map(({ to }) => to)).size, 3)
      for (const { to, notice } of asks) assert.ok(to !== probed && notice.t === "ask" && notice.n === probed)
    }
  })

  it("probes for others, and says so only when there is an answer from that node", () => {
    const rig = new Rig().linked("a", "b", "c")
    rig.membership.receive("a", { t: "ask", s: 77, n: "b" }, rig.now)
    rig.membership.receive("a", { t: "ask", s: 78, n: "nobody" }, rig.now)
    const [{ to, notice }] = rig.sent.splice(0)
    assert.ok(to === "b" && notice.t === "probe")
    rig.membership.receive("c", { t: "ack", s: notice.s, d: 0 }, rig.now)
    assert.deepEqual(rig.sent, [])
    rig.membership.receive("b", { t: "ack", s: notice.s, d: 0 }, rig.now)
    rig.membership.receive("b", { t: "ack", s: notice.s, d: 0 }, rig.now)
    assert.deepEqual(rig.sent, [{ to: "a", notice: { t: "vouch", s: 77, n: "b" } }])
  })

  it("suspects nobody whose answers are late, but from whom other things come", () => {
    for (const traffic of [true, false]) {
      const rig = new Rig().linked("a", "b")
      for (let i = 0; i < 100; i++) {
        if (traffic) rig.came.set("a", i + 1)
        rig.run(100, (to, notice) => to === "b" && rig.lively(to, notice))
      }
      assert.ok(rig.sentTo("probe").includes("a"))
      assert.equal(rig.events.includes("suspected a"), !traffic)
    }
  })

  it("suspects whose connection broke, has others ask, and declares dead after the suspicion", () => {
    const rig = new Rig({ suspicionTimeout: 5_000 }).linked("a", "b")
    rig.membership.linkDown("a", rig.now)
    rig.cut.add("a")
    assert.deepEqual(rig.taken(), ["suspected a"])
    assert.deepEqual(rig.sentTo("ask"), ["b"])
    rig.run(4_999, rig.lively)
    assert.equal(rig.membership.stateOf("a"), "suspect")
    assert.equal(rig.told("a")[0], "b suspect 0")
    rig.run(1, rig.lively)
    assert.equal(rig.membership.stateOf("a"), "dead")
    rig.run(100, rig.lively)
    assert.equal(rig.told("a").at(-1), "b dead 0")
    assert.deepEqual(
      rig.taken().filter(event => event !== "wanted a"),
      ["dead a"],
    )
  })

  it("gives suspects longer in a larger mesh", () => {
    const nodes = Array.from({ length: 99 }, (_, i) => `n${i}`)
    const rig = new Rig().linked(...nodes)
    rig.membership.linkDown("n0", rig.now)
    rig.run(9_999, rig.lively)
    assert.equal(rig.membership.stateOf("n0"), "suspect")
    rig.run(1, rig.lively)
    assert.equal(rig.membership.stateOf("n0"), "dead")
  })

  it("believes a suspect that objects by a higher incarnation, and nobody who repeats the old one", () => {
    const rig = new Rig().linked("a", "b")
    rig.gossip("b", update("a", 0, SUSPECT))
    assert.deepEqual(rig.taken(), ["suspected a"])
    rig.gossip("b", update("a", 0, ALIVE))
    assert.deepEqual(rig.taken(), [])
    // Who has old news is told.
    assert.equal(rig.told("a").at(-1), "b suspect 0")
    rig.gossip("a", update("a", 1, ALIVE))
    assert.deepEqual(rig.taken(), ["recovered a"])
    rig.gossip("b", update("a", 0, DEAD))
    assert.equal(rig.membership.stateOf("a"), "alive")
  })

  it("objects when it is itself thought dead or suspect", () => {
    const rig = new Rig().linked("a", "b")
    for (const [claim, i] of [
      [update("me", 0, SUSPECT), 1],
      [update("me", 4, DEAD), 5],
      [update("me", 9, ALIVE), 10],
    ] as const) {
      rig.sent.length = 0
      rig.gossip("a", claim)
      assert.equal(rig.membership.incarnation, i)
      assert.deepEqual(rig.told("me").sort(), [`a alive ${i}`, `b alive ${i}`])
    }
    rig.sent.length = 0
    rig.gossip("a", update("me", 3, SUSPECT))
    assert.deepEqual(rig.told("me"), ["a alive 10"])
    assert.deepEqual(rig.taken(), [])
  })

  it("takes no one's word for the death of one it has a link to, until that breaks", () => {
    const rig = new Rig().linked("a", "b", "c")
    rig.gossip("c", update("a", 0, DEAD), update("b", 0, DEAD))
    assert.deepEqual(rig.taken(), ["suspected a", "suspected b"])
    rig.membership.linkDown("a", rig.now)
    rig.gossip("b", update("b", 1, ALIVE))
    assert.deepEqual(rig.taken(), ["dead a", "recovered b"])
    rig.membership.linkDown("b", rig.now)
    assert.deepEqual(rig.taken(), ["suspected b"])
  })

  it("lets somebody back who was declared dead only by a higher incarnation", () => {
    const rig = new Rig().linked("a", "b")
    rig.membership.linkDown("a", rig.now)
    rig.gossip("b", update("a", 0, DEAD))
    assert.deepEqual(rig.taken(), ["suspected a", "dead a"])
    rig.gossip("b", update("a", 0, ALIVE))
    assert.deepEqual(rig.taken(), [])
    rig.sent.length = 0
    // Its link says the same incarnation: it is told, so that it can object.
    assert.equal(rig.membership.linkUp(info("a"), 0, true, rig.now), true)
    assert.deepEqual(rig.told("a"), ["a dead 0"])
    assert.deepEqual(rig.taken(), [])
    rig.gossip("a", update("a", 1, ALIVE))
    assert.deepEqual(rig.taken(), ["joined a"])
    assert.equal(rig.membership.members().find(member => member.info.node === "a")?.linked, true)
  })

  it("never takes back who left", () => {
    const rig = new Rig().linked("a", "b", "c")
    rig.membership.goodbye("a", rig.now)
    rig.gossip("b", update("b", 0, LEFT))
    assert.deepEqual(rig.taken(), ["left a", "left b"])
    rig.gossip("c", update("a", 7, ALIVE), update("b", 7, SUSPECT))
    assert.equal(rig.membership.linkUp(info("a"), 8, true, rig.now), false)
    assert.deepEqual(rig.taken(), [])
    assert.equal(rig.membership.size, 1)
  })

  it("takes proof at once, and does not dial the proven again", () => {
    const rig = new Rig().linked("a", "b", "c")
    rig.membership.provenDead("a", rig.now)
    assert.deepEqual(rig.taken(), [])
    rig.membership.linkDown("a", rig.now)
    rig.membership.provenDead("a", rig.now)
    assert.deepEqual(rig.taken(), ["suspected a", "dead a"])
    rig.run(60_000, rig.lively)
    assert.deepEqual(rig.taken(), [])
    rig.membership.linkDown("b", rig.now)
    rig.gossip("c", update("b", 0, DEAD))
    rig.forget()
    rig.run(60_000, rig.lively)
    const dials = rig.taken()
    assert.deepEqual(new Set(dials), new Set(["wanted b"]))
    assert.ok(dials.length <= 6)
  })

  it("blames nobody for time in which it was stopped itself", () => {
    const rig = new Rig().linked("a", "b", "c")
    rig.gossip("c", update("a", 0, SUSPECT))
    rig.run(1_200)
    rig.forget()
    rig.now += 60_000
    rig.membership.tick(rig.now)
    rig.membership.receive("b", { t: "probe", s: 1 }, rig.now)
    rig.gossip("c", update("a", 1, ALIVE))
    rig.run(20_000, rig.lively)
    assert.deepEqual(rig.taken(), ["recovered a"])
  })

  it("remembers the dead for a time, and only so many", () => {
    const rig = new Rig({ maxTombstones: 3, tombstoneTime: 60_000, redial: 1e9 }).linked("a")
    for (const node of ["p", "q", "r", "s"]) rig.gossip("a", update(node, 5, DEAD))
    assert.deepEqual(
      ["p", "q", "r", "s"].map(node => rig.membership.stateOf(node)),
      [undefined, "dead", "dead", "dead"],
    )
    // The deaths of strangers are no news for others.
    assert.deepEqual(rig.told("q"), [])
    rig.gossip("a", update("q", 5, ALIVE))
    assert.deepEqual(rig.taken(), [])
    rig.run(59_000, rig.lively)
    assert.equal(rig.membership.stateOf("s"), "dead")
    rig.run(2_000, rig.lively)
    assert.equal(rig.membership.stateOf("s"), undefined)
  })
})
