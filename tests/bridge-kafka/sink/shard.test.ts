import assert from "node:assert/strict"
import { memoryOf } from "../../../bridge-kafka/sink/journal.ts"
import { Shard } from "../../../bridge-kafka/sink/shard.ts"
import type { SpoolRecord } from "../../../bridge-kafka/spool/record-format.ts"
import type { RecordRun } from "../../../bridge-kafka/spool/record-run.ts"
import { Spool } from "../../../bridge-kafka/spool/spool.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { temporaryFolder } from "../../support/folders.ts"
import { seeded } from "../../support/random.ts"

function record(sequence: number, waits: boolean): SpoolRecord {
  const origin = waits ? { publisher: "p", epoch: 1, number: sequence, floor: 0 } : null
  const value = Buffer.from(`v${sequence}`)
  const rest = { topic: "", partition: -1, key: null, headers: [], timestamp: sequence, id: "" }
  return { subject: `s${sequence % 7}`, value, ...rest, sequence, shard: sequence % 200, origin }
}

/** The same, as the spool gives them back. */
async function runOf(spool: Spool, records: readonly SpoolRecord[]): Promise<RecordRun> {
  const reader = spool.reader({ from: spool.next })
  for (const one of records) spool.append(one, one.shard, one.id, one.origin)
  await spool.flush()
  const { run } = (await reader.next()) ?? { run: null }
  await reader.close()
  assert.ok(run !== null)
  assert.equal(run.length, records.length)
  return run
}

describe("what waits in a shard", () => {
  closesAfterEach()

  it("comes out as it came, as objects or as bytes, and its memory too", () =>
    seeded(async random => {
      const spool = await Spool.open({ folder: temporaryFolder() })
      later(() => spool.close())
      const shard = new Shard(0)
      const waiting: SpoolRecord[] = []
      let next = 0
      let bytes = 0
      for (let step = 0; step < 200; step++) {
        if (random.chance(0.1)) {
          // Sequences of the spool go on without a hole: all of this step are in it.
          const records = Array.from({ length: random.int(1, 400) }, (_, i) =>
            record(spool.next + i, random.chance(0.3)),
          )
          const run = await runOf(spool, records)
          records.forEach((one, place) => {
            assert.equal(run.shardAt(place), one.shard)
            shard.pushFrom(run, place)
            bytes += run.memoryAt(place)
            waiting.push(one)
          })
        } else {
          const one = record(next++, random.chance(0.3))
          shard.push(one)
          bytes += memoryOf(one)
          waiting.push(one)
        }
        assert.equal(shard.length, waiting.length)
        assert.equal(shard.awaited, waiting.filter(one => one.origin !== null).length)
        for (let i = 0; i < 3 && waiting.length > 0; i++) {
          const at = random.int(0, waiting.length - 1)
          assert.deepEqual({ ...shard.at(at) }, waiting[at])
        }
        if (random.chance(0.3)) {
          const count = random.int(0, waiting.length)
          bytes -= shard.shift(count)
          waiting.splice(0, count)
        }
      }
      bytes -= shard.shift(waiting.length)
      assert.equal(bytes, 0)
      assert.equal(shard.length, 0)
      assert.equal(shard.awaited, 0)
    }))
})
