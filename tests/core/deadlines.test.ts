import assert from "node:assert/strict"
import { Deadlines, type Limited, NEVER } from "../../core/deadlines.ts"
import { FakeClock } from "../support/clock.ts"
import { Random } from "../support/random.ts"

class Item implements Limited {
  since: Limited["since"] = NEVER
  earlier: Limited | null = null
  later: Limited | null = null
  deadlines: Limited["deadlines"] = null
  readonly name: number

  constructor(name: number) {
    this.name = name
  }
}

describe("Deadlines", () => {
  const clock = new FakeClock()
  let expired: [name: number, at: number][]
  let deadlines: Deadlines<Item>
  let began: number

  beforeEach(() => {
    clock.install()
    began = clock.now
    expired = []
    deadlines = new Deadlines(item => expired.push([item.name, clock.now - began]))
  })
  afterEach(() => clock.restore())

  it("tell each when its time is up, not before, and once", () => {
    deadlines.enter(new Item(1), 100)
    clock.advance(50)
    deadlines.enter(new Item(2), 100)
    deadlines.enter(new Item(3), 20)
    clock.advance(10_000)
    assert.deepEqual(expired, [
      [3, 70],
      [1, 100],
      [2, 150],
    ])
    assert.equal(clock.pending, 0)
  })

  it("forget who leaves, at the beginning, in the middle and at the end, and who leaves twice", () => {
    const items = [1, 2, 3, 4, 5].map(name => new Item(name))
    for (const item of items) deadlines.enter(item, 100)
    for (const at of [0, 2, 4, 2]) deadlines.leave(items[at])
    clock.advance(1_000)
    assert.deepEqual(
      expired.map(([name]) => name),
      [2, 4],
    )
  })

  it("take an item again that has left or whose time was up", () => {
    const item = new Item(1)
    deadlines.enter(item, 100)
    deadlines.leave(item)
    deadlines.enter(item, 200)
    clock.advance(1_000)
    deadlines.enter(item, 10)
    clock.advance(1_000)
    assert.deepEqual(expired, [
      [1, 200],
      [1, 1_010],
    ])
  })

  it("need one timer for each limit, and none when all is over", () => {
    const items = Array.from({ length: 100 }, (_, name) => new Item(name))
    for (const item of items) deadlines.enter(item, 10 + (item.name % 3))
    assert.equal(clock.pending, 3)
    for (const item of items) deadlines.leave(item)
    clock.advance(100)
    assert.deepEqual([clock.pending, expired], [0, []])
    deadlines.enter(new Item(1), 10)
    deadlines.clear()
    assert.equal(clock.pending, 0)
  })

  it("agree with a timer for each, whatever comes and goes", () => {
    const random = Random.fresh()
    const wanted: [number, number][] = []
    const open = new Map<Item, number>()
    for (let step = 0; step < 5_000; step++) {
      if (random.chance(0.6)) {
        const item = new Item(step)
        const limit = random.pick([1, 5, 5, 40, 300])
        deadlines.enter(item, limit)
        open.set(item, clock.now + limit)
      } else if (open.size > 0) {
        const item = random.pick([...open.keys()])
        deadlines.leave(item)
        open.delete(item)
      }
      if (random.chance(0.3)) {
        clock.advance(random.int(0, 30))
        for (const [item, at] of open) {
          if (at > clock.now) continue
          wanted.push([item.name, at - began])
          open.delete(item)
        }
      }
    }
    const byTime = (a: [number, number], b: [number, number]) => a[1] - b[1] || a[0] - b[0]
    assert.deepEqual(expired.sort(byTime), wanted.sort(byTime), `seed ${random.seed}`)
  })
})
