import assert from "node:assert/strict"
import { Queue } from "../../core/queue.ts"
import { seeded } from "../support/random.ts"

describe("Queue", () => {
  it("is empty at first", () => {
    const queue = new Queue<number>()
    assert.equal(queue.length, 0)
    assert.equal(queue.shift(), undefined)
    assert.equal(queue.peek(), undefined)
    assert.equal(queue.length, 0)
  })

  it("gives back in order, also around the end of its ring and while it grows", () =>
    seeded(random => {
      const queue = new Queue<number>()
      const model: number[] = []
      let next = 0
      for (let step = 0; step < 200_000; step++) {
        // Filling and emptying take turns, so that the ring grows, wraps and shrinks.
        const filling = Math.floor(step / 5_000) % 2 === 0
        if (random.chance(filling ? 0.7 : 0.2)) {
          queue.push(next)
          model.push(next++)
        } else if (random.chance(0.0001)) {
          queue.clear()
          model.length = 0
        } else {
          assert.equal(queue.peek(), model[0])
          assert.equal(queue.shift(), model.shift())
        }
        assert.equal(queue.length, model.length)
      }
    }))

  it("gives everything at once, in order, and goes on", () =>
    seeded(random => {
      const queue = new Queue<number>()
      const model: number[] = []
      let next = 0
      for (let step = 0; step < 20_000; step++) {
        for (let left = random.int(0, random.chance(0.01) ? 3_000 : 20); left > 0; left--) {
          queue.push(next)
          model.push(next++)
        }
        for (let left = random.chance(0.3) ? random.int(0, 10) : 0; left > 0; left--) {
          assert.equal(queue.shift(), model.shift())
        }
        assert.equal(queue.length, model.length)
        if (random.chance(0.5)) {
          assert.deepEqual(queue.takeAll(), model.splice(0))
          assert.equal(queue.length, 0)
          assert.equal(queue.shift(), undefined)
        }
      }
    }))

  it("gives a list away for good, and does not make room for a burst again", () => {
    const queue = new Queue<number>()
    const inner = queue as unknown as { items: unknown[] }
    for (let i = 0; i < 100_000; i++) queue.push(i)
    const all = queue.takeAll()
    assert.equal(all.length, 100_000)
    assert.ok(inner.items.length <= 1024)
    queue.push(-1)
    assert.equal(all[0], 0)
    assert.deepEqual(queue.takeAll(), [-1])
    assert.deepEqual(queue.takeAll(), [])
  })

  it("holds values that look like nothing", () => {
    const queue = new Queue<unknown>()
    for (const value of [null, 0, "", false, undefined]) queue.push(value)
    assert.equal(queue.length, 5)
    assert.equal(queue.shift(), null)
    assert.equal(queue.shift(), 0)
    assert.equal(queue.length, 3)
  })

  it("forgets what was taken, so that it can be collected, and the ring of a burst", () => {
    const queue = new Queue<object>()
    const inner = queue as unknown as { items: unknown[] }
    queue.push({})
    queue.shift()
    assert.ok(inner.items.every(item => item === undefined))
    for (let i = 0; i < 100_000; i++) queue.push({})
    assert.ok(inner.items.length >= 100_000)
    while (queue.shift() !== undefined);
    assert.equal(inner.items.length, 0)
    queue.push({})
    queue.clear()
    assert.equal(inner.items.length, 0)
    assert.equal(queue.length, 0)
  })
})
