import assert from "node:assert/strict"
import { closesAfterEach } from "../../support/cleanup.ts"
import { simulatedPair } from "./simulated-pair.ts"

/** Milliseconds that links are kept. */
const WINDOW = 1_000

describe("fabric: a link that breaks, in virtual time", () => {
  closesAfterEach()

  it("FAB-QUE-6 a blocking member for whom messages wait keeps its place, and nothing else waits for it", async () => {
    const { net, near, far, away } = await simulatedPair(WINDOW)
    const blocked: unknown[] = []
    const plain: unknown[] = []
    const never = ({ data }: { data: unknown }): Promise<void> => {
      blocked.push(data)
      return new Promise(() => {})
    }
    far.subscribe("q", never, { queue: "g", policy: "block", limit: 4 })
    far.subscribe("n", ({ data }) => void plain.push(data))
    await net.until(near.ready({ subject: "q" }))
    let sent = 0
    while (near.publish("q", sent).taken) {
      sent++
      await net.run(50)
    }
    assert.ok(sent > 4)
    await away(WINDOW / 2)
    for (let i = 0; i < 3; i++) near.publish("n", i)
    await net.run(1_000)
    assert.deepEqual(plain, [0, 1, 2])
    assert.equal(near.stats().peers[0].queued, 0)
  })
})
