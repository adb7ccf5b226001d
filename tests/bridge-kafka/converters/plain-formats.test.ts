import assert from "node:assert/strict"
import { Codecs } from "../../../core/codec.ts"
import { loadMsgpack } from "../../../core/codecs/msgpack.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { converterFor, hex, kafkaError, recordOf } from "./fake-registry.ts"

const msgpack = async (value: unknown): Promise<Buffer> => {
  await loadMsgpack()
  return new Codecs().encodePlain(value, "msgpack")
}

describe("The converter bytes", () => {
  closesAfterEach()

  it("passes the very same bytes on, both ways, whatever they are (REC-3)", async () => {
    const converter = await converterFor("bytes")
    for (const bytes of [hex("00 0000002a 02"), hex("ff fe"), Buffer.alloc(0)]) {
      assert.equal(converter.fromFabric(recordOf(bytes, "msgpack")), bytes)
      assert.deepEqual(converter.fromKafka("t", bytes, []), { kind: "bytes", bytes, codec: "bytes" })
    }
    assert.equal(converter.storedCodec, null)
  })

  it("hands on the codec that the publisher had", async () => {
    const converter = await converterFor("bytes")
    const bytes = hex("01")
    const headers = [["hd.codec", Buffer.from("msgpack")]] as const
    assert.deepEqual(converter.fromKafka("t", bytes, headers), { kind: "bytes", bytes, codec: "msgpack" })
  })

  it("keeps tombstones, both ways", async () => {
    const converter = await converterFor("bytes")
    assert.equal(converter.fromFabric(recordOf(null, null)), null)
    assert.deepEqual(converter.fromKafka("t", null, []), { kind: "tombstone" })
  })

  it("refuses values that a transform made, and says what to choose", async () => {
    const converter = await converterFor("bytes")
    assert.throws(() => converter.encode("t", { a: 1 }), kafkaError("poison", /choose json/))
    assert.deepEqual(converter.encode("t", new Uint8Array([1, 2])), hex("0102"))
  })

  it("passes keys as they are", async () => {
    const converter = await converterFor("bytes", {}, true)
    const record = recordOf(hex("01"), "msgpack")
    assert.equal(converter.fromFabric(record), record.key)
  })
})

describe("The converter string", () => {
  closesAfterEach()

  it("passes text on without a copy, and makes text of what MessagePack holds", async () => {
    const converter = await converterFor("string")
    const text = Buffer.from("grüß")
    assert.equal(converter.fromFabric(recordOf(text, "string")), text)
    for (const [value, expected] of [
      ["a", "a"],
      [7, "7"],
      [true, "true"],
      [2n ** 60n, "1152921504606846976"],
    ] as const)
      assert.deepEqual(converter.fromFabric(recordOf(await msgpack(value), "msgpack")), Buffer.from(expected))
    assert.deepEqual(converter.fromKafka("t", text, []), { kind: "bytes", bytes: text, codec: "string" })
    assert.equal(converter.decode("t", text, []), "grüß")
  })

  it("refuses bytes that are no UTF-8, and objects", async () => {
    const converter = await converterFor("string")
    for (const wrong of [
      () => converter.fromFabric(recordOf(hex("ff"), "string")),
      () => converter.fromKafka("t", hex("c328"), []),
      () => converter.decode("t", hex("80"), []),
      () => converter.encode("t", {}),
    ])
      assert.throws(wrong, kafkaError("poison", /"string" takes/))
  })
})

describe("The converter json", () => {
  closesAfterEach()

  it("checks JSON and passes it on byte by byte: numbers keep their digits", async () => {
    const converter = await converterFor("json")
    const text = Buffer.from('{ "n": 9007199254740993, "f": 1.10 }')
    assert.equal(converter.fromFabric(recordOf(text, "json")), text)
    assert.deepEqual(converter.fromKafka("t", text, []), { kind: "bytes", bytes: text, codec: "json" })
  })

  it("makes JSON of MessagePack: bytes become Base64, dates ISO 8601, exact bigints numbers", async () => {
    const converter = await converterFor("json")
    const value = { a: [1, { raw: hex("ff00") }], at: new Date(0), n: 7n, s: "x" }
    const made = converter.encode("t", value) as Buffer
    assert.equal(made.toString(), '{"a":[1,{"raw":"/wA="}],"at":"1970-01-01T00:00:00.000Z","n":7,"s":"x"}')
    const stored = converter.fromFabric(recordOf(await msgpack({ id: 7 }), "msgpack")) as Buffer
    assert.equal(stored.toString(), '{"id":7}')
    assert.deepEqual(converter.decode("t", stored, []), { id: 7 })
  })

  it("makes a JSON string of a key", async () => {
    const converter = await converterFor("json", {}, true)
    assert.equal(String(converter.fromFabric(recordOf(null, null))), '"orders.eu"')
  })

  it("takes null for a tombstone, as Connect does", async () => {
    const converter = await converterFor("json")
    assert.equal(converter.fromFabric(recordOf(Buffer.from(" null"), "json")), null)
    assert.equal(converter.fromFabric(recordOf(await msgpack(null), "msgpack")), null)
    assert.equal(converter.encode("t", null), null)
  })

  it("refuses what is no JSON, and what JSON has no form for", async () => {
    const converter = await converterFor("json")
    const cycle: Record<string, unknown> = {}
    cycle.self = cycle
    for (const wrong of [
      () => converter.fromKafka("t", Buffer.from("{"), []),
      () => converter.fromFabric(recordOf(Buffer.from("'"), "json")),
      () => converter.fromFabric(recordOf(hex("c1"), "msgpack")),
      () => converter.fromFabric(recordOf(hex("01"), "no-such-codec")),
      () => converter.encode("t", { n: 2n ** 60n }),
      () => converter.encode("t", cycle),
      () => converter.encode("t", () => {}),
    ])
      assert.throws(wrong, kafkaError("poison", /./))
  })
})
