import assert from "node:assert/strict"
import type { KafkaRecord, Packing, Places } from "../../../bridge-kafka/driver.ts"
import { Routes } from "../../../bridge-kafka/mapping/routes.ts"
import { Batch } from "../../../bridge-kafka/sink/batch.ts"
import { Dispatcher } from "../../../bridge-kafka/sink/dispatcher.ts"
import type { Journal } from "../../../bridge-kafka/sink/journal.ts"
import { packingOf } from "../../../bridge-kafka/sink/list-packing.ts"
import { RouteMapper } from "../../../bridge-kafka/sink/mapper.ts"
import { MemoryJournal } from "../../../bridge-kafka/sink/memory-journal.ts"
import { PlainForms } from "../../../bridge-kafka/sink/plain-forms.ts"
import { Shard } from "../../../bridge-kafka/sink/shard.ts"
import { SpoolJournal } from "../../../bridge-kafka/sink/spool-journal.ts"
import type { Topics } from "../../../bridge-kafka/sink/topics.ts"
import { spanOf } from "../../../bridge-kafka/span.ts"
import { Spool } from "../../../bridge-kafka/spool/spool.ts"
import { loadMsgpack } from "../../../core/codecs/msgpack.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { temporaryFolder } from "../../support/folders.ts"
import { type Random, seeded } from "../../support/random.ts"
import { until } from "../../support/wait.ts"

const SHARDS = 5
const SUBJECTS = ["a.1", "a.2", "a.3", "b.1", "b.2", "c.1", "nobody.wants.it"]

/** A journal with messages of all kinds, dispatched to the shards. */
async function filled(random: Random, count: number, inMemory: boolean) {
  const journal = inMemory ? new MemoryJournal(1e9, "block") : await onDisk()
  const forms = new PlainForms(SHARDS)
  const shards = Array.from({ length: SHARDS }, (_, number) => new Shard(number))
  for (let i = 0; i < count; i++) {
    const subject = random.pick(SUBJECTS)
    const value = random.bytes(random.int(0, 90))
    const { shard, form } = forms.of(subject, random.chance(0.95) ? "bytes" : "json")
    if (form !== null && random.chance(0.9)) journal.appendPlain(form, spanOf(value), 0, value.length, 1_000 + i)
    else {
      const id = random.chance(0.5) ? `id-${i}` : ""
      const rest = { topic: "", partition: -1, key: null, value, timestamp: 1_000 + i }
      journal.append({ subject, ...rest, headers: [["h", Buffer.from("1")]] }, shard, id, null)
    }
  }
  const mapper = new RouteMapper(
    {
      fabricId: "f",
      bridge: "b",
      connector: "c",
      routes: new Routes([
        { subjects: "a.>", topic: "plain" },
        { subjects: "b.*", topic: "keyless", key: "none" },
        { subjects: "c.*", topic: "headed", headers: { more: "${subject}" } },
      ]),
    },
    journal.id,
  )
  const dispatcher = new Dispatcher(journal, 0, shards, () => 0, 1e9, {
    arrived: () => {},
    failed: error => assert.fail(String(error)),
  })
  dispatcher.start()
  await until(() => dispatcher.readTo === count)
  later(async () => {
    await journal.close()
    await dispatcher.stop()
  })
  return { shards, mapper, journal }
}

async function onDisk(): Promise<Journal> {
  const spool = await Spool.open({ folder: temporaryFolder() })
  later(() => spool.close())
  return new SpoolJournal(spool)
}

function listed(): { packing: Packing; records: KafkaRecord[] } {
  const records: KafkaRecord[] = []
  const produce = async (all: readonly KafkaRecord[]) => {
    records.push(...all)
    return all.map(({ topic, partition }, offset) => ({ topic, partition, offset }))
  }
  const packing = packingOf({ produce, transact: produce, close: async () => {} }, false)
  return { packing, records }
}

const topics = { count: () => 3, resolve: async () => {} } as unknown as Topics
const poison = { replace: () => null, replaced: () => {} }
const range = (count: number) => Array.from({ length: count }, (_, index) => index)
const NONE: ReadonlyMap<number, null> = new Map()

describe("a batch of a sink", () => {
  before(loadMsgpack)
  closesAfterEach()

  for (const where of ["on disk", "in memory"])
    it(`makes the same of plain messages as of others, the oldest first, and settles what it took: ${where}`, () =>
      seeded(async random => {
        const count = random.int(1, 6_000)
        const { shards, mapper, journal } = await filled(random, count, where === "in memory")
        const slow = { map: mapper.map.bind(mapper) }
        const done: number[] = []
        while (shards.some(shard => shard.length > 0)) {
          const most = random.int(1, 2_000)
          const limit = random.int(100, 100_000)
          const sent: KafkaRecord[][] = []
          const before = done.length
          for (const one of [slow, mapper]) {
            const { packing, records } = listed()
            const batch = new Batch({ mapper: one, topics, poison, spool: journal.id }, packing)
            batch.fill(shards, most, limit, NONE, NONE)
            assert.ok(batch.length > 0)
            const places: Places = await packing.send()
            sent.push(records)
            if (one === slow) continue
            batch.settle(places, false, sequence => done.push(sequence))
            assert.equal(done.length - before, batch.length)
            // Nothing much older is left behind.
            const oldest = Math.min(...shards.filter(shard => shard.length > 0).map(shard => shard.sequenceAt(0)))
            assert.ok(Math.max(...done.slice(before)) < oldest + 2 * 1_024)
          }
          const plain = (records: readonly KafkaRecord[]) =>
            records.map(({ topic, partition, key, value, timestamp, headers, shared, number }) => ({
              ...{ topic, partition, key, value, timestamp, number },
              headers: [...(shared?.list ?? []), ...headers],
            }))
          assert.deepEqual(plain(sent[1]), plain(sent[0]))
        }
        assert.deepEqual(
          done.sort((a, b) => a - b),
          range(count),
        )
      }))

  it("what is prepared behind another follows it: nothing twice, nothing left out, each subject in its order", () =>
    seeded(async random => {
      const count = random.int(1, 6_000)
      const { shards, mapper, journal } = await filled(random, count, random.chance(0.5))
      const done: number[] = []
      const last = new Map<string, number>()
      const fresh = () => {
        const { packing, records } = listed()
        return { batch: new Batch({ mapper, topics, poison, spool: journal.id }, packing), packing, records }
      }
      let now = fresh()
      while (shards.some(shard => shard.length > 0)) {
        now.batch.fill(shards, random.int(1, 2_000), random.int(100, 100_000), NONE, NONE)
        let next = fresh()
        for (let times = random.int(0, 3); times > 0; times--)
          next.batch.prepare(shards, now.batch, random.int(1, 2_000), random.int(100, 100_000))
        // As when it was built anew, or a shard has gone.
        if (random.chance(0.2)) next = fresh()
        now.batch.settle(await now.packing.send(), false, sequence => done.push(sequence))
        for (const { key, timestamp, topic } of now.records) {
          // Keys are subjects, but of one route.
          if (topic === "keyless") continue
          assert.ok(timestamp > (last.get(`${key}`) ?? 0))
          last.set(`${key}`, timestamp)
        }
        now = next
      }
      assert.deepEqual(
        done.sort((a, b) => a - b),
        range(count),
      )
    }))
})
