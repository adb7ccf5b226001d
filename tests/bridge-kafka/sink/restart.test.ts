import assert from "node:assert/strict"
import fs from "node:fs"
import path from "node:path"
import type { BridgeRecord } from "../../../bridge-kafka/record.ts"
import { Ledger, sourceKey } from "../../../bridge-kafka/sink/ledger.ts"
import { restoreLedgers } from "../../../bridge-kafka/sink/restore.ts"
import { checkShardCount } from "../../../bridge-kafka/sink/shard-count.ts"
import { Spool } from "../../../bridge-kafka/spool/spool.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { temporaryFolder } from "../../support/folders.ts"

const RECORD: BridgeRecord = {
  subject: "s",
  topic: "",
  partition: -1,
  key: null,
  value: Buffer.from("x"),
  headers: [],
  timestamp: 1,
}

describe("a sink that starts again", () => {
  let folder: string

  closesAfterEach()

  beforeEach(() => {
    folder = temporaryFolder()
  })

  async function open(): Promise<Spool> {
    const spool = await Spool.open({ folder, maxBytes: 1024 * 1024 })
    later(() => spool.close())
    return spool
  }

  it("at-least-once: knows from its spool what is stored and what waits (DUR-3)", async () => {
    const before = await open()
    for (let number = 1; number <= 4; number++)
      before.append(RECORD, number % 2, number === 1 ? "mine" : "", { publisher: "p", epoch: 7, number, floor: 1 })
    before.append(RECORD, 0)
    await before.flush()
    before.release(2)
    await before.close()
    const ledgers = [new Ledger(10, 10), new Ledger(10, 10)]
    await restoreLedgers(await open(), record => ledgers[record.shard])
    const known = ledgers.map(ledger => ledger.peek(sourceKey("p", 7)))
    const has = (set: "stored" | "accepted", shard: number): number[] =>
      [1, 2, 3, 4].filter(number => known[shard]?.[set].has(number))
    assert.deepEqual([has("stored", 1), has("accepted", 1)], [[1], [1, 3]])
    assert.deepEqual([has("stored", 0), has("accepted", 0)], [[2], [2, 4]])
    assert.equal(ledgers[1].placeOfId("mine"), null)
    assert.equal(ledgers[0].placeOfId("mine"), undefined)
  })

  it("refuses another number of shards while records wait (SINK-1)", async () => {
    const spool = await open()
    await checkShardCount(spool, "out", 16)
    spool.append(RECORD, 3)
    await spool.flush()
    await checkShardCount(spool, "out", 16)
    await assert.rejects(checkShardCount(spool, "out", 8), {
      code: "ERR_CONFIG",
      message: /1 records wait in .*, divided into 16 shards, and shards is 8/,
    })
    spool.release(1)
    await checkShardCount(spool, "out", 8)
    assert.equal(fs.readFileSync(path.join(folder, "shards"), "utf8"), "8\n")
  })

  it("takes a spool from before shards were noted as it is", async () => {
    const spool = await open()
    spool.append(RECORD, 3)
    await spool.flush()
    await checkShardCount(spool, "out", 8)
    await assert.rejects(checkShardCount(spool, "out", 4), { code: "ERR_CONFIG" })
  })
})
