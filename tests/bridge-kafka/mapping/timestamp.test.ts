import assert from "node:assert/strict"
import { MOST_AHEAD, parseTimestamp, timestampOf } from "../../../bridge-kafka/mapping/timestamp.ts"

describe("bridge: times of records", () => {
  it("REC-4 are the publisher's, unless they are nonsense or too far ahead", () => {
    const now = 1_700_000_000_000
    assert.equal(timestampOf(undefined, now), now)
    assert.equal(timestampOf("1600000000000", now), 1_600_000_000_000)
    assert.equal(timestampOf("0", now), 0)
    assert.equal(timestampOf(String(now + MOST_AHEAD), now), now + MOST_AHEAD)
    assert.equal(timestampOf(String(now + MOST_AHEAD + 1), now), now)
    for (const text of ["", "-1", "1.5", "1e3", "soon", " 1", "9".repeat(17), "9".repeat(16)])
      assert.equal(timestampOf(text, now), now, text)
    assert.equal(parseTimestamp("12"), 12)
    assert.equal(parseTimestamp("x"), -1)
  })
})
