import assert from "node:assert/strict"
import zlib from "node:zlib"
import type { Compression, KafkaHeader, KafkaRecord } from "../../../bridge-kafka/driver.ts"
import { type AbortedTransaction, decodeBatches } from "../../../bridge-kafka/platformatic/decode-batch.ts"
import {
  BATCH_HEADER,
  BatchEncoder,
  compress,
  encodeRecords,
  sealBatch,
} from "../../../bridge-kafka/platformatic/encode-batch.ts"
import { type Library, loadLibrary } from "../../../bridge-kafka/platformatic/load.ts"
import { Cursor, varintSize, writeVarint } from "../../../bridge-kafka/platformatic/varint.ts"
import { RecordShape } from "../../../bridge-kafka/record-shape.ts"
import { SharedHeaders } from "../../../bridge-kafka/shared-headers.ts"
import { spanOf } from "../../../bridge-kafka/span.ts"
import { isError } from "../../conformance/kafka-driver.ts"
import { type Random, seeded } from "../../support/random.ts"

const NOBODY = { id: -1n, epoch: -1, sequence: -1, transactional: false }
const PLACE = { topic: "t", partition: 3 }

describe("Batches of Kafka's record format", () => {
  let library: Library
  before(async () => {
    library = await loadLibrary()
  })

  const decode = (bytes: Buffer, from = 0, aborted: readonly AbortedTransaction[] | null = []) =>
    decodeBatches(library, bytes, { ...PLACE, from, aborted })

  function record(value: string, more: Partial<KafkaRecord> = {}): KafkaRecord {
    return { ...PLACE, key: null, value: Buffer.from(value), headers: [], timestamp: 1_000, ...more }
  }

  function batch(values: readonly string[], offset: number, producer = -1n, transactional = false): Buffer {
    const encoded = encodeRecords(values.map(value => record(value)), 0, 1e6) // biome-ignore format: short
    const bytes = sealBatch(library, encoded, "none", { id: producer, epoch: 0, sequence: 0, transactional })
    bytes.writeBigInt64BE(BigInt(offset), 0)
    return bytes
  }

  /** As a coordinator writes it: one record whose key says how the transaction ended. */
  function marker(offset: number, producer: bigint, committed: boolean): Buffer {
    const key = Buffer.from([0, 0, 0, committed ? 1 : 0])
    const encoded = encodeRecords([record("", { key })], 0, 1e6)
    const bytes = sealBatch(library, encoded, "none", { id: producer, epoch: 0, sequence: -1, transactional: true })
    bytes.writeInt16BE(bytes.readInt16BE(21) | 32, 21)
    bytes.writeUInt32BE(library.crc32c(bytes.subarray(21)), 17)
    bytes.writeBigInt64BE(BigInt(offset), 0)
    return bytes
  }

  it("numbers of any size keep their value", () =>
    seeded(random => {
      const values = [0, -1, 1, 63, 64, -64, -65, 2 ** 30, -(2 ** 30), 2 ** 31, 2 ** 52, -(2 ** 52)]
      for (let i = 0; i < 2_000; i++) values.push(Math.floor((random.next() - 0.5) * 2 ** random.int(0, 52)))
      const bytes = Buffer.alloc(12)
      for (const value of values) {
        const end = writeVarint(bytes, 0, value)
        assert.equal(end, varintSize(value))
        assert.equal(new Cursor(bytes.subarray(0, end)).varint(), value)
      }
    }))

  function randomRecord(random: Random): KafkaRecord {
    const headers = Array.from({ length: random.int(0, 3) }, (): KafkaHeader => {
      return [`h${random.int(0, 2)}ä`, random.bytes(random.int(0, 40))]
    })
    const key = random.chance(0.3) ? null : random.bytes(random.int(0, 200))
    const value = random.chance(0.2) ? null : random.bytes(random.int(0, 300))
    return { ...PLACE, key, value, headers, timestamp: Math.floor(random.next() * 2e12) }
  }

  it("random records come back, in any codec, also split over batches", () =>
    seeded(async random => {
      const codecs: Compression[] = ["none", "gzip", "snappy", "lz4"]
      if ("zstdCompressSync" in zlib) codecs.push("zstd")
      for (let round = 0; round < 40; round++) {
        const records = Array.from({ length: random.int(1, 60) }, () => randomRecord(random))
        const codec = codecs[round % codecs.length]
        const batches: Buffer[] = []
        for (let done = 0; done < records.length; ) {
          const encoded = encodeRecords(records, done, random.int(50, 8_000))
          const sealed = sealBatch(library, await compress(library, encoded, codec), codec, NOBODY)
          sealed.writeBigInt64BE(BigInt(done), 0)
          batches.push(sealed)
          done += encoded.count
        }
        const all = Buffer.concat(batches)
        const { records: found, next } = decode(all)
        const wanted = records.map((one, offset) => ({ ...one, offset }))
        assert.deepEqual(found, wanted)
        assert.equal(next, records.length)
        // A fetch is cut where its bytes end: what comes back is a beginning.
        const part = decode(all.subarray(0, random.int(0, all.length)))
        assert.equal(part.next, part.records.length)
        assert.deepEqual(part.records, wanted.slice(0, part.records.length))
        // It begins where it was asked to, in the middle of a batch.
        const from = random.int(0, records.length)
        assert.deepEqual(decode(all, from).records, wanted.slice(from))
      }
    }))

  it("shared headers and a number come back as headers before the record's own", () => {
    const shared = new SharedHeaders([["a", Buffer.from("1")]], "n")
    const numbers = [0, 9, 10, 99_999, 100_000, 2 ** 31 - 1, 2 ** 31, 2 ** 40 + 7, Number.MAX_SAFE_INTEGER, undefined]
    const own: KafkaHeader[] = [["b", Buffer.from("2")]]
    const records = numbers.map(number => record("v", { shared, number, headers: own }))
    const { records: found } = decode(sealBatch(library, encodeRecords(records, 0, 1e6), "none", NOBODY))
    const texts = found.map(({ headers }) => headers.map(([name, value]) => `${name}=${value}`).join())
    assert.deepEqual(
      texts,
      numbers.map(number => (number === undefined ? "a=1,b=2" : `a=1,n=${number},b=2`)),
    )
  })

  it("a value in a frame gives the same bytes as the whole record", () =>
    seeded(random => {
      for (let round = 0; round < 30; round++) {
        const limit = random.int(200, 20_000)
        const [whole, framed] = [new BatchEncoder(limit), new BatchEncoder(limit)]
        const shapes = Array.from({ length: 4 }, (_, index) => {
          const key = random.chance(0.3) ? null : random.bytes(random.int(0, 200))
          const shared = new SharedHeaders([["a", random.bytes(random.int(0, 80))]], "number")
          return new RecordShape(`s${index}`, PLACE.topic, PLACE.partition, key, shared, { records: 0 })
        })
        for (;;) {
          const shape = random.pick(shapes)
          const source = random.bytes(random.int(0, 900))
          const from = random.int(0, source.length)
          const to = random.int(from, source.length)
          const number = random.pick([0, 9, 10, 2 ** 31, Number.MAX_SAFE_INTEGER, random.int(0, 1e6)])
          const timestamp = Math.floor(random.next() * 2e12)
          const { key, headers: shared } = shape
          const value = source.subarray(from, to)
          const added = whole.add({ ...PLACE, key, value, headers: [], shared, number, timestamp })
          assert.equal(framed.addValue(shape, spanOf(source), from, to, timestamp, number), added)
          if (!added) break
          assert.equal(framed.isNearlyFull, whole.isNearlyFull)
        }
        const [{ bytes, ...rest }, { bytes: wanted, ...others }] = [framed.take(), whole.take()]
        assert.deepEqual(rest, others)
        assert.deepEqual(bytes.subarray(BATCH_HEADER), wanted.subarray(BATCH_HEADER))
      }
    }))

  it("a flipped bit is found", () =>
    seeded(random => {
      const whole = batch(["one", "two"], 0)
      for (let round = 0; round < 100; round++) {
        const bytes = Buffer.from(whole)
        bytes[random.int(17, bytes.length - 1)] ^= 1 << random.int(0, 7)
        assert.throws(() => decode(bytes), isError("retriable", "CORRUPT_MESSAGE"))
      }
    }))

  it("aborted ranges: several of one producer, one whose marker comes later, one that others commit within", () => {
    const log = [
      batch(["a1"], 0, 7n, true),
      batch(["keep"], 1),
      marker(2, 7n, false),
      batch(["b1"], 3, 7n, true),
      marker(4, 7n, true),
      batch(["a2", "a3"], 5, 7n, true),
      batch(["c1"], 7, 8n, true),
      marker(8, 8n, true),
      marker(9, 7n, false),
      batch(["a4"], 10, 7n, true),
    ]
    const aborted = [10, 0, 5].map(firstOffset => ({ producerId: 7n, firstOffset }))
    const found = decode(Buffer.concat(log), 0, aborted)
    assert.deepEqual(found.records.map(({ value }) => `${value}`), ["keep", "b1", "c1"]) // biome-ignore format: short
    assert.equal(found.next, 11)
    assert.equal(decode(Buffer.concat(log), 0, null).records.length, 7)
  })
})
