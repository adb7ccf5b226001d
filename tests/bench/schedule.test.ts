import assert from "node:assert/strict"
import { describe, it } from "mocha"
import { poissonSchedule } from "../../bench/workers/api/schedule.ts"

describe("bench/workers/api/schedule", () => {
  it("is the same for the same seed, and another for another", () => {
    assert.deepEqual(poissonSchedule(2000, 1, 7), poissonSchedule(2000, 1, 7))
    assert.notDeepEqual(poissonSchedule(2000, 1, 7), poissonSchedule(2000, 1, 8))
    assert.equal(new Set([0, 1, 2, 3].map(seed => poissonSchedule(500, 1, seed)[0])).size, 4)
  })

  it("has exactly the arrivals of its rate, ascending, within its time", () => {
    const due = poissonSchedule(2000, 2.5, 1)
    assert.equal(due.length, 5000)
    for (let i = 1; i < due.length; i++) assert.ok(due[i] >= due[i - 1])
    assert.ok(due[0] >= 0 && due[due.length - 1] < 2500)
    assert.equal(poissonSchedule(1, 0.1, 1).length, 1)
  })

  it("has the gaps of a Poisson process: as wide on average as they vary, and without memory", () => {
    const due = poissonSchedule(10_000, 10, 3)
    const gaps = Array.from({ length: due.length - 1 }, (_, i) => due[i + 1] - due[i])
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
    const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length)
    assert.ok(Math.abs(mean - 0.1) < 0.002, `mean ${mean}`)
    // Even arrivals would have none, those of bursts more: an exponential distribution has 1.
    assert.ok(Math.abs(deviation / mean - 1) < 0.03, `coefficient of variation ${deviation / mean}`)
    const wide = gaps.filter(gap => gap > 0.1).length / gaps.length
    assert.ok(Math.abs(wide - Math.exp(-1)) < 0.01, `${wide} of the gaps are wider than the mean`)
  })
})
