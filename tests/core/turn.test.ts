import assert from "node:assert/strict"
import { nextTurn, turnIsSpent } from "../../core/turn.ts"

/** Completes operations in one turn until the budget ends; how long that took. */
function spend(): number {
  const began = performance.now()
  while (!turnIsSpent()) if (performance.now() - began > 5_000) return Number.POSITIVE_INFINITY
  return performance.now() - began
}

describe("Budget of a turn", () => {
  it("ends after some milliseconds, in each turn anew", async () => {
    for (let i = 0; i < 5; i++) {
      await nextTurn()
      const took = spend()
      assert.ok(took >= 1 && Number.isFinite(took), `${took} ms`)
    }
  })

  it("is not spent by operations of many turns together", async () => {
    await nextTurn()
    await nextTurn()
    for (let turn = 0; turn < 200; turn++) {
      // Far fewer operations than would take a millisecond.
      for (let i = 0; i < 40; i++) assert.equal(turnIsSpent(), false)
      const busy = performance.now() + 0.2
      while (performance.now() < busy);
      await nextTurn()
      await nextTurn()
    }
  })

  it("gives timers and I/O their turn: `nextTurn` does", async () => {
    let ran = false
    setTimeout(() => {
      ran = true
    }, 0)
    while (!ran) await nextTurn()
  })
})
