import assert from "node:assert/strict"
import { Breakers } from "../../../patterns/fabric/breakers.ts"

/** Milliseconds after a breach at `now` until the node is dialled again. */
function pause(breakers: Breakers, node: string, now: number): number {
  let after = 0
  while (breakers.shuns(node, now + after)) after += 500
  return after
}

describe("Breakers", () => {
  it("are left alone for a second, and for twice as long each time, up to a minute", () => {
    const breakers = new Breakers()
    const pauses: number[] = []
    let now = 5_000
    for (let i = 0; i < 9; i++) {
      breakers.note("a", now)
      pauses.push(pause(breakers, "a", now))
      now += pauses[i]
    }
    assert.deepEqual(
      pauses,
      [1, 2, 4, 8, 16, 32, 60, 60, 60].map(seconds => seconds * 1_000),
    )
    assert.equal(breakers.shuns("b", now), false)
  })

  it("that behaved for ten minutes begin anew", () => {
    const breakers = new Breakers()
    breakers.note("a", 0)
    breakers.note("a", 1_000)
    breakers.note("a", 700_000)
    assert.equal(pause(breakers, "a", 700_000), 1_000)
  })

  it("are remembered up to a number, the latest of them", () => {
    const breakers = new Breakers()
    for (let i = 0; i < 1_100; i++) breakers.note(`n${i}`, 0)
    assert.deepEqual(
      ["n0", "n75", "n76", "n1099"].map(node => breakers.shuns(node, 1)),
      [false, false, true, true],
    )
  })
})
