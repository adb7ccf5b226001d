import assert from "node:assert/strict"
import zlib from "node:zlib"
import type { Compression, KafkaRecord, ReadLimits } from "../../../bridge-kafka/driver.ts"
import { type Decoded, decodeBatches } from "../../../bridge-kafka/platformatic/decode-batch.ts"
import { compress, encodeRecords, sealBatch } from "../../../bridge-kafka/platformatic/encode-batch.ts"
import { type Library, loadLibrary } from "../../../bridge-kafka/platformatic/load.ts"
import { unpack } from "../../../bridge-kafka/platformatic/unpack.ts"
import { seeded } from "../../support/random.ts"

const NOBODY = { id: -1n, epoch: -1, sequence: -1, transactional: false }
const MIB = 1024 * 1024
const CODECS = (["gzip", "snappy", "lz4", "zstd"] as const).filter(one => one !== "zstd" || "zstdCompressSync" in zlib)
const NUMBERS = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const

describe("What a fetched batch may become", () => {
  let library: Library
  before(async () => {
    library = await loadLibrary()
  })

  const record = (value: Buffer, headers: KafkaRecord["headers"] = []): KafkaRecord => {
    return { topic: "t", partition: 0, key: null, value, headers, timestamp: 1_000 }
  }

  async function batch(records: readonly KafkaRecord[], codec: Compression, offset = 0): Promise<Buffer> {
    const encoded = encodeRecords(records, 0, 1e9)
    const bytes = sealBatch(library, await compress(library, encoded, codec), codec, NOBODY)
    bytes.writeBigInt64BE(BigInt(offset), 0)
    return bytes
  }

  function decode(bytes: Buffer, limits: ReadLimits, marks = true, from = 0): Decoded {
    return decodeBatches(library, bytes, { topic: "t", partition: 0, from, aborted: null, limits, marks })
  }

  for (const codec of CODECS) {
    it(`${codec}: a small batch that would become a large one is one record that cannot pass, and the next comes`, async () => {
      const bomb = await batch([record(Buffer.alloc(15 * MIB)), record(Buffer.from("behind"))], codec, 5)
      assert.ok(bomb.length < 2 * MIB, `${bomb.length} bytes`)
      const next = await batch([record(Buffer.from("next"))], codec, 7)
      const both = Buffer.concat([bomb, next])
      const { records, next: end } = decode(both, { batchBytes: MIB })
      assert.deepEqual([records.length, end], [2, 8])
      const [{ offset, value, unreadable }, good] = records
      assert.deepEqual([offset, value, unreadable?.last], [5, null, 6])
      assert.deepEqual([unreadable?.error.kind, unreadable?.error.protocolName], ["poison", "RECORD_LIST_TOO_LARGE"])
      assert.match(unreadable?.error.message ?? "", /t\/0: the batch at offset 5.*fetch\.max\.unpacked\.bytes/)
      assert.deepEqual([good.offset, good.value?.toString(), good.unreadable], [7, "next", undefined])
      assert.throws(() => decode(both, { batchBytes: MIB }, false), { code: "ERR_KAFKA", kind: "poison" })
      // With room enough it is what it was.
      assert.deepEqual(decode(both, { batchBytes: 32 * MIB }, false).records.map(one => one.offset), [5, 6, 7]) // biome-ignore format: short
    })

    it(`${codec}: exactly the limit is let through, a byte less is not, whatever the bytes`, () =>
      seeded(async random => {
        for (let i = 0; i < 12; i++) {
          const block = random.bytes(random.int(1, 3_000))
          const parts = Array.from({ length: random.int(1, 60) }, () => {
            return random.int(0, 2) === 0 ? Buffer.alloc(random.int(1, 9_000), i) : block
          })
          const bytes = Buffer.concat(parts)
          const packed = library.compressionsAlgorithmsByBitmask[NUMBERS[codec]].compressSync(bytes)
          assert.ok(unpack(library, packed, NUMBERS[codec], bytes.length).equals(bytes))
          assert.throws(() => unpack(library, packed, NUMBERS[codec], bytes.length - 1), /more than/)
        }
      }))
  }

  it("snappy as Java writes it is measured before it is decompressed, also when its lengths are lies", () => {
    const snappy = library.compressionsAlgorithmsByBitmask[NUMBERS.snappy]
    const chunk = snappy.compressSync(Buffer.alloc(30_000))
    const length = Buffer.alloc(4)
    length.writeUInt32BE(chunk.length)
    const head = Buffer.from("82534e41505059000000000100000001", "hex")
    const framed = Buffer.concat([head, length, chunk, length, chunk])
    assert.equal(unpack(library, framed, NUMBERS.snappy, 60_000).length, 60_000)
    assert.throws(() => unpack(library, framed, NUMBERS.snappy, 59_999), /more than/)
    // Announces 4 GiB.
    const liar = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0x00])
    assert.throws(() => unpack(library, liar, NUMBERS.snappy, MIB), /more than/)
  })

  it("many small records, and many headers, count for what they take here", async () => {
    const many = await batch(
      Array.from({ length: 20_000 }, () => record(Buffer.alloc(0))),
      "none",
    )
    assert.ok(many.length < MIB)
    assert.equal(decode(many, { batchBytes: MIB }).records[0].unreadable?.last, 19_999)
    assert.equal(decode(many, { batchBytes: 8 * MIB }).records.length, 20_000)
    const headers = Array.from({ length: 20_000 }, () => ["", Buffer.alloc(0)] as const)
    const wide = await batch([record(Buffer.alloc(0), headers)], "lz4")
    assert.equal(decode(wide, { batchBytes: MIB }).records[0].unreadable?.error.kind, "poison")
    assert.equal(decode(wide, { batchBytes: 8 * MIB }).records[0].headers.length, 20_000)
  })

  it("a record that is too large is marked, with its bytes; the others of its batch are not", async () => {
    const bytes = await batch([record(Buffer.from("a")), record(Buffer.alloc(5_000)), record(Buffer.from("b"))], "none")
    const { records } = decode(bytes, { recordBytes: 4_096 })
    assert.deepEqual(
      records.map(one => [one.offset, one.value?.length, one.unreadable?.last]),
      [
        [0, 1, undefined],
        [1, 5_000, 1],
        [2, 1, undefined],
      ],
    )
    assert.equal(records[1].unreadable?.error.protocolName, "RECORD_TOO_LARGE")
    assert.throws(() => decode(bytes, { recordBytes: 4_096 }, false), { kind: "poison" })
    assert.equal(decode(bytes, { recordBytes: 4_096 }, false, 2).records.length, 1)
  })

  it("batches that are too large together come one after the other", async () => {
    const batches = await Promise.all([0, 1, 2].map(i => batch([record(Buffer.alloc(400_000, i))], "gzip", i)))
    const all = Buffer.concat(batches)
    const found: number[] = []
    for (let from = 0; from < 3; ) {
      const { records, next } = decode(all, { batchBytes: MIB }, true, from)
      assert.ok(next > from && records.every(one => one.unreadable === undefined))
      assert.ok(records.length < 3)
      found.push(...records.map(one => one.offset))
      from = next
    }
    assert.deepEqual(found, [0, 1, 2])
    // One alone may be larger than all together may be.
    assert.deepEqual(decode(all, { batchBytes: MIB, togetherBytes: 1_000 }).records.map(one => one.offset), [0]) // biome-ignore format: short
    assert.equal(decode(all, { batchBytes: 2 * MIB }).records.length, 3)
  })
})
