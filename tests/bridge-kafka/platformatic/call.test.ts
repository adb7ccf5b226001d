import assert from "node:assert/strict"
import type { KafkaHeader, KafkaRecord } from "../../../bridge-kafka/driver.ts"
import { BatchMemory } from "../../../bridge-kafka/platformatic/batch-memory.ts"
import { Call } from "../../../bridge-kafka/platformatic/call.ts"
import { decodeBatches } from "../../../bridge-kafka/platformatic/decode-batch.ts"
import { sealBatch } from "../../../bridge-kafka/platformatic/encode-batch.ts"
import { type Library, loadLibrary } from "../../../bridge-kafka/platformatic/load.ts"
import { type Random, seeded } from "../../support/random.ts"

const NOBODY = { id: -1n, epoch: -1, sequence: -1, transactional: false }

function randomRecord(random: Random): KafkaRecord {
  const headers = Array.from({ length: random.int(0, 2) }, (): KafkaHeader => ["h", random.bytes(random.int(0, 9))])
  return {
    topic: `t${random.int(0, 1)}`,
    partition: random.int(0, 3),
    key: random.chance(0.3) ? null : random.bytes(random.int(0, 20)),
    value: random.chance(0.1) ? null : random.bytes(random.int(0, 300)),
    headers,
    timestamp: 1_000_000 + random.int(-70_000, 70_000),
  }
}

describe("A call of a producer", () => {
  let library: Library
  before(async () => {
    library = await loadLibrary()
  })

  /** Stores all of it as a broker would that refuses and forgets at random. */
  async function store(random: Random, call: Call, log: Map<string, KafkaRecord[]>): Promise<void> {
    for (let lanes = call.unfinished(); lanes.length > 0; lanes = call.unfinished()) {
      for (const lane of lanes) {
        const { topic, partition } = lane
        const name = `${topic}/${partition}`
        const stored = log.get(name) ?? []
        log.set(name, stored)
        const bytes = Buffer.from(sealBatch(library, await lane.prepare(library, "none"), "none", NOBODY))
        if (random.chance(0.2)) {
          const again = sealBatch(library, await lane.prepare(library, "none"), "none", NOBODY)
          assert.ok(again.equals(bytes), "a batch that is sent again is the same")
        }
        const count = lane.batch?.count ?? 0
        if (random.chance(0.3)) {
          assert.equal(lane.halve(), count > 1)
          continue
        }
        const offset = stored.length
        bytes.writeBigInt64BE(BigInt(offset), 0)
        const decoded = decodeBatches(library, bytes, { topic, partition, from: 0, aborted: null })
        assert.equal(decoded.records.length, count)
        // The last time of a batch is what brokers delete and find by.
        const times = decoded.records.map(one => one.timestamp)
        assert.equal(bytes.readBigInt64BE(35), BigInt(Math.max(...times)))
        for (const { offset: _, ...record } of decoded.records) stored.push(record)
        lane.advance(offset)
      }
    }
  }

  it("has its records in order in each partition, halved or not, and knows where each lies", () =>
    seeded(async random => {
      const memory = new BatchMemory()
      const log = new Map<string, KafkaRecord[]>()
      for (let round = 0; round < 40; round++) {
        const call = new Call(random.int(100, 20_000), memory)
        const records = Array.from({ length: random.int(0, 300) }, () => randomRecord(random))
        for (const record of records) call.add(record)
        assert.equal(call.length, records.length)
        assert.ok(call.places().every(place => place === null))
        await store(random, call, log)
        call.release()
        records.forEach((record, index) => {
          const place = call.at(index)
          assert.ok(place !== null)
          assert.equal(place.topic, record.topic)
          assert.equal(place.partition, record.partition)
          assert.deepEqual(log.get(`${place.topic}/${place.partition}`)?.[place.offset], record)
        })
        assert.equal(call.at(records.length), null)
      }
    }))

  it("tells what is stored while the rest is not", async () => {
    const call = new Call(1_000, new BatchMemory())
    const record = { topic: "t", key: null, value: Buffer.from("v"), headers: [], timestamp: 1 }
    for (const partition of [0, 1, 0, 1]) call.add({ ...record, partition })
    const [lane] = call.unfinished()
    await lane.prepare(library, "none")
    lane.advance(-1)
    const place = { topic: "t", partition: 0, offset: -1 }
    assert.deepEqual(call.places(), [place, null, place, null])
    assert.equal(call.unfinished().length, 1)
  })

  for (const [times, again] of [
    [1, true],
    [2, false],
  ] as const)
    it(`memory of a batch that was sent ${times === 1 ? "once is used again" : "twice is not: the first may still be on its way"}`, async () => {
      const memory = new BatchMemory()
      const call = new Call(100_000, memory)
      const value = Buffer.alloc(50_000)
      call.add({ topic: "t", partition: 0, key: null, value, headers: [], timestamp: 1 })
      const [lane] = call.lanes
      let sent: Buffer = Buffer.alloc(0)
      for (let i = 0; i < times; i++) sent = (await lane.prepare(library, "none")).bytes
      lane.advance(0)
      call.release()
      assert.equal(memory.take().buffer === sent.buffer, again)
    })
})
