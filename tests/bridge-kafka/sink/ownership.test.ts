import assert from "node:assert/strict"
import { Ownership } from "../../../bridge-kafka/sink/ownership.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { until } from "../../support/wait.ts"
import { FakeKafka } from "../source/fake-kafka.ts"

const SESSION = 5_000

describe("which shards an instance has (SINK-3)", () => {
  closesAfterEach()

  it("the last answer of the group holds for a session; before the first there is silence from the beginning on", async () => {
    const kafka = new FakeKafka()
    const options = { topic: "t", group: "g", shards: 2, retryMin: 1, retryMax: 2, session: SESSION }
    const lost: string[] = []
    const ownership = new Ownership(
      kafka,
      {
        gain: () => {},
        give: async () => {},
        lose: (shard, silent) => lost.push(`${shard} ${silent}`),
        settled: () => {},
        trouble: () => {},
        failed: error => assert.fail(String(error)),
      },
      options,
    )
    later(() => ownership.close())
    const began = performance.now()
    ownership.start()
    await until(() => kafka.consumers.length > 0)
    assert.ok(Math.abs(ownership.silence(began + 700) - 700) < 100)
    kafka.last.options.heard?.(null)
    kafka.last.assign({ topic: "t", partition: 0 }, { topic: "t", partition: 1 })
    const heard = performance.now()
    assert.equal(ownership.silence(heard + SESSION - 100), 0)
    assert.ok(Math.abs(ownership.silence(heard + SESSION + 700) - 700) < 100)
    // An attempt that fails is no answer.
    kafka.last.options.heard?.(new Error("nobody answers"))
    assert.ok(ownership.silence(heard + SESSION + 700) > 600)
    kafka.last.options.lost?.([{ topic: "t", partition: 1 }], true)
    assert.deepEqual(lost, ["1 true"])
    assert.deepEqual([ownership.owns(0), ownership.owns(1)], [true, false])
    // It is no member any more: nothing holds.
    const gone = performance.now()
    assert.ok(Math.abs(ownership.silence(gone + 700) - 700) < 100)
  })
})
