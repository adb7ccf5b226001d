import assert from "node:assert/strict"
import type { KafkaDriver, KafkaRecord, StoredRecord } from "../../../bridge-kafka/driver.ts"
import { idsGone, idsRecord, readCheckpoint, sourceGone, sourceRecord } from "../../../bridge-kafka/sink/checkpoint.ts"
import { IdWindow } from "../../../bridge-kafka/sink/id-window.ts"
import { idOf, Ledger, sourceKey, type Waiter } from "../../../bridge-kafka/sink/ledger.ts"

const NOW = 1_700_000_000_000
const PLACE = { topic: "t", partition: 1, offset: 7 }

/** What `driver.read` gives of records written before; compaction keeps the newest of each key. */
function driverWith(records: readonly KafkaRecord[], compact: boolean): KafkaDriver {
  const newest = new Map(records.map((one, offset) => [one.key?.toString(), offset]))
  const kept = records
    .map((one, offset): StoredRecord => ({ ...one, offset }))
    .filter(one => !compact || newest.get(one.key?.toString()) === one.offset)
  return {
    read: async function* () {
      yield { topic: "c", partition: 0, records: kept }
    },
  } as unknown as KafkaDriver
}

describe("the ledger of a shard", () => {
  it("takes back what is not in the checkpoint: it was not committed", async () => {
    const ledger = new Ledger(10, 10)
    const source = ledger.use(sourceKey("p", 1), NOW)
    const before = sourceRecord("c", 0, source, [1, 2], NOW)
    for (const number of [1, 2, 3]) source.store(number, PLACE, false)
    ledger.use(sourceKey("q", 1), NOW).store(1, PLACE, false)
    ledger.rememberIds([["mine", null]])
    await readCheckpoint(driverWith([before], false), "c", 0, ledger, new AbortController().signal)
    assert.deepEqual(
      [1, 2, 3].map(number => source.stored.has(number)),
      [true, true, false],
    )
    assert.equal(ledger.peek(sourceKey("q", 1))?.stored.has(1), false)
    assert.equal(ledger.placeOfId("mine"), undefined)
  })

  it("is left as it is when only a part of the checkpoint could be read", async () => {
    const ledger = new Ledger(10, 10)
    const source = ledger.use(sourceKey("p", 1), NOW)
    source.store(1, PLACE, false)
    const read = readCheckpoint(driverWith([], false), "c", 0, ledger, AbortSignal.abort())
    await assert.rejects(read, { name: "AbortError" })
    assert.equal(source.stored.has(1), true)
  })

  it("knows numbers of each epoch apart, above and below the floor", () => {
    const ledger = new Ledger(10, 10)
    const first = ledger.use(sourceKey("p", 1), NOW)
    first.floor = 5
    first.store(3, PLACE, false)
    assert.equal(first.stored.has(3), true)
    assert.equal(
      first.stored.has(4),
      false,
      "a number below the floor that never came is not stored: a spool may bring it",
    )
    assert.deepEqual(first.placeOf(3), PLACE)
    assert.equal(ledger.peek(sourceKey("p", 2)), undefined)
  })

  it("takes all below the position of a spool as stored", () => {
    const source = new Ledger(10, 10).use("spool:x", NOW)
    source.store(9, null, false)
    assert.deepEqual(
      [0, 9, 10].map(n => source.stored.has(n)),
      [true, true, false],
    )
  })

  it("tells all who wait, the second as a duplicate; and those whom nobody can answer any more", () => {
    const told: unknown[] = []
    const waiter: Waiter = {
      stored: (index, place, duplicate) => told.push([index, place, duplicate]),
      failed: (index, code) => told.push([index, code]),
    }
    const ledger = new Ledger(10, 10)
    const source = ledger.use(sourceKey("p", 1), NOW)
    source.wait(1, waiter, 0)
    source.wait(1, waiter, 1)
    source.wait(2, waiter, 2)
    source.wait(3, waiter, 3)
    source.store(1, PLACE, false)
    source.forget(3, waiter)
    ledger.failAll("MOVED", "")
    source.store(2, PLACE, false)
    assert.deepEqual(told, [
      [0, PLACE, false],
      [1, PLACE, true],
      [2, "MOVED"],
    ])
  })

  it("forgets the publishers that were not heard of for longest, and never a spool", () => {
    const ledger = new Ledger(3, 10)
    for (const key of ["spool:x", "a 1", "b 1"]) ledger.use(key, NOW)
    ledger.use("a 1", NOW)
    ledger.use("c 1", NOW)
    assert.deepEqual(ledger.takeForgotten(), ["b 1"])
    assert.equal(ledger.size, 3)
    assert.ok(ledger.peek("spool:x"))
  })

  it("knows a message by the id that its publisher made of its number", () => {
    const ledger = new Ledger(10, 10)
    ledger.use(sourceKey("a/b", 12), NOW).store(7, PLACE, false)
    assert.deepEqual(ledger.placeOfId(idOf("a/b", 12, 3, 7)), PLACE)
    assert.equal(ledger.placeOfId(idOf("a/b", 12, 3, 8)), undefined)
    assert.equal(ledger.placeOfId(idOf("a/b", 13, 3, 7)), undefined)
  })

  for (const compact of [false, true]) {
    it(`comes back from its checkpoint${compact ? ", compacted" : ""} (SINK-6)`, async () => {
      const ledger = new Ledger(10, 3)
      const records: KafkaRecord[] = []
      const commit = (key: string, ...numbers: number[]): void => {
        const source = ledger.use(key, NOW)
        records.push(sourceRecord("c", 0, source, numbers, NOW))
        for (const number of numbers) source.store(number, PLACE, false)
      }
      const ids = (...list: string[]): void => {
        records.push(idsRecord("c", 0, ledger.ids.nextGroup, list, NOW))
        ledger.rememberIds(list.map(id => [id, PLACE] as const))
        for (const group of ledger.takeEmptyIdGroups()) records.push(idsGone("c", 0, group, NOW))
      }
      commit("spool:x", 4)
      commit("p 1", 1, 2)
      ids("i1", "i2")
      commit("gone 1", 1)
      records.push(sourceGone("c", 0, "gone 1", NOW))
      commit("p 1", 5)
      commit("spool:x", 8)
      ids("i3", "i4")
      const back = new Ledger(10, 3)
      await readCheckpoint(driverWith(records, compact), "c", 0, back, new AbortController().signal)
      const stored = (key: string): number[] =>
        Array.from({ length: 10 }, (_, n) => n).filter(n => back.peek(key)?.stored.has(n))
      assert.deepEqual(stored("p 1"), [1, 2, 5])
      assert.deepEqual(stored("spool:x"), [0, 1, 2, 3, 4, 5, 6, 7, 8])
      assert.equal(back.peek("gone 1"), undefined)
      assert.deepEqual(
        ["i1", "i2", "i3", "i4"].map(id => back.placeOfId(id)),
        [undefined, null, null, null],
      )
      assert.equal(back.ids.nextGroup, 2)
    })
  }

  it("says when a checkpoint is none", async () => {
    const record = {
      topic: "c",
      partition: 0,
      key: Buffer.from("s/p 1"),
      value: Buffer.from("nonsense"),
      headers: [],
      timestamp: NOW,
    }
    const reading = readCheckpoint(driverWith([record], false), "c", 0, new Ledger(1, 1), new AbortController().signal)
    await assert.rejects(reading, { code: "ERR_KAFKA" })
  })
})

describe("the window of ids", () => {
  it("keeps the newest, and says which records of the checkpoint are of no use any more", () => {
    const ids = new IdWindow(4)
    const add = (...list: string[]): number[] => ids.addGroup(list.map(id => [id, null] as const))
    assert.deepEqual(add("a", "b"), [])
    assert.deepEqual(add("c"), [])
    assert.deepEqual(add("d", "e"), [])
    assert.equal(ids.get("a"), undefined)
    assert.equal(ids.get("b"), null)
    assert.deepEqual(add("f", "g"), [0, 1])
    assert.equal(ids.size, 4)
  })
})
