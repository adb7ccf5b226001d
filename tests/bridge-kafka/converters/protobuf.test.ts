import assert from "node:assert/strict"
import { closesAfterEach } from "../../support/cleanup.ts"
import { converterFor, FakeRegistry, hex, kafkaError } from "./fake-registry.ts"

const ORDER = `
syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
import "money.proto";
message Order {
  int64 id = 1;
  string note = 2;
  repeated sint32 deltas = 3;
  map<string, double> tags = 4;
  enum State { NEW = 0; PAID = 1; }
  State state = 5;
  bytes raw = 6;
  oneof kind { string a = 7; uint64 b = 8; }
  Line line = 9;
  google.protobuf.Timestamp at = 10;
  pay.Money price = 11;
  bool eu = 12;
  message Line { string sku = 1; message Part { fixed32 n = 1; } Part part = 2; }
}
message Refund { string of_order = 1; }
`

const MONEY = `
syntax = "proto3";
package pay;
message Money { string currency = 1; int64 units = 2; }
`

/** By the encoding that protobuf.dev describes; Google's own library for Python writes the same. */
const BYTES = hex(
  "00 00000007 00", // frame, path [0]
  "08 fbffffffffffffffff01", // id -5
  "12 02 c3a9", // note
  "1a 03 018001", // deltas -1, 64, packed
  "22 0c 0a 01 78 11 000000000000f83f", // tags x: 1.5
  "28 01", // PAID
  "32 02 ff00", // raw
  "40 ffffffffffffffffff01", // b = 2^64 - 1
  "4a 0a 0a 01 73 12 05 0d 07000000", // line
  "52 08 08 80e2cfaa06 10 05", // at
  "5a 0e 0a 03 455552 10 81808080 80808010", // price, 2^53 + 1
  "60 01", // eu
)

const VALUE = {
  id: -5,
  note: "é",
  deltas: [-1, 64],
  tags: { x: 1.5 },
  state: "PAID",
  raw: hex("ff00"),
  b: 2n ** 64n - 1n,
  line: { sku: "s", part: { n: 7 } },
  at: { seconds: 1_700_000_000, nanos: 5 },
  price: { currency: "EUR", units: 9007199254740993n },
  eu: true,
}

