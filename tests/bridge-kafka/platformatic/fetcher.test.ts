import assert from "node:assert/strict"
import type { Cluster } from "../../../bridge-kafka/platformatic/cluster.ts"
import { PartitionFetcher } from "../../../bridge-kafka/platformatic/partition-fetcher.ts"
import { turns, until } from "../../support/wait.ts"

describe("PartitionFetcher", () => {
  it("does not ask without a pause for the leader of a partition that has none", async () => {
    const leaders = [-1]
    let asked = 0
    let fetched = 0
    const pauses: (() => void)[] = []
    let known = false
    const cluster = {
      topic: () => (known ? { leaders, id: "x" } : undefined),
      describe: async () => {
        asked++
        known = true
      },
      backoff: () => 1,
      pause: () => new Promise<void>(resolve => pauses.push(resolve)),
      forget: () => {},
      connection: () => {
        fetched++
        return new Promise(() => {})
      },
    } as unknown as Cluster
    const options = { maxWait: 1, maxBytes: 1, committedOnly: true, outOfRange: async () => [] }
    const fetcher = new PartitionFetcher(cluster, options)
    fetcher.add([{ topic: "t", partition: 0, offset: 0 }])
    fetcher.pump()
    await turns(5)
    assert.deepEqual([asked, pauses.length], [1, 1])
    // Somebody else wants to know whether there is more: that is no reason to ask again.
    fetcher.pump()
    await turns(5)
    assert.equal(asked, 1)
    pauses.shift()?.()
    await until(() => asked === 2)
    leaders[0] = 7
    pauses.shift()?.()
    await until(() => fetched === 1)
    fetcher.end()
  })
})
