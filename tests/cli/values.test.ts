import assert from "node:assert/strict"
import { InvalidArgumentError } from "commander"
import { percentile, summarize } from "../../cli/bench/percentiles.ts"
import { bytes, duration } from "../../cli/units.ts"
import { escaped, positive, wholeFrom, wholesFrom } from "../../cli/values.ts"

function refused(parse: (text: string) => unknown, ...texts: string[]): void {
  for (const text of texts) assert.throws(() => parse(text), InvalidArgumentError, `"${text}" must be refused`)
}

describe("cli values", () => {
  it("numbers are whole and within their range, or refused", () => {
    assert.equal(wholeFrom(-1)("-1"), -1)
    assert.equal(wholeFrom(0, 10)("10"), 10)
    refused(wholeFrom(0, 10), "", " ", "11", "-1", "1.5", "x", "NaN", "Infinity")
    assert.deepEqual(wholesFrom(1, 10)("1,10"), [1, 10])
    refused(wholesFrom(1, 10), "1,", "0,1")
    assert.equal(positive("0.5"), 0.5)
    refused(positive, "0", "-1", "x", "Infinity", "")
  })

  it("escapes stand for bytes that are hard to type", () => {
    assert.deepEqual(escaped("\\t"), Buffer.from("\t"))
    assert.deepEqual(escaped("a\\x00\\\\\\n"), Buffer.from("a\0\\\n"))
    refused(escaped, "", "\\q", "\\", "\\x1")
  })

  it("an escaped byte above 127 is that byte", () => {
    assert.deepEqual(escaped("\\xff"), Buffer.from([0xff]))
    assert.deepEqual(escaped("é\\xe9"), Buffer.from([0xc3, 0xa9, 0xe9]))
  })

  it("sizes and times are for people", () => {
    assert.deepEqual([0, 999, 1000, 99_940, 1_234_567, 5e15].map(bytes), [
      "0 B",
      "999 B",
      "1.0 kB",
      "99.9 kB",
      "1.2 MB",
      "5000 TB",
    ])
    assert.deepEqual([0, 9_900, 12_300, 200_000].map(duration), ["0.0 s", "9.9 s", "12 s", "3 min 20 s"])
  })

  it("percentiles are values that were measured", () => {
    const ascending = Float64Array.from({ length: 10_000 }, (_, i) => i + 1)
    assert.deepEqual(
      [50, 90, 99, 99.9, 100].map(rank => percentile(ascending, rank)),
      [5000, 9000, 9900, 9990, 10_000],
    )
    assert.equal(percentile([7], 50), 7)
    // Milliseconds in, microseconds out.
    assert.deepEqual(summarize(Float64Array.of(3, 1, 2)), { p50: 2000, p90: 3000, p99: 3000, p999: 3000, max: 3000 })
  })
})
