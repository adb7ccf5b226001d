import assert from "node:assert/strict"
import fs from "node:fs"
import path from "node:path"
import { closesAfterEach } from "../../support/cleanup.ts"
import { temporaryFolder } from "../../support/folders.ts"
import { converterFor, FakeRegistry, hex, kafkaError, recordOf } from "./fake-registry.ts"

const ORDER = {
  type: "record",
  name: "Order",
  namespace: "shop",
  fields: [
    { name: "id", type: "long" },
    { name: "eu", type: "boolean" },
    { name: "note", type: ["null", "string"], default: null },
    {
      name: "lines",
      type: {
        type: "array",
        items: {
          type: "record",
          name: "Line",
          fields: [
            { name: "sku", type: "string" },
            { name: "n", type: "int" },
          ],
        },
      },
    },
    { name: "tags", type: { type: "map", values: "double" } },
    { name: "state", type: { type: "enum", name: "State", symbols: ["NEW", "PAID"] } },
    { name: "mac", type: { type: "fixed", name: "Mac", size: 3 } },
    { name: "raw", type: "bytes" },
    { name: "at", type: { type: "long", logicalType: "timestamp-millis" } },
    { name: "f", type: "float" },
  ],
}

/** By the specification of Avro 1.12, "Binary encoding"; fastavro writes the same. */
const BYTES = hex(
  "00 00000007", // frame
  "82 80 80 80 80 80 80 20", // 2^53 + 1, zigzag
  "01", // true
  "02 04 c3a9", // second branch, two bytes of text
  "04", // two lines
  "02 61 05", // "a", -3
  "02 62 d804", // "b", 300
  "00", // no more lines
  "02 02 78 000000000000f83f 00", // one tag, "x", 1.5, no more
  "02", // PAID
  "010203",
  "04 ff00",
  "80a0abfef962", // 1,700,000,000,000
  "0000003f", // 0.5
)

const VALUE = {
  id: 9007199254740993n,
  eu: true,
  note: "é",
  lines: [
    { sku: "a", n: -3 },
    { sku: "b", n: 300 },
  ],
  tags: { x: 1.5 },
  state: "PAID",
  mac: hex("010203"),
  raw: hex("ff00"),
  at: 1_700_000_000_000,
  f: 0.5,
}

