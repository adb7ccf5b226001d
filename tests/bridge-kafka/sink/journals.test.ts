import assert from "node:assert/strict"
import type { Journal } from "../../../bridge-kafka/sink/journal.ts"
import { MemoryJournal } from "../../../bridge-kafka/sink/memory-journal.ts"
import { openJournal } from "../../../bridge-kafka/sink/open-journal.ts"
import { OverflowJournal } from "../../../bridge-kafka/sink/overflow-journal.ts"
import { SINK_DEFAULTS } from "../../../bridge-kafka/sink/settings.ts"
import { SpoolJournal } from "../../../bridge-kafka/sink/spool-journal.ts"
import type { SpoolRecord } from "../../../bridge-kafka/spool/record-format.ts"
import { Spool } from "../../../bridge-kafka/spool/spool.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { temporaryFolder } from "../../support/folders.ts"
import { seeded } from "../../support/random.ts"

/** 258 bytes of memory each, as `memoryOf` counts. */
function put(journal: Journal, text: string): number {
  const record = {
    subject: "s",
    topic: "",
    partition: -1,
    key: null,
    value: Buffer.from(text),
    headers: [],
    timestamp: 1,
  }
  return journal.append(record, 0, "", null)
}

const textOf = (record: SpoolRecord): string => record.value?.toString() ?? ""

async function openSpool(folder = temporaryFolder()): Promise<Spool> {
  const spool = await Spool.open({ folder, maxBytes: 16 * 1024 * 1024, fsync: { mode: "always" } })
  later(() => spool.close())
  return spool
}

describe("journals of a sink", () => {
  closesAfterEach()

  it("memory gives records in order, and their room back when they are released", async () => {
    const journal = new MemoryJournal(1_500, "block")
    assert.deepEqual(
      ["a", "b", "c", "d", "e"].map(one => put(journal, one)),
      [0, 1, 2, 3, 4],
    )
    assert.equal(put(journal, "f"), -1)
    assert.equal(journal.refused, 1)
    const records = await journal.read()
    assert.deepEqual(records?.map(textOf), ["a", "b", "c", "d", "e"])
    journal.release(2)
    assert.equal(put(journal, "g"), 5)
    journal.release(6)
    assert.deepEqual((await journal.read())?.map(textOf), ["g"])
    journal.release(6)
    assert.equal(journal.bytes, 0)
    await journal.close()
    assert.equal(await journal.read(), null)
  })

  it("memory drops the oldest that is not on its way, where that is wanted", async () => {
    const journal = new MemoryJournal(800, "drop-oldest")
    put(journal, "a")
    await journal.read()
    for (const one of ["b", "c", "d"]) assert.ok(put(journal, one) > 0)
    assert.equal(journal.dropped, 1)
    assert.deepEqual(
      (await journal.read())?.map(one => [one.sequence, textOf(one)]),
      [
        [2, "c"],
        [3, "d"],
      ],
    )
  })

  it("overflow goes to the disk when memory is full, and back when the disk is empty; always in order", () =>
    seeded(async random => {
      const spool = await openSpool()
      const journal = new OverflowJournal(new MemoryJournal(3_000, "block"), new SpoolJournal(spool), 0)
      later(() => journal.close())
      let written = 0
      let read = 0
      const settled: number[] = []
      for (let step = 0; step < 300; step++) {
        for (let i = random.int(0, 12); i > 0; i--) assert.equal(put(journal, String(written)), written++)
        if (read < written && random.chance(0.6)) {
          for (const record of (await journal.read()) ?? []) {
            assert.equal(record.sequence, read)
            assert.equal(textOf(record), String(read++))
            settled.push(record.sequence)
          }
          if (random.chance(0.7)) journal.release(read)
        }
      }
      while (read < written) read += (await journal.read())?.length ?? 0
      journal.release(written)
      assert.ok(journal.spilled > 0 && journal.spilled < written, "both were used")
      assert.equal(spool.released, spool.next)
      assert.equal(put(journal, "last"), written)
    }))

  it("overflow gives what lay on the disk from before first", async () => {
    const folder = temporaryFolder()
    const before = await openSpool(folder)
    for (const one of ["a", "b", "c"]) put(new SpoolJournal(before), one)
    await before.flush()
    before.release(1)
    await before.close()
    const spool = await openSpool(folder)
    const journal = new OverflowJournal(
      new MemoryJournal(3_000, "block"),
      new SpoolJournal(spool),
      spool.next - spool.released,
    )
    later(() => journal.close())
    put(journal, "d")
    const records: SpoolRecord[] = []
    while (records.length < 3) records.push(...((await journal.read()) ?? []))
    assert.deepEqual(
      records.map(one => [one.sequence, textOf(one)]),
      [
        [0, "b"],
        [1, "c"],
        [2, "d"],
      ],
    )
    journal.release(3)
    assert.equal(spool.released, 4)
  })

  for (const guarantee of ["at-least-once", "exactly-once"] as const)
    it(`${guarantee} ${guarantee === "exactly-once" ? "waits" : "does not wait"} for the disk before a durable message goes out (SINK-4)`, async () => {
      const spool = await openSpool()
      const settings = { ...SINK_DEFAULTS, bridge: "b", connector: "c", subjects: ["s"], routes: [], guarantee }
      const { journal } = openJournal(settings, spool)
      later(() => journal.close())
      const record = { subject: "s", topic: "", partition: -1, key: null, value: null, headers: [], timestamp: 1 }
      const read = journal.read()
      journal.append(record, 0, "", { publisher: "p", epoch: 1, number: 1, floor: 1 })
      assert.equal((await read)?.length, 1)
      assert.equal(spool.durable, guarantee === "exactly-once" ? 1 : 0)
    })
})
