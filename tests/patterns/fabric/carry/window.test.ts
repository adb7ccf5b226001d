import assert from "node:assert/strict"
import { type CarriedBatch, CarryWindow } from "../../../../patterns/fabric/carry/window.ts"
import { seeded } from "../../../support/random.ts"

const batch = (first: number, count: number, size: number, at = 0): CarriedBatch => ({
  first,
  count,
  bytes: Buffer.alloc(0),
  payload: null,
  size,
  at,
})

const firsts = (window: CarryWindow, from: number, to: number): number[] =>
  [...window.range(from, to)].map(({ first }) => first)

describe("The window of carried messages (FAB-CAR-4)", () => {
  it("keeps so many bytes of what was sent, and all that waits", () => {
    const window = new CarryWindow(100)
    for (let i = 0; i < 5; i++) window.push(batch(1 + i, 1, 40))
    assert.deepEqual([window.bytes, window.unsentBytes, window.oldest], [200, 200, 1])
    for (let i = 0; i < 3; i++) assert.equal(window.next().first, 1 + i)
    window.push(batch(6, 1, 10))
    // Three were sent, and go; three that wait are more than the limit.
    assert.deepEqual([window.bytes, window.unsentBytes, window.oldest], [90, 90, 4])
    while (window.unsent > 0) window.next()
    window.push(batch(7, 1, 1_000))
    assert.deepEqual([window.length, window.oldest], [1, 7])
    window.clear()
    assert.deepEqual([window.length, window.bytes, window.unsent, window.oldest], [0, 0, 0, 0])
  })

  it("forgets what was sent long ago", () => {
    const window = new CarryWindow(1_000)
    for (let i = 0; i < 4; i++) window.push(batch(1 + i, 1, 10, i))
    for (let i = 0; i < 3; i++) window.next()
    window.expire(2)
    assert.equal(window.oldest, 3)
    window.expire(100)
    assert.equal(window.oldest, 4, "what waits stays")
  })

  it("finds every batch with one of the messages", () =>
    seeded(random => {
      const window = new CarryWindow(2_000)
      let first = 1
      const all: CarriedBatch[] = []
      for (let i = 0; i < 300; i++) {
        const one = batch(first, random.int(1, 9), random.int(1, 50))
        first += one.count
        all.push(one)
        window.push(one)
        if (random.chance(0.9)) while (window.unsent > 0) window.next()
        const kept = all.filter(({ first }) => first >= window.oldest)
        const from = random.int(1, first + 10)
        const to = from + random.int(0, 30)
        assert.deepEqual(
          firsts(window, from, to),
          kept.filter(({ first, count }) => first <= to && first + count > from).map(({ first }) => first),
        )
        assert.equal(
          window.bytes,
          kept.reduce((sum, { size }) => sum + size, 0),
        )
      }
    }))
})
