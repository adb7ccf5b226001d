import assert from "node:assert/strict"
import { describe, it } from "mocha"
import { Latencies, Tally } from "../../bench/workers/api/tally.ts"

/** A histogram of three digits: within a thousandth. */
function near(value: number, expected: number): void {
  assert.ok(Math.abs(value - expected) <= expected * 0.0015 + 0.002, `${value} instead of ${expected}`)
}

/** Due every millisecond for a second. */
const everyMillisecond = () => Float64Array.from({ length: 1000 }, (_, i) => i)

describe("bench/workers/api/tally", () => {
  it("counts latency from when a request was due, not from when it was sent", () => {
    const tally = new Tally(Float64Array.of(10), 1000)
    tally.sent(0, 60)
    tally.answer(0, 61)
    near(tally.result.p50, 51_000)
    near(tally.result.lag, 50_000)
  })

  it("does not omit those who waited behind a stall", () => {
    // Each answer takes 0.1 ms, but nothing is sent from 400 to 600 ms: a closed loop would note one slow request.
    const due = everyMillisecond()
    const tally = new Tally(due, 1000)
    for (const [i, at] of due.entries()) {
      const sent = at >= 400 && at < 600 ? 600 : at
      tally.sent(i, sent)
      tally.answer(i, sent + 0.1)
    }
    const { p50, p99, p999, reached, lost } = tally.result
    near(p50, 100)
    // A fifth of all waited, evenly spread over 0 to 200 ms.
    near(p99, 190_100)
    near(p999, 199_100)
    near(reached, 1000)
    assert.equal(lost, 0)
  })

  it("counts only answers within the schedule as reached", () => {
    const tally = new Tally(Float64Array.of(0, 500, 900, 990), 1000)
    tally.answer(0, 1)
    tally.answer(1, 1000)
    tally.answer(2, 1001)
    tally.answer(3, 1500)
    assert.deepEqual([tally.result.reached, tally.result.lost, tally.result.answered], [2, 0, 4])
  })

  it("lets what was never answered count as long as it has waited", () => {
    const due = everyMillisecond()
    const tally = new Tally(due, 1000)
    for (let i = 0; i < 900; i++) tally.answer(i, i + 0.1)
    tally.close(2000)
    const { p50, p99, lost, answered } = tally.result
    assert.deepEqual([lost, answered], [100, 900])
    near(p50, 100)
    near(p99, 2_000_000 - 910_000 + 1000)
    // It answers after all, but the books are closed.
    tally.answer(950, 2100)
    assert.deepEqual([tally.result.lost, tally.result.answered], [100, 900])
  })

  it("has no percentile of nothing, and takes noise and the endless", () => {
    const latencies = new Latencies()
    assert.equal(latencies.percentile(50), 0)
    latencies.add(-0.01)
    near(latencies.percentile(100), 0.001)
    latencies.add(1e9)
    near(latencies.percentile(100), 120e6)
  })
})
