import assert from "node:assert/strict"
import { describe, it } from "mocha"
import { closedLoop, openLoop } from "../../bench/workers/api/loops.ts"
import { check, type StockReply, type StockRequest } from "../../bench/workers/api/stock.ts"
import { pass, turns, until } from "../support/wait.ts"

/** A client whose answers come when they are let go; it says how many are on the way. */
class Held {
  readonly waiting: (() => void)[] = []
  most = 0
  asked = 0

  check(request: StockRequest): Promise<StockReply> {
    this.asked++
    return new Promise(resolve => {
      this.waiting.push(() => resolve(check(request)))
      this.most = Math.max(this.most, this.waiting.length)
    })
  }

  /** Answers everything from now on, a turn of the event loop later. */
  flow(): () => void {
    const timer = setInterval(() => {
      for (const answer of this.waiting.splice(0)) answer()
    }, 1)
    return () => clearInterval(timer)
  }

  async close(): Promise<void> {}
}

describe("bench/workers/api/loops", () => {
  it("closed: asks for so many in all, and so many at once", async () => {
    const client = new Held()
    const stop = client.flow()
    const { seconds, p50 } = await closedLoop(client, 10, 95)
    stop()
    assert.deepEqual([client.asked, client.most], [95, 10])
    assert.ok(seconds > 0 && p50 > 0)
  })

  it("refuses a wrong answer", async () => {
    const wrong = { check: async () => ({ left: 1, price: 1 }), close: async () => {} }
    await assert.rejects(closedLoop(wrong, 1, 5), /wrong answer/)
    await assert.rejects(openLoop(wrong, 100, 0.05, 1), /wrong answer/)
  })

  it("open: goes on asking while nothing is answered", async () => {
    const client = new Held()
    const asked = openLoop(client, 1000, 0.1, 1)
    // A closed loop would stop here.
    await until(() => client.asked === 100)
    const stop = client.flow()
    const { answered, lost } = await asked
    stop()
    assert.deepEqual([answered, lost, client.most], [100, 0, 100])
  })

  it("open: counts failures as lost, and goes on", async () => {
    let asked = 0
    const client = {
      check: async (request: StockRequest) => {
        if (++asked % 10 === 0) throw new Error("busy")
        return check(request)
      },
      close: async () => {},
    }
    const { answered, lost } = await openLoop(client, 1000, 0.1, 1)
    assert.deepEqual([answered, lost], [90, 10])
  })

  it("open: does not wait for ever, and has at most a thousand on the way", async () => {
    const client = new Held()
    const loop = openLoop(client, 30_000, 0.1, 1)
    await until(() => client.asked === 1000)
    // Longer than its patience: from now on answers no longer count.
    await pass(1500)
    await turns(2)
    assert.equal(client.asked, 1000)
    const stop = client.flow()
    const { answered, lost, p50, reached } = await loop
    stop()
    assert.deepEqual([answered, lost, reached, client.asked], [0, 3000, 0, 1000])
    assert.ok(p50 > 1_000_000, "all have waited for more than a second")
  })
})
