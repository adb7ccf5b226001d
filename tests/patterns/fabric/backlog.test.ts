import assert from "node:assert/strict"
import { Backlog, type DropReason, Lane, type LanePolicy, type PolicyName } from "../../../patterns/fabric/backlog.ts"
import { type Random, seeded } from "../../support/random.ts"

interface Drop {
  readonly lane: Lane
  readonly value: string
  readonly reason: DropReason
}

function make(): { backlog: Backlog<string>; drops: Drop[]; lost(): string[] } {
  const drops: Drop[] = []
  const backlog = new Backlog<string>((lane, value, reason) => drops.push({ lane, value, reason }))
  return { backlog, drops, lost: () => drops.splice(0).map(({ value, reason }) => `${value} ${reason}`) }
}

const lane = (policy: PolicyName, limit = 3, options: Partial<LanePolicy> = {}): Lane =>
  new Lane({ policy, limit, keep: 2, ttl: 0, ...options })

/** Pushes "subject value" words, one byte each, and says which were taken. */
function fill(backlog: Backlog<string>, into: Lane, ...values: string[]): boolean[] {
  return values.map(value => backlog.push(into, value[0], value, 1, 0))
}

function all(backlog: Backlog<string>, now = 0): string[] {
  const values: string[] = []
  for (let value = backlog.shift(now); value !== undefined; value = backlog.shift(now)) values.push(value)
  return values
}

/** The same rules over one plain list. */
class Model {
  list: { lane: Lane; subject: string; value: string; size: number; at: number }[] = []
  drops: Drop[] = []

  push(into: Lane, subject: string, value: string, size: number, now: number): boolean {
    const same = this.list.filter(item => item.lane === into && item.subject === subject)
    if (into.policy === "conflate" && same.length > 0) {
      this.drops.push({ lane: into, value: same[0].value, reason: "conflated" })
      Object.assign(same[0], { value, size, at: now })
      return true
    }
    if (into.policy === "keep-last" && same.length >= into.keep) this.drop(this.list.indexOf(same[0]), "conflated")
    const oldest = (): number => this.list.findIndex(item => item.lane === into)
    if (this.waiting(into) >= into.limit) {
      while (oldest() >= 0 && into.ttl > 0 && now - this.list[oldest()].at > into.ttl) this.drop(oldest(), "stale")
    }
    if (this.waiting(into) >= into.limit) {
      if (into.policy === "block") return false
      if (into.policy === "drop-new") {
        this.drops.push({ lane: into, value, reason: "full" })
        return false
      }
      this.drop(oldest(), "full")
    }
    this.list.push({ lane: into, subject, value, size, at: now })
    return true
  }

  shift(now: number): string | undefined {
    while (this.list.length > 0) {
      const [{ lane, at, value }] = this.list
      if (lane.ttl === 0 || now - at <= lane.ttl) {
        this.list.shift()
        return value
      }
      this.drop(0, "stale")
    }
    return undefined
  }

  take(from: Lane): string[] {
    const taken = this.list.filter(item => item.lane === from)
    this.list = this.list.filter(item => item.lane !== from)
    return taken.map(item => item.value)
  }

  waiting(of: Lane): number {
    return this.list.filter(item => item.lane === of).length
  }

  private drop(at: number, reason: DropReason): void {
    const [{ lane, value }] = this.list.splice(at, 1)
    this.drops.push({ lane, value, reason })
  }
}

const POLICIES: readonly PolicyName[] = ["block", "drop-new", "drop-old", "conflate", "keep-last"]

const anyLane = (random: Random): Lane =>
  lane(random.pick(POLICIES), random.int(1, 12), { keep: random.int(1, 4), ttl: random.pick([0, 0, 30, 100]) })

