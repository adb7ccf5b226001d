import assert from "node:assert/strict"
import { describe, it } from "mocha"
import { bytes, figure, ratio, size } from "../../bench/report/format.ts"

describe("bench/report/format", () => {
  it("names sizes as people do", () => {
    assert.deepEqual([16, 1000, 1024, 16384, 1 << 20].map(bytes), ["16 B", "1000 B", "1 KiB", "16 KiB", "1 MiB"])
    assert.equal(size(100_000, "subscriptions"), "100,000")
  })

  it("keeps three digits or more", () => {
    assert.deepEqual(
      [0, 0.987, 4.567, 45.67, 456.7, 4567.8, 45678, 4_567_890, 45_678_901, 45_678_901_234].map(figure),
      ["0", "0.99", "4.57", "45.7", "457", "4568", "45.7 k", "4568 k", "45.7 M", "45.7 G"],
    )
    assert.equal(figure(-66.4), "-66.4")
  })

  it("leaves a ratio out that there is not", () => {
    assert.deepEqual([null, 0.0371, 1, 231.4].map(ratio), ["", "x0.04", "x1.00", "x231"])
  })
})
