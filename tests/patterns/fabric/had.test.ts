import assert from "node:assert/strict"
import { Had } from "../../../patterns/fabric/had.ts"

describe("fabric: what a subscription with history has had", () => {
  it("FAB-HIS-3 each number of a publisher is new once", () => {
    const had = new Had()
    for (const number of [3, 4, 9]) {
      assert.equal(had.isNew("a", number, number), true)
      assert.equal(had.isNew("a", number, number), false)
    }
    assert.equal(had.isNew("a", 5, 5), false)
    assert.equal(had.isNew("b", 5, 5), true)
    assert.deepEqual([had.after("a"), had.after("b"), had.after("c")], [9, 5, 0])
  })

  it("FAB-HIS-3 what came in an earlier place does not hide what stood between", () => {
    const had = new Had()
    assert.equal(had.isNew("a", 7, 1), true)
    assert.equal(had.after("a"), 1)
    assert.equal(had.isNew("a", 2, 2), true)
    assert.equal(had.isNew("a", 7, 7), false)
    assert.equal(had.isNew("a", 6, 6), true)
    assert.equal(had.after("a"), 6)
    assert.equal(had.isNew("a", 7, 7), false)
    assert.equal(had.isNew("a", 8, 8), true)
    assert.equal(had.isNew("a", 7, 7), false)
  })

  it("forgets publishers beyond a thousand, and numbers beyond its bound", () => {
    const had = new Had()
    for (let i = 0; i < 2_000; i++) had.isNew(`node${i}`, 1, 1)
    assert.deepEqual([had.after("node0"), had.after("node1999")], [0, 1])
    for (let i = 1; i <= 70_000; i++) assert.equal(had.isNew("liar", 10 * i, 0), true)
    assert.equal(had.isNew("liar", 700_000, 0), false)
    assert.equal(had.isNew("liar", 10, 0), true)
  })
})