describe("The converter avro", () => {
  closesAfterEach()
  let registry: FakeRegistry

  beforeEach(async () => {
    registry = await FakeRegistry.start()
    registry.add(7, "orders-value", ORDER)
  })

  const avro = (given: Record<string, unknown> = {}, isKey = false) =>
    converterFor("avro", { "schema.registry.url": registry.url, ...given }, isKey)

  it("reads and writes the bytes of the specification", async () => {
    const converter = await avro()
    assert.deepEqual(await converter.decode("orders", BYTES, []), VALUE)
    assert.deepEqual(await converter.encode("orders", VALUE), BYTES)
    assert.deepEqual(await converter.fromKafka("orders", BYTES, []), { kind: "data", data: VALUE, codec: "msgpack" })
    assert.equal(converter.storedCodec, "bytes")
  })

  it("makes plain objects", async () => {
    const converter = await avro()
    const value = (await converter.decode("orders", BYTES, [])) as typeof VALUE
    assert.equal(Object.getPrototypeOf(value), Object.prototype)
    assert.equal(Object.getPrototypeOf(value.lines[0]), Object.prototype)
  })

  it("is synchronous once the schema is known, and asks for it once", async () => {
    const converter = await avro()
    const all = [1, 2, 3].map(() => converter.decode("orders", BYTES, []))
    for (const one of all) assert.ok(one instanceof Promise)
    await Promise.all(all)
    assert.deepEqual(converter.decode("orders", BYTES, []), VALUE)
    assert.deepEqual(registry.requests, ["GET /schemas/ids/7"])
    await converter.encode("orders", VALUE)
    assert.ok(Buffer.isBuffer(converter.encode("orders", VALUE)))
    assert.deepEqual(registry.requests.slice(1), ["GET /subjects/orders-value/versions/latest"])
  })

  it("encodes what the fabric sent, by the codec of the message", async () => {
    registry.add(8, "small-value", { type: "record", name: "R", fields: [{ name: "a", type: "int" }] })
    const converter = await avro()
    const record = recordOf(Buffer.from('{"a":-1}'), "json", "small")
    assert.deepEqual(await converter.fromFabric(record), hex("00 00000008 01"))
    assert.equal(await converter.fromFabric(recordOf(null, "json", "small")), null)
    assert.deepEqual(await converter.fromFabric(record, { a: 1 }), hex("00 00000008 02"))
  })

  it("encodes keys as text", async () => {
    registry.add(9, "orders-key", '"string"')
    const converter = await avro({}, true)
    assert.deepEqual(
      await converter.fromFabric(recordOf(null, null)),
      hex("00 00000009 12", Buffer.from("orders.eu").toString("hex")),
    )
  })

  it("fills in defaults, and takes an absent field of a union for null", async () => {
    const converter = await avro()
    const { note: _, ...rest } = VALUE
    const bytes = (await converter.encode("orders", rest)) as Buffer
    assert.equal(((await converter.decode("orders", bytes, [])) as typeof VALUE).note, null)
  })

  it("names the field that does not fit", async () => {
    const converter = await avro()
    for (const [value, text] of [
      [{ ...VALUE, id: 1.5 }, /id is number, not long/],
      [{ ...VALUE, id: 2n ** 63n }, /id is bigint, not long/],
      [{ ...VALUE, id: undefined }, /id is undefined, not long/],
      [{ ...VALUE, lines: [{ sku: 1, n: 1 }] }, /lines\.0\.sku is number, not string/],
      [{ ...VALUE, state: "LOST" }, /state is string, not shop\.State/],
      [{ ...VALUE, discount: 5 }, /schema/],
      ["text", /is string, not shop\.Order/],
      [[], /./],
    ] as const)
      await assert.rejects(async () => converter.encode("orders", value), kafkaError("poison", text))
  })

  it("drops fields that the schema does not know when it is told to", async () => {
    const converter = await avro({ "unknown.fields": "drop" })
    assert.deepEqual(await converter.encode("orders", { ...VALUE, discount: 5 }), BYTES)
  })

  it("writes records larger than its scratch buffer", async () => {
    const converter = await avro()
    const large = { ...VALUE, raw: Buffer.alloc(300_000, 7), note: "x".repeat(100_000) }
    const bytes = (await converter.encode("orders", large)) as Buffer
    assert.deepEqual(await converter.decode("orders", bytes, []), large)
    assert.deepEqual(await converter.encode("orders", VALUE), BYTES, "and small ones after it")
  })

  it("keeps what it made when it makes the next", async () => {
    const converter = await avro()
    const first = (await converter.encode("orders", VALUE)) as Buffer
    await converter.encode("orders", { ...VALUE, id: 1 })
    assert.deepEqual(first, BYTES)
  })

  it("wraps unions only where their branches cannot be told apart", async () => {
    registry.add(20, "u-value", ["null", "int", "string"])
    registry.add(21, "w-value", ["int", "double"])
    const converter = await avro()
    assert.deepEqual(await converter.encode("u", "a"), hex("00 00000014 04 02 61"))
    assert.deepEqual(await converter.encode("w", { double: 1.5 }), hex("00 00000015 02 000000000000f83f"))
    assert.deepEqual({ ...((await converter.decode("w", hex("00 00000015 00 06"), [])) as object) }, { int: 3 })
  })

  it("reads every schema as the reader's: promotion, defaults, fields left out", async () => {
    const folder = temporaryFolder()
    const file = path.join(folder, "reader.avsc")
    const fields = [
      { name: "b", type: "long" },
      { name: "c", type: "string", default: "none" },
    ]
    fs.writeFileSync(file, JSON.stringify({ type: "record", name: "R", fields }))
    const written = [
      { name: "a", type: { type: "array", items: "int" } },
      { name: "b", type: "int" },
    ]
    registry.add(30, "r-value", { type: "record", name: "R", fields: written })
    const converter = await avro({ "avro.reader.schema.file": file })
    assert.deepEqual(await converter.decode("r", hex("00 0000001e", "04 02 04 00", "0e"), []), { b: 7, c: "none" })
    // The same array as one block with its size in bytes.
    assert.deepEqual(await converter.decode("r", hex("00 0000001e", "03 04 02 04 00", "0e"), []), { b: 7, c: "none" })
    await assert.rejects(
      async () => converter.decode("r", hex("00 0000001e", "03 06 02 04 00", "0e"), []),
      kafkaError("poison", /another size/),
    )
  })

  it("reads schemas that name others", async () => {
    registry.add(40, "money", {
      type: "record",
      name: "Money",
      namespace: "pay",
      fields: [{ name: "n", type: "long" }],
    })
    const schema = { type: "record", name: "Bill", namespace: "shop", fields: [{ name: "sum", type: "pay.Money" }] }
    registry.add(41, "bill-value", schema, "AVRO", [{ name: "pay.Money", subject: "money", version: 1 }])
    const converter = await avro()
    assert.deepEqual(await converter.encode("bill", { sum: { n: 3 } }), hex("00 00000029 06"))
    assert.deepEqual(await converter.decode("bill", hex("00 00000029 06"), []), { sum: { n: 3 } })
  })

  it("makes nothing of the length that bytes announce", async () => {
    registry.add(50, "nulls-value", { type: "array", items: "null" })
    registry.add(51, "ints-value", { type: "array", items: "int" })
    registry.add(52, "map-value", { type: "map", values: "int" })
    registry.add(53, "bytes-value", "bytes")
    const converter = await avro()
    const huge = "feffffff0f" // 2^31 - 1, zigzag
    const before = process.memoryUsage().rss
    for (const bytes of [
      hex("00 00000032", huge, "00"),
      hex("00 00000033", huge, "00"),
      hex("00 00000033", "fdffffff0f", "02", "00"),
      hex("00 00000034", huge, "00"),
      hex("00 00000035", huge, "00"),
      hex("00 00000035", "01"),
      hex("00 00000033", "feffffffffffffffff01", "00"),
    ])
      await assert.rejects(async () => converter.decode("t", bytes, []), kafkaError("poison", /too soon|empty items/))
    assert.ok(process.memoryUsage().rss - before < 256 * 1024 * 1024)
  })

  it("refuses bytes after the value, unknown branches, deep nesting, and names that replace a prototype", async () => {
    const list = {
      type: "record",
      name: "List",
      fields: [{ name: "next", type: ["null", "List"] }],
    }
    registry.add(60, "list-value", list)
    registry.add(61, "m-value", { type: "map", values: { type: "map", values: "int" } })
    registry.add(62, "p-value", { type: "record", name: "P", fields: [{ name: "__proto__", type: "int" }] })
    const converter = await avro()
    for (const [bytes, text] of [
      [Buffer.concat([BYTES, hex("00")]), /1 bytes are left/],
      [hex("00 0000003c 06"), /entry 3 of 2/],
      [Buffer.concat([hex("00 0000003c"), Buffer.alloc(100_000, 2)]), /nested/],
      [hex("00 0000003d 02 12 5f5f70726f746f5f5f 00 00"), /__proto__/],
      [hex("00 0000003e 02"), /__proto__/],
      [Buffer.from('{"a":1}'), /choose bytes, string or json/],
    ] as const)
      await assert.rejects(async () => converter.decode("t", bytes, []), kafkaError("poison", text))
  })

  it("looks its own schema up, and registers it only when it is told to", async () => {
    const folder = temporaryFolder()
    const file = path.join(folder, "new.avsc")
    fs.writeFileSync(
      file,
      JSON.stringify({ type: "record", name: "Fresh", namespace: "shop", fields: [{ name: "a", type: "int" }] }),
    )
    const careful = await avro({ "schema.file": file })
    await assert.rejects(async () => careful.encode("new", { a: 1 }), kafkaError("poison", /40403/))
    const bold = await avro({ "schema.file": file, "auto.register.schemas": true })
    const bytes = (await bold.encode("new", { a: 1 })) as Buffer
    assert.deepEqual(bytes.subarray(5), hex("02"))
    assert.ok(Buffer.isBuffer(bold.encode("new", { a: 2 })))
    const after = await avro({ "schema.file": file })
    assert.deepEqual(await after.encode("new", { a: 1 }), bytes)
    const byRecord = await avro({
      "schema.file": file,
      "auto.register.schemas": true,
      "subject.name.strategy": "TopicRecordNameStrategy",
    })
    await byRecord.encode("new", { a: 1 })
    assert.equal(registry.requests.at(-1), "POST /subjects/new-shop.Fresh/versions")
  })

  it("says at the start what is wrong with its own schema", async () => {
    const file = path.join(temporaryFolder(), "wrong.avsc")
    const strategy = "io.confluent.kafka.serializers.subject.RecordNameStrategy"
    for (const [schema, text] of [
      ["{", /schema.file/],
      ['{"type":"recrod"}', /schema.file/],
      ['"string"', /no record name/],
    ] as const) {
      fs.writeFileSync(file, schema)
      const made = avro({ "schema.file": file, "subject.name.strategy": strategy })
      await assert.rejects(made, { code: "ERR_CONFIG", message: text })
    }
  })

  it("takes __proto__ for text like any other where it is not a key", async () => {
    registry.add(63, "text-value", { type: "map", values: "string" })
    const converter = await avro()
    const bytes = (await converter.encode("text", { a: "__proto__" })) as Buffer
    assert.deepEqual(await converter.decode("text", bytes, []), { a: "__proto__" })
  })

  it("writes by the id that it is told", async () => {
    registry.add(70, "orders-value", "long")
    const converter = await avro({ "use.schema.id": 7 })
    assert.deepEqual(await converter.encode("any-topic", VALUE), BYTES)
  })

  it("refuses schemas of another kind, and malformed ones", async () => {
    registry.add(80, "j-value", { type: "object" }, "JSON")
    registry.add(81, "b-value", { type: "recrod" })
    const converter = await avro()
    await assert.rejects(async () => converter.decode("j", hex("00 00000050 00"), []), kafkaError("poison", /is JSON/))
    await assert.rejects(async () => converter.decode("b", hex("00 00000051 00"), []), kafkaError("poison", /81/))
  })
})
