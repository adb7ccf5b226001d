import assert from "node:assert/strict"
import { closesAfterEach } from "../../support/cleanup.ts"
import { converterFor, FakeRegistry, hex, kafkaError, recordOf } from "./fake-registry.ts"

const FRAME = "00 00000003"
const SCHEMA = {
  $schema: "http://json-schema.org/draft-07/schema#",
  title: "Order",
  type: "object",
  properties: { id: { type: "integer" }, at: { type: "string", format: "date-time" }, n: { $ref: "#/definitions/n" } },
  required: ["id"],
  definitions: { n: { type: "number", minimum: 0 } },
}

const framed = (text: string): Buffer => Buffer.concat([hex(FRAME), Buffer.from(text)])

describe("The converter json-schema", () => {
  closesAfterEach()
  let registry: FakeRegistry

  beforeEach(async () => {
    registry = await FakeRegistry.start()
    registry.add(3, "orders-value", SCHEMA, "JSON")
  })

  const jsonSchema = (given: Record<string, unknown> = {}) =>
    converterFor("json-schema", { "schema.registry.url": registry.url, ...given })

  it("writes the frame and JSON, and hands the JSON on as it came", async () => {
    const converter = await jsonSchema()
    const bytes = framed('{"id":7}')
    assert.deepEqual(await converter.fromFabric(recordOf(Buffer.from('{ "id": 7 }'), "json")), bytes)
    const payload = await converter.fromKafka("orders", framed('{ "id": 7 }'), [])
    assert.deepEqual(payload, { kind: "bytes", bytes: Buffer.from('{ "id": 7 }'), codec: "json" })
    assert.deepEqual(converter.decode("orders", bytes, []), { id: 7 })
    assert.deepEqual(await converter.fromKafka("orders", null, []), { kind: "tombstone" })
  })

  it("checks what will be read: a date is text by then, undefined is gone", async () => {
    const converter = await jsonSchema()
    const bytes = await converter.encode("orders", { id: 7, at: new Date(0), n: undefined })
    assert.deepEqual(bytes, framed('{"id":7,"at":"1970-01-01T00:00:00.000Z"}'))
  })

  it("sets aside what does not fit, both ways, and says where", async () => {
    const converter = await jsonSchema()
    await assert.rejects(
      async () => converter.encode("orders", { id: "7" }),
      kafkaError("poison", /\/id must be integer/),
    )
    await assert.rejects(
      async () => converter.encode("orders", { n: 1 }),
      kafkaError("poison", /required property 'id'/),
    )
    assert.throws(
      () => converter.fromKafka("orders", framed('{"id":1,"n":-1}'), []),
      kafkaError("poison", /\/n must be/),
    )
    assert.throws(() => converter.decode("orders", framed("{"), []), kafkaError("poison", /no JSON/))
  })

  it("trusts them when it is told to", async () => {
    const converter = await jsonSchema({ "json.fail.invalid.schema": false })
    assert.deepEqual(await converter.encode("orders", { id: "7" }), framed('{"id":"7"}'))
  })

  it("knows the drafts, and refuses one that is too old to check", async () => {
    registry.add(
      4,
      "new-value",
      { $schema: "https://json-schema.org/draft/2020-12/schema", prefixItems: [{ type: "string" }] },
      "JSON",
    )
    registry.add(
      5,
      "mid-value",
      { $schema: "https://json-schema.org/draft/2019-09/schema", dependentRequired: { a: ["b"] } },
      "JSON",
    )
    registry.add(6, "old-value", { $schema: "http://json-schema.org/draft-04/schema#", type: "object" }, "JSON")
    const converter = await jsonSchema()
    await assert.rejects(async () => converter.encode("new", [1]), kafkaError("poison", /\/0 must be string/))
    await assert.rejects(async () => converter.encode("mid", { a: 1 }), kafkaError("poison", /b/))
    await assert.rejects(async () => converter.encode("old", {}), kafkaError("poison", /draft-04/))
  })

  it("reads schemas that refer to others by the names the registry gives them", async () => {
    registry.add(7, "money", { type: "object", properties: { n: { type: "integer" } } }, "JSON")
    const references = [{ name: "money.json", subject: "money", version: 1 }]
    registry.add(8, "bill-value", { type: "object", properties: { sum: { $ref: "money.json" } } }, "JSON", references)
    const converter = await jsonSchema()
    assert.ok(await converter.encode("bill", { sum: { n: 1 } }))
    assert.throws(() => converter.encode("bill", { sum: { n: "x" } }), kafkaError("poison", /\/sum\/n must be integer/))
  })

  it("sets aside records of a schema that cannot be compiled", async () => {
    registry.add(9, "odd-value", { type: "nonsense" }, "JSON")
    registry.add(10, "ref-value", { $ref: "missing.json" }, "JSON")
    const converter = await jsonSchema()
    await assert.rejects(async () => converter.encode("odd", {}), kafkaError("poison", /9 cannot be used/))
    assert.throws(() => converter.encode("odd", {}), kafkaError("poison", /9 cannot be used/), "known by now")
    await assert.rejects(async () => converter.encode("ref", {}), kafkaError("poison", /missing.json/))
  })
})
