import assert from "node:assert/strict"
import { describe, it } from "mocha"
import { calibrate, percentile, spread, wholeSteps } from "../../bench/stats.ts"

describe("bench/stats", () => {
  it("takes the middle value of an odd number, without sorting as text", () => {
    assert.deepEqual(spread([100, 9, 20]), { median: 20, min: 9, max: 100 })
  })

  it("takes the mean of the middle two of an even number", () => {
    assert.deepEqual(spread([4, 1, 3, 2]), { median: 2.5, min: 1, max: 4 })
  })

  it("makes no figure out of nothing", () => {
    assert.throws(() => spread([]), /no values/)
    assert.throws(() => percentile([], 50), /no values/)
  })

  it("takes percentiles by nearest rank", () => {
    const hundred = Float64Array.from({ length: 100 }, (_, i) => i + 1)
    assert.equal(percentile(hundred, 50), 50)
    assert.equal(percentile(hundred, 99), 99)
    assert.equal(percentile(hundred, 100), 100)
    assert.equal(percentile([7], 1), 7)
    assert.equal(percentile([1, 2, 3], 99), 3)
  })

  it("rounds up to whole steps, at least one", () => {
    assert.equal(wholeSteps(0, 10), 10)
    assert.equal(wholeSteps(10, 10), 10)
    assert.equal(wholeSteps(10.1, 10), 20)
  })

  it("finds the count that takes as long as wanted", async () => {
    const rate = 1_000_000
    assert.equal(await calibrate(1, 1000, 1e9, async count => count / rate), rate)
  })

  it("grows at most eightfold from a try that was too short to judge by", async () => {
    const tries: number[] = []
    const count = await calibrate(1, 10, 1e9, async n => {
      tries.push(n)
      return n / 1_000_000
    })
    assert.equal(count, 1_000_000)
    for (let i = 1; i < tries.length; i++) assert.ok(tries[i] <= tries[i - 1] * 8, `${tries}`)
  })

  it("is content with fewer messages when the first try took too long", async () => {
    assert.equal(await calibrate(1, 1000, 1e9, async count => count / 100), 100)
  })

  it("never asks for more than the limit", async () => {
    const tries: number[] = []
    const measure = async (count: number) => {
      tries.push(count)
      return 0
    }
    assert.equal(await calibrate(1, 1000, 5000, measure), 5000)
    assert.equal(Math.max(...tries), 5000)
  })
})
