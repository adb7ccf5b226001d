import assert from "node:assert/strict"
import { sinkCounters } from "../../../bridge-kafka/sink/counters.ts"
import { Forwarder, type ForwarderHost } from "../../../bridge-kafka/sink/forwarder.ts"
import { memoryOf } from "../../../bridge-kafka/sink/journal.ts"
import { Shard } from "../../../bridge-kafka/sink/shard.ts"
import { decodeRequest, encodeReply, type StoreOutcome } from "../../../bridge-kafka/sink/store-protocol.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { until } from "../../support/wait.ts"

const STORED: StoreOutcome = { stored: true, duplicate: false, place: null }
const BUSY: StoreOutcome = { stored: false, code: "EBUSY", text: "no room", retryAfter: 1 }

describe("what waits here of a shard that another instance has (SINK-4)", () => {
  closesAfterEach()

  it("leaves in order: nothing behind a record that was not taken counts as taken", async () => {
    const shard = new Shard(3)
    for (let sequence = 0; sequence < 4; sequence++) {
      const plain = { topic: "", partition: -1, key: null, headers: [], timestamp: 1, id: "", origin: null }
      const record = { ...plain, subject: "s", value: Buffer.from(`${sequence}`), sequence, shard: 3 }
      shard.push(record)
      shard.bytes += memoryOf(record)
    }
    const asked: string[][] = []
    const answers: StoreOutcome[][] = [
      [STORED, BUSY, STORED, STORED],
      [BUSY, STORED, STORED],
      [STORED, STORED, STORED],
    ]
    const done: number[] = []
    let freed = 0
    const host = {
      fabric: {
        request: async (_subject: string, bytes: Buffer) => {
          asked.push(decodeRequest(bytes).messages.map(one => `${one.number}=${one.value}`))
          return { bytes: encodeReply(answers[asked.length - 1]) }
        },
      },
      counters: sinkCounters(),
      spool: "spool:x",
      retryMin: 1,
      retryMax: 2,
      done: (sequence: number) => done.push(sequence),
      settled: (size: number) => {
        freed += size
      },
      trouble: () => {},
    } as unknown as ForwarderHost
    const size = shard.bytes
    const forwarder = new Forwarder(host, shard, "store.3")
    later(() => forwarder.close())
    forwarder.wake()
    await until(() => shard.length === 0)
    assert.deepEqual(asked, [
      ["0=0", "1=1", "2=2", "3=3"],
      ["1=1", "2=2", "3=3"],
      ["1=1", "2=2", "3=3"],
    ])
    assert.deepEqual(done, [0, 1, 2, 3])
    assert.deepEqual([freed, shard.bytes, host.counters.forwarded], [size, 0, 4])
  })
})
