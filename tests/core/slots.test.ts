import assert from "node:assert/strict"
import { Slots } from "../../core/slots.ts"
import { Random } from "../support/random.ts"

describe("Slots", () => {
  it("give each thing a number of its own, never 0, and never that of one that is gone", () => {
    const slots = new Slots<string>(4)
    const first = slots.add("a")
    assert.equal(slots.get(first), "a")
    assert.ok(slots.delete(first))
    const second = slots.add("b")
    assert.notEqual(second, first)
    assert.ok(first > 0 && second > 0)
    assert.equal(slots.get(first), undefined)
    assert.equal(slots.delete(first), false)
    assert.deepEqual([...slots.values()], ["b"])
  })

  it("give the number of what was answered to another, after all that are free, and keep it small", () => {
    const slots = new Slots<string>(4)
    const first = slots.add("a")
    assert.equal(slots.isSettled(first), false)
    assert.ok(slots.settle(first))
    assert.ok(slots.isSettled(first))
    assert.equal(slots.get(first), undefined)
    assert.equal(slots.settle(first), false)
    const later: number[] = []
    for (let i = 0; i < 4; i++) {
      later.push(slots.add("b"))
      assert.ok(slots.settle(later[i]))
    }
    // It comes again last.
    assert.deepEqual(later.indexOf(first), 3)
    assert.ok(slots.delete(slots.add("c")))
    for (let i = 0; i < 100; i++) {
      const number = slots.add("d")
      assert.ok(number < 32)
      assert.ok(slots.settle(number))
    }
    assert.equal(slots.length, 0)
  })

  it("are used in turn, a hundred at least, and no more than there may be", () => {
    const slots = new Slots<number>(65_536)
    const seen = new Set<number>()
    for (let i = 0; i < 100; i++) {
      const number = slots.add(i)
      assert.ok(number < 128 && !seen.has(number))
      seen.add(number)
      slots.settle(number)
    }
    assert.ok(seen.has(slots.add(0)))
    const few = new Slots<number>(3)
    for (let i = 0; i < 50; i++) {
      const numbers = [few.add(1), few.add(2), few.add(3)]
      assert.ok(Math.max(...numbers) < 4 && new Set(numbers).size === 3)
      for (const number of numbers) few.settle(number)
    }
  })

  it("know nothing of numbers that were never given, whoever sends them", () => {
    const slots = new Slots<string>(4)
    slots.add("a")
    for (const number of [0, 2, 3, 9, 2 ** 40, -1, 1.5, Number.NaN, Number.MAX_SAFE_INTEGER]) {
      assert.equal(slots.get(number), undefined, String(number))
      assert.equal(slots.delete(number), false, String(number))
      assert.equal(slots.isSettled(number), false, String(number))
    }
    assert.equal(slots.length, 1)
  })

  it("agree with a Map over many comings and goings", () => {
    const random = Random.fresh()
    const slots = new Slots<number>(64)
    const model = new Map<number, number>()
    const gone: number[] = []
    for (let step = 0; step < 20_000; step++) {
      if (model.size < 64 && random.chance(0.55)) {
        const number = slots.add(step)
        assert.ok(!model.has(number) && !gone.includes(number), `seed ${random.seed}`)
        model.set(number, step)
      } else if (model.size > 0) {
        const number = random.pick([...model.keys()])
        assert.ok(slots.delete(number))
        model.delete(number)
        gone.push(number)
        if (gone.length > 100) gone.shift()
      }
      for (const number of gone.slice(-3)) assert.equal(slots.get(number), undefined, `seed ${random.seed}`)
    }
    assert.equal(slots.length, model.size)
    for (const [number, value] of model) assert.equal(slots.get(number), value)
    assert.deepEqual(new Set(slots.values()), new Set(model.values()))
  })
})
