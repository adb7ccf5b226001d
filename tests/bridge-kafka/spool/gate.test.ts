import assert from "node:assert/strict"
import { Gate } from "../../../bridge-kafka/spool/gate.ts"
import { turns } from "../../support/wait.ts"

describe("Gate", () => {
  it("lets so many run at a time, in the order in which they came, whatever fails", async () => {
    const gate = new Gate(2)
    const begun: number[] = []
    let running = 0
    const results = await Promise.allSettled(
      Array.from({ length: 7 }, (_, i) =>
        gate.run(async () => {
          begun.push(i)
          assert.ok(++running <= 2)
          await turns(7 - i)
          running--
          if (i % 3 === 0) throw new Error("fails")
          return i
        }),
      ),
    )
    assert.deepEqual(begun, [0, 1, 2, 3, 4, 5, 6])
    assert.deepEqual(
      results.map(result => result.status === "fulfilled"),
      [false, true, true, false, true, true, false],
    )
    await gate.run(async () => assert.equal(running, 0))
  })
})