describe("The converter protobuf", () => {
  closesAfterEach()
  let registry: FakeRegistry

  beforeEach(async () => {
    registry = await FakeRegistry.start()
    registry.add(6, "money", MONEY, "PROTOBUF")
    registry.add(7, "orders-value", ORDER, "PROTOBUF", [{ name: "money.proto", subject: "money", version: 1 }])
  })

  const protobuf = (given: Record<string, unknown> = {}) =>
    converterFor("protobuf", { "schema.registry.url": registry.url, ...given })

  it("reads and writes the bytes of the specification", async () => {
    const converter = await protobuf()
    assert.deepEqual(await converter.decode("orders", BYTES, []), VALUE)
    assert.deepEqual(await converter.encode("orders", VALUE), BYTES)
    assert.deepEqual(converter.decode("orders", BYTES, []), VALUE, "at once")
    assert.ok(Buffer.isBuffer(converter.encode("orders", VALUE)))
    assert.deepEqual(await converter.fromKafka("orders", BYTES, []), { kind: "data", data: VALUE, codec: "msgpack" })
  })

  it("gives absent fields their defaults", async () => {
    const converter = await protobuf()
    assert.deepEqual(await converter.decode("orders", hex("00 00000007 00"), []), {
      id: 0,
      note: "",
      deltas: [],
      tags: {},
      state: "NEW",
      raw: Buffer.alloc(0),
      line: null,
      at: null,
      price: null,
      eu: false,
    })
  })

  it("finds the message by its path, and writes the one that is named", async () => {
    const converter = await protobuf()
    assert.deepEqual(await converter.decode("orders", hex("00 00000007 02 02 0a 01 61"), []), { of_order: "a" })
    assert.deepEqual(await converter.decode("orders", hex("00 00000007 06 00 00 00 0d 07000000"), []), { n: 7 })
    await assert.rejects(
      async () => converter.decode("orders", hex("00 00000007 02 04"), []),
      kafkaError("poison", /path 2/),
    )
    for (const [name, bytes] of [
      ["Refund", "00 00000007 02 02 0a 01 61"],
      ["shop.Refund", "00 00000007 02 02 0a 01 61"],
    ])
      assert.deepEqual(await (await protobuf({ "message.name": name })).encode("orders", { of_order: "a" }), hex(bytes))
    const part = await protobuf({ "message.name": "Order.Line.Part" })
    assert.deepEqual(await part.encode("orders", { n: 7 }), hex("00 00000007 06 00 00 00 0d 07000000"))
    const none = await protobuf({ "message.name": "Nothing" })
    await assert.rejects(async () => none.encode("orders", {}), kafkaError("poison", /no message named Nothing/))
  })

  it("refuses values that do not fit instead of making something of them", async () => {
    const converter = await protobuf()
    for (const [value, text] of [
      [{ id: "5" }, /Order\.id is string, not int64/],
      [{ id: 1.5 }, /Order\.id is 1\.5, not int64/],
      [{ id: 2n ** 63n }, /Order\.id is 9223372036854775808, not int64/],
      [{ b: -1 }, /Order\.b is -1, not uint64/],
      [{ deltas: 5 }, /Order\.deltas is 5, not an array/],
      [{ deltas: [2 ** 31] }, /Order\.deltas\[0\] is 2147483648/],
      [{ state: "LOST" }, /"LOST" is no value of the enum State/],
      [{ state: "toString" }, /no value of the enum/],
      [{ line: { part: { n: -1 } } }, /Order\.line\.part\.n is -1/],
      [{ a: "x", b: 1 }, /another field of the oneof kind/],
      [{ raw: "text" }, /Order\.raw is string, not bytes/],
      [{ tags: { x: "1" } }, /Order\.tags\["x"\] is string, not double/],
      [{ discount: 5 }, /Order\.discount is not in the schema/],
      [[], /Order is an array, not an object/],
    ] as const)
      await assert.rejects(async () => converter.encode("orders", value), kafkaError("poison", text))
  })

  it("drops fields that the schema does not know when it is told to", async () => {
    const converter = await protobuf({ "unknown.fields": "drop" })
    assert.deepEqual(await converter.encode("orders", { eu: true, discount: 5 }), hex("00 00000007 00 60 01"))
  })

  it("refuses bytes that end too soon, announce too much, or nest too deep", async () => {
    registry.add(
      8,
      "tree-value",
      'syntax = "proto3"; message Tree { Tree left = 1; repeated fixed64 n = 2; }',
      "PROTOBUF",
    )
    const converter = await protobuf()
    let deep = Buffer.alloc(0)
    for (let i = 0; i < 200; i++) {
      const size = deep.length < 128 ? [deep.length] : [(deep.length & 0x7f) | 0x80, deep.length >> 7]
      deep = Buffer.concat([Buffer.from([0x0a, ...size]), deep])
    }
    for (const bytes of [
      hex("00 00000007"),
      hex("00 00000007 00 12 ff"),
      hex("00 00000007 00 12 ffffffff0f"),
      hex("00 00000007 00 32 ffffffff07"),
      hex("00 00000008 00 12 f8ffffff0f"),
      hex("00 00000008 00 0b 0c 0c"),
      Buffer.concat([hex("00 00000008 00"), deep]),
    ])
      await assert.rejects(async () => converter.decode("t", bytes, []), kafkaError("poison", /./))
  })

  it("refuses a key that would replace a prototype, and takes it for text elsewhere", async () => {
    const converter = await protobuf()
    const key = hex("00 00000007 00 22 14 0a 09 5f5f70726f746f5f5f 11 000000000000f83f")
    await assert.rejects(async () => converter.decode("orders", key, []), kafkaError("poison", /__proto__/))
    const text = hex("00 00000007 00 12 09 5f5f70726f746f5f5f")
    assert.equal(((await converter.decode("orders", text, [])) as typeof VALUE).note, "__proto__")
  })

  it("sets aside records of a schema that cannot be used", async () => {
    for (const [id, schema] of [
      [20, 'syntax = "proto3"; message {'],
      [21, 'syntax = "proto3"; import "missing.proto"; message A { int32 a = 1; }'],
      [22, 'syntax = "proto3"; message A { Missing a = 1; }'],
      [23, 'syntax = "proto3"; enum E { A = 0; }'],
      [24, 'syntax = "proto3"; message A { int32 __proto__ = 1; }'],
    ] as const) {
      registry.add(id, `s${id}-value`, schema, "PROTOBUF")
      const converter = await protobuf()
      await assert.rejects(async () => converter.encode(`s${id}`, {}), kafkaError("poison", /./))
    }
  })
})