describe("Backlog", () => {
  it("keeps the order of arrival over all lanes, and says which lane each came from", () => {
    const { backlog } = make()
    const [a, b] = [lane("block"), lane("drop-old")]
    assert.equal(backlog.shift(0), undefined)
    assert.equal(backlog.from, null)
    fill(backlog, a, "a1")
    fill(backlog, b, "b1", "b2")
    fill(backlog, a, "a2")
    assert.deepEqual([backlog.length, backlog.bytes, a.length, b.length], [4, 4, 2, 2])
    for (const [value, from] of [
      ["a1", a],
      ["b1", b],
      ["b2", b],
      ["a2", a],
    ] as const) {
      assert.equal(backlog.shift(0), value)
      assert.equal(backlog.from, from)
    }
    assert.equal(backlog.shift(0), undefined)
    assert.equal(backlog.from, null)
    assert.deepEqual([backlog.length, backlog.bytes, a.length, b.length], [0, 0, 0, 0])
  })

  it("block: refuses when the lane is full, and drops nothing", () => {
    const { backlog, lost } = make()
    const [full, other] = [lane("block", 2), lane("block", 2)]
    assert.equal(backlog.blocked(full), false)
    assert.deepEqual(fill(backlog, full, "a1", "a2", "a3"), [true, true, false])
    assert.equal(backlog.blocked(full), true)
    assert.equal(backlog.blocked(other), false)
    assert.deepEqual(lost(), [])
    backlog.shift(0)
    assert.equal(backlog.blocked(full), false)
    assert.deepEqual(all(backlog), ["a2"])
  })

  it("drop-new: refuses when the lane is full, and reports it", () => {
    const { backlog, drops, lost } = make()
    const full = lane("drop-new", 2)
    assert.deepEqual(fill(backlog, full, "a1", "a2", "a3"), [true, true, false])
    assert.equal(backlog.blocked(full), false)
    assert.equal(drops[0].lane, full)
    assert.deepEqual(lost(), ["a3 full"])
    assert.deepEqual(all(backlog), ["a1", "a2"])
  })

  it("drop-old: the oldest of this lane goes, and no other", () => {
    const { backlog, lost } = make()
    const [full, other] = [lane("drop-old", 2), lane("drop-old", 2)]
    fill(backlog, other, "b1")
    fill(backlog, full, "a1")
    fill(backlog, other, "b2")
    assert.deepEqual(fill(backlog, full, "a2", "a3", "a4"), [true, true, true])
    assert.deepEqual(lost(), ["a1 full", "a2 full"])
    assert.deepEqual(all(backlog), ["b1", "b2", "a3", "a4"])
  })

  it("conflate: the newest of a subject stands in the place of the one before", () => {
    const { backlog, lost } = make()
    const [conflating, other] = [lane("conflate"), lane("block")]
    fill(backlog, conflating, "a1", "b1")
    fill(backlog, other, "a1")
    backlog.push(conflating, "a", "a2", 10, 0)
    assert.deepEqual([backlog.length, backlog.bytes], [3, 12])
    assert.deepEqual(lost(), ["a1 conflated"])
    assert.deepEqual(all(backlog), ["a2", "b1", "a1"])
    fill(backlog, conflating, "a3")
    assert.deepEqual(lost(), [])
    assert.deepEqual(all(backlog), ["a3"])
  })

  it("conflate: the limit holds over all subjects", () => {
    const { backlog, lost } = make()
    const conflating = lane("conflate", 2)
    fill(backlog, conflating, "a1", "b1", "a2", "c1", "a3")
    assert.deepEqual(lost(), ["a1 conflated", "a2 full", "b1 full"])
    assert.deepEqual(all(backlog), ["c1", "a3"])
  })

  it("keep-last: the oldest of the subject goes, and the new one comes last", () => {
    const { backlog, lost } = make()
    const keeping = lane("keep-last", 100, { keep: 2 })
    fill(backlog, keeping, "a1", "b1", "a2", "a3", "b2", "a4")
    assert.deepEqual(lost(), ["a1 conflated", "a2 conflated"])
    assert.deepEqual(all(backlog), ["b1", "a3", "b2", "a4"])
  })

  it("keep-last: the limit holds over all subjects", () => {
    const { backlog, lost } = make()
    const keeping = lane("keep-last", 3, { keep: 2 })
    fill(backlog, keeping, "a1", "a2", "b1", "c1", "a3", "a4")
    assert.deepEqual(lost(), ["a1 full", "a2 full", "b1 full"])
    assert.deepEqual(all(backlog), ["c1", "a3", "a4"])
  })

  it("drops what waited too long, counted from its own arrival", () => {
    const { backlog, drops, lost } = make()
    const [short, any, conflating] = [lane("block", 3, { ttl: 10 }), lane("block"), lane("conflate", 3, { ttl: 10 })]
    backlog.push(short, "a", "a1", 1, 100)
    backlog.push(any, "b", "b1", 1, 100)
    backlog.push(conflating, "c", "c1", 1, 100)
    backlog.push(short, "a", "a2", 1, 105)
    backlog.push(conflating, "c", "c2", 1, 108)
    assert.equal(backlog.shift(110), "a1")
    assert.deepEqual(lost(), ["c1 conflated"])
    assert.equal(backlog.shift(118), "b1")
    assert.equal(backlog.shift(118), "c2")
    assert.equal(backlog.shift(118), undefined)
    assert.equal(drops[0].lane, short)
    assert.deepEqual(lost(), ["a2 stale"])
    assert.deepEqual([backlog.length, backlog.bytes, short.length], [0, 0, 0])
  })

  it("drops what is stale before it refuses what is new", () => {
    const { backlog, lost } = make()
    const full = lane("drop-new", 2, { ttl: 10 })
    backlog.push(full, "a", "a1", 1, 0)
    backlog.push(full, "a", "a2", 1, 8)
    assert.equal(backlog.push(full, "a", "a3", 1, 10), false)
    assert.equal(backlog.push(full, "a", "a4", 1, 11), true)
    assert.deepEqual(lost(), ["a3 full", "a1 stale"])
    assert.deepEqual(all(backlog, 11), ["a2", "a4"])
  })

  it("gives a lane's messages back in order, and goes on without them", () => {
    const { backlog, lost } = make()
    const [leaving, staying] = [lane("keep-last", 10), lane("block")]
    fill(backlog, leaving, "a1")
    fill(backlog, staying, "b1")
    fill(backlog, leaving, "a2", "c1", "a3")
    fill(backlog, staying, "b2")
    assert.deepEqual(lost(), ["a1 conflated"])
    assert.deepEqual(backlog.take(leaving), ["a2", "c1", "a3"])
    assert.deepEqual(backlog.take(leaving), [])
    assert.deepEqual([backlog.length, backlog.bytes, leaving.length], [2, 2, 0])
    fill(backlog, leaving, "a4")
    assert.deepEqual(all(backlog), ["b1", "b2", "a4"])
    assert.deepEqual(lost(), [])
  })

  it("refuses limits that make no sense", () => {
    const wrong: Partial<LanePolicy>[] = [{ limit: 0 }, { limit: 1.5 }, { limit: Infinity }, { keep: 0 }, { ttl: -1 }]
    for (const options of [...wrong, { ttl: NaN }])
      assert.throws(() => lane("keep-last", 1, options), { name: "HeddleError", code: "EINVAL" })
    assert.equal(lane("block", 1, { keep: 0 }).limit, 1)
  })

  it("does what a plain list would do", () =>
    seeded(random => {
      for (let round = 0; round < 60; round++) {
        const { backlog, drops } = make()
        const model = new Model()
        const lanes = Array.from({ length: random.int(1, 5) }, () => anyLane(random))
        let now = 0
        for (let step = 0; step < 1_000; step++) {
          now += random.int(0, 5)
          const chosen = random.pick(lanes)
          if (random.chance(0.01)) assert.deepEqual(backlog.take(chosen), model.take(chosen))
          else if (random.chance(step % 200 < 100 ? 0.2 : 0.8)) assert.equal(backlog.shift(now), model.shift(now))
          else {
            const blocked = chosen.policy === "block" && model.waiting(chosen) >= chosen.limit
            assert.equal(backlog.blocked(chosen), blocked)
            const [subject, size] = [random.pick(["a", "b", "c", "d", "e", "f"]), random.int(0, 100)]
            const taken = backlog.push(chosen, subject, `${subject}${step}`, size, now)
            assert.equal(taken, model.push(chosen, subject, `${subject}${step}`, size, now))
          }
          assert.deepEqual(drops.splice(0), model.drops.splice(0))
          assert.equal(backlog.length, model.list.length)
          assert.equal(
            backlog.bytes,
            model.list.reduce((sum, item) => sum + item.size, 0),
          )
          for (const each of lanes) assert.equal(each.length, model.waiting(each))
        }
      }
    }))

  it("holds nothing but what waits: no trace of what was dropped, at either end or between", () =>
    seeded(random => {
      const { backlog } = make()
      const lanes = [lane("drop-old", 5), lane("conflate", 5), lane("keep-last", 5), lane("block", 5)]
      const inner = backlog as unknown as { first: Link | null; last: Link | null }
      for (let step = 0; step < 20_000; step++) {
        backlog.push(random.pick(lanes), `s${random.int(0, 9)}`, "v", 1, 0)
        if (random.chance(0.1)) backlog.shift(0)
      }
      const links: Link[] = []
      for (let link = inner.first; link !== null; link = link.after) links.push(link)
      assert.ok(links.length > 0 && links.length <= 20)
      assert.equal(links.length, backlog.length)
      assert.equal(links.at(-1), inner.last)
      while (backlog.shift(0) !== undefined);
      assert.deepEqual([inner.first, inner.last], [null, null])
      // What left must not hold on to what follows: the collector would keep whole chains.
      for (const { before, after, older, newer } of links)
        assert.deepEqual([before, after, older, newer], [null, null, null, null])
      for (const { oldest, newest, subjects } of lanes)
        assert.deepEqual([oldest, newest, subjects?.size ?? 0], [null, null, 0])
    }))
})

interface Link {
  readonly before: Link | null
  readonly after: Link | null
  readonly older: Link | null
  readonly newer: Link | null
}
