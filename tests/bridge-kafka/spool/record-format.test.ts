import assert from "node:assert/strict"
import type { KafkaHeader } from "../../../bridge-kafka/driver.ts"
import { spanOf } from "../../../bridge-kafka/span.ts"
import { PlainForm } from "../../../bridge-kafka/spool/plain-form.ts"
import {
  checksumHolds,
  encodePlain,
  encodeRecord,
  isSyncPoint,
  plainSize,
  RecordDecoder,
  roomFor,
  sequenceAt,
  sizeAt,
  valueIn,
} from "../../../bridge-kafka/spool/record-format.ts"
import { seeded } from "../../support/random.ts"
import { plain, randomOrigin, randomRecord, record } from "./records.ts"

describe("the spool's record format (SPOOL-1)", () => {
  it("gives back what was written, and takes no more than roomFor says", () =>
    seeded(random => {
      const decoder = new RecordDecoder()
      for (let round = 0; round < 500; round++) {
        const written = randomRecord(random)
        const origin = randomOrigin(random)
        const id = random.pick(["", "id-1", "ключ"])
        const start = random.int(0, 9)
        const into = Buffer.alloc(start + roomFor(written, id, origin), 0xee)
        const sequence = random.pick([0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 47 + 5])
        const shard = random.int(0, 1000)
        const end = encodeRecord(into, start, sequence, written, shard, id, origin, round % 2 === 0)
        assert.equal(sizeAt(into, start, end), end - start)
        assert.equal(sequenceAt(into, start), sequence)
        assert.equal(isSyncPoint(into, start), round % 2 === 0)
        assert.ok(checksumHolds(into, start, end - start))
        const read = decoder.decode(into, start)
        assert.deepEqual(plain(read), written)
        assert.deepEqual([read.sequence, read.shard, read.id, read.origin], [sequence, shard, id, origin])
      }
    }))

  it("a plain message written by its form is the same, byte by byte", () =>
    seeded(random => {
      for (let round = 0; round < 500; round++) {
        const source = random.bytes(random.int(0, 700))
        const from = random.int(0, source.length)
        const to = random.int(from, source.length)
        const subject = random.pick(["a", "orders.eu.created", "äöü.ключ", "s".repeat(300)])
        const headers: KafkaHeader[] = random.chance(0.2) ? [] : [["hd.codec", Buffer.from("msgpack")]]
        const written = record({
          subject,
          headers,
          value: source.subarray(from, to),
          timestamp: random.int(0, 2 ** 31),
        })
        const sequence = random.pick([0, 2 ** 32 - 1, 2 ** 40 + 5])
        const form = new PlainForm(subject, random.int(0, 1000), headers)
        const [one, other] = [Buffer.alloc(2_000), Buffer.alloc(2_000)]
        const start = random.int(0, 9)
        const end = encodeRecord(one, start, sequence, written, form.shard, "", null, round % 2 === 0)
        const { timestamp } = written
        const [span, synced] = [spanOf(source), round % 2 === 0]
        assert.equal(encodePlain(spanOf(other), start, sequence, timestamp, form, span, from, to, synced), end)
        assert.equal(plainSize(form, to - from), end - start)
        assert.equal(valueIn(start, form), end - (to - from))
        assert.deepEqual(other.subarray(start, end), one.subarray(start, end))
      }
    }))

  it("has a checksum that no single flipped bit passes", () => {
    const written = record({ key: Buffer.from("k"), headers: [["h", Buffer.from("v")]] })
    const into = Buffer.alloc(roomFor(written, "", null))
    const end = encodeRecord(into, 0, 7, written, 1, "", null, false)
    for (let bit = 0; bit < end * 8; bit++) {
      into[bit >> 3] ^= 1 << (bit & 7)
      const size = sizeAt(into, 0, end)
      assert.ok(size !== end || !checksumHolds(into, 0, size), `bit ${bit}`)
      into[bit >> 3] ^= 1 << (bit & 7)
    }
  })

  it("refuses a timestamp that is none", () => {
    for (const timestamp of [Number.NaN, Number.POSITIVE_INFINITY, 2 ** 47, -(2 ** 48)])
      assert.throws(() => roomFor(record({ timestamp }), "", null), { code: "EINVAL" })
  })

  it("reads the same names again as the same text, and others that share their slot rightly", () => {
    const decoder = new RecordDecoder()
    const into = Buffer.alloc(1000)
    for (let round = 0; round < 2; round++)
      for (let i = 0; i < 5000; i++) {
        encodeRecord(into, 0, i, record({ subject: `subject.${i}` }), 0, "", null, false)
        assert.equal(decoder.decode(into, 0).subject, `subject.${i}`)
      }
  })
})
