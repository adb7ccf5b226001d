import assert from "node:assert/strict"
import { Ticks } from "../../core/ticks.ts"

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe("Ticks", () => {
  let now: number
  let ends: number[]
  const real = performance.now
  beforeEach(() => {
    now = 1_000
    ends = []
    performance.now = () => now
  })
  afterEach(() => {
    performance.now = real
  })

  it("one moment for all of a tick, microtasks too; at its end the time is that of the end", async () => {
    const ticks = new Ticks(at => ends.push(at))
    // From here on in a microtask: what is asked by other microtasks belongs to the same tick.
    await Promise.resolve()
    const first = ticks.moment
    assert.equal(first.at, 1_000)
    now = 1_005
    assert.equal(ticks.moment, first)
    let later: unknown
    queueMicrotask(() => {
      now = 1_007
      later = ticks.moment
    })
    assert.deepEqual(ends, [])
    await turn()
    assert.equal(later, first)
    assert.deepEqual([first.at, ends], [1_007, [1_007]])
  })

  it("the next tick has another, and ticks in which nobody asks have none", async () => {
    const ticks = new Ticks(at => ends.push(at))
    const first = ticks.moment
    await turn()
    now = 2_000
    await turn()
    assert.deepEqual([ends.length, first.at], [1, 1_000])
    assert.equal(ticks.moment.at, 2_000)
    assert.notEqual(ticks.moment, first)
    await turn()
    assert.deepEqual(ends, [1_000, 2_000])
  })
})
