import assert from "node:assert/strict"
import type { BridgeRecord } from "../../../bridge-kafka/record.ts"
import { StandbyRing } from "../../../bridge-kafka/sink/standby-ring.ts"

function record(value: string | Buffer): BridgeRecord {
  const bytes = Buffer.from(value)
  return { subject: "s", topic: "", partition: -1, key: null, value: bytes, headers: [], timestamp: 1 }
}

function taken(ring: StandbyRing, shard: number, now: number): [values: string[], lost: number] {
  const values: string[] = []
  const lost = ring.take(shard, now, one => values.push(String(one.value)))
  return [values, lost]
}

const MIB = 1024 * 1024

describe("the standby's ring (SINK-2)", () => {
  it("gives out what came of one shard, in order, once", () => {
    const ring = new StandbyRing({ shards: 2, bytes: MIB, age: 1_000 })
    ring.tick(0)
    for (let i = 0; i < 6; i++) ring.add(record(String(i)), i % 2)
    assert.deepEqual(taken(ring, 1, 0), [["1", "3", "5"], 0])
    assert.deepEqual(taken(ring, 1, 0), [[], 0])
    assert.deepEqual(taken(ring, 0, 0), [["0", "2", "4"], 0])
  })

  it("leaves out what the owner had taken before its note", () => {
    const ring = new StandbyRing({ shards: 2, bytes: MIB, age: 10_000 })
    for (let i = 0; i < 10; i++) {
      ring.tick(i * 100)
      ring.add(record(String(i)), 0)
    }
    ring.cover(0, 550)
    assert.deepEqual(taken(ring, 0, 900), [["5", "6", "7", "8", "9"], 0])
  })

  it("an older note takes nothing back", () => {
    const ring = new StandbyRing({ shards: 1, bytes: MIB, age: 10_000 })
    for (let i = 0; i < 4; i++) {
      ring.tick(i * 100)
      ring.add(record(String(i)), 0)
    }
    ring.cover(0, 300)
    ring.cover(0, 100)
    assert.deepEqual(taken(ring, 0, 400), [["3"], 0])
  })

  it("keeps no more than its bytes, and knows how many it does not keep", () => {
    const ring = new StandbyRing({ shards: 2, bytes: 64 * 1024, age: 10_000 })
    ring.tick(0)
    const value = "x".repeat(1_000)
    for (let i = 0; i < 1_000; i++) {
      ring.add(record(value), i % 2)
      assert.ok(ring.size <= 64 * 1024)
    }
    const [values, lost] = taken(ring, 0, 1)
    assert.ok(values.length > 10)
    assert.equal(values.length + lost, 500)
  })

  it("counts one that is larger than all its bytes, and goes on with the next", () => {
    const ring = new StandbyRing({ shards: 1, bytes: 64 * 1024, age: 10_000 })
    ring.tick(0)
    ring.add(record("a"), 0)
    ring.add(record(Buffer.alloc(100_000)), 0)
    ring.add(record("b"), 0)
    const [values, lost] = taken(ring, 0, 1)
    assert.equal(values.at(-1), "b")
    assert.equal(values.length + lost, 3)
    assert.ok(lost >= 1)
  })

  it("gives up what is too old, and counts it once", () => {
    const ring = new StandbyRing({ shards: 1, bytes: MIB, age: 1_000 })
    ring.tick(0)
    ring.add(record("old"), 0)
    ring.tick(100)
    ring.add(record("new"), 0)
    ring.tick(1_200)
    assert.deepEqual(taken(ring, 0, 1_200), [["new"], 1])
    assert.deepEqual(taken(ring, 0, 1_200), [[], 0])
    ring.add(record("older than all"), 0)
    for (let time = 2_000; time < 10_000; time += 500) ring.tick(time)
    assert.equal(ring.size, 0)
    assert.deepEqual(taken(ring, 0, 10_000), [[], 1])
  })

  it("without bytes it counts, as finely as it is told the time", () => {
    const ring = new StandbyRing({ shards: 2, bytes: 0, age: 10_000 })
    for (let i = 0; i < 10; i++) {
      ring.tick(i * 100)
      ring.add(record(String(i)), i % 2)
    }
    assert.equal(ring.size, 0)
    ring.cover(0, 450)
    assert.deepEqual(taken(ring, 0, 900), [[], 3])
    assert.deepEqual(taken(ring, 1, 900), [[], 5])
  })

  it("what an owner had when its block went is no loss", () => {
    const ring = new StandbyRing({ shards: 1, bytes: 64 * 1024, age: 1_000 })
    const value = "x".repeat(1_000)
    let time = 0
    for (let i = 0; i < 5_000; i++) {
      if (i % 10 === 0) {
        ring.tick(++time)
        ring.cover(0, time)
      }
      ring.add(record(value), 0)
    }
    const [values, lost] = taken(ring, 0, time)
    assert.deepEqual([values.length, lost], [10, 0])
  })
})
