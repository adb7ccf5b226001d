import assert from "node:assert/strict"
import fs from "node:fs"
import path from "node:path"
import type { TransformChoice } from "../../../bridge-kafka/config/classes.ts"
import type { Converter } from "../../../bridge-kafka/converters/converter.ts"
import { PoisonError, type Stage } from "../../../bridge-kafka/errors.ts"
import type { BridgeRecord } from "../../../bridge-kafka/record.ts"
import type { RecordStage } from "../../../bridge-kafka/sink/mapper.ts"
import { createRecordStage } from "../../../bridge-kafka/sink/record-stage.ts"
import { TransformChain } from "../../../bridge-kafka/transforms/chain.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { temporaryFolder } from "../../support/folders.ts"
import { converterFor, FakeRegistry, recordOf } from "../converters/fake-registry.ts"
import { step } from "../transforms/run.ts"

interface Given {
  readonly steps?: readonly TransformChoice[]
  readonly key?: Converter
  readonly value?: Converter
}

async function stageOf({ steps = [], key, value }: Given): Promise<RecordStage> {
  const transforms = await TransformChain.create(steps, { folder: "/" })
  const stage = await createRecordStage({ transforms, keyConverter: key ?? null, valueConverter: value ?? null })
  assert.ok(stage !== null)
  return stage
}

/** What a stage that has to wait for nothing makes of a record. */
function one(stage: RecordStage, record: BridgeRecord): BridgeRecord {
  const made = stage(record)
  assert.ok(made !== null && !(made instanceof Promise) && !Array.isArray(made))
  return made as BridgeRecord
}

function json(value: unknown): BridgeRecord {
  return recordOf(Buffer.from(JSON.stringify(value)), "json")
}

function codecOf({ headers }: BridgeRecord): string[] {
  return headers.filter(([name]) => name === "hd.codec").map(([, text]) => text.toString())
}

function poisonAt(stage: Stage, className: string | undefined, text: RegExp): (error: unknown) => boolean {
  return error => {
    assert.ok(error instanceof PoisonError)
    assert.equal(error.stage, stage)
    assert.equal(error.className, className)
    assert.match(error.message, text)
    return true
  }
}

/** A module of the user's own, as a step. */
function ownModule(text: string, decode: readonly string[] = []): TransformChoice {
  const file = path.join(temporaryFolder(), "own.mjs")
  fs.writeFileSync(file, text)
  return step("module", { path: file, decode: [...decode] })
}

describe("the stage of transforms and converters of a sink", () => {
  closesAfterEach()

  it("there is none where bytes pass as they are", async () => {
    const transforms = await TransformChain.create([], { folder: "/" })
    assert.equal(await createRecordStage({ transforms, keyConverter: null, valueConverter: null }), null)
  })

  it("nothing is decoded that no transform reads", async () => {
    const stage = await stageOf({ steps: [step("InsertHeader", { header: "h", "value.literal": "x" })] })
    const record = recordOf(Buffer.from("no json at all"), "json")
    const made = one(stage, record)
    assert.equal(made.value, record.value)
    assert.equal(made.key, record.key)
    assert.deepEqual(codecOf(made), ["json"])
    assert.deepEqual(made.headers.at(-1), ["h", Buffer.from("x")])
  })

  it("hd.codec says what the converter made, once", async () => {
    const stage = await stageOf({ value: await converterFor("string") })
    const made = one(stage, json(12))
    assert.equal(made.value?.toString(), "12")
    assert.deepEqual(codecOf(made), ["string"])
  })

  it("a value is decoded by the publisher's codec, changed, and encoded by the converter", async () => {
    const stage = await stageOf({
      steps: [step("MaskField$Value", { fields: ["card"] })],
      value: await converterFor("json"),
    })
    const msgpack = Buffer.from([0x82, 0xa4, ...Buffer.from("card"), 0xa2, 0x34, 0x32, 0xa1, 0x6e, 7])
    const made = one(stage, recordOf(msgpack, "msgpack"))
    assert.deepEqual(JSON.parse(String(made.value)), { card: "", n: 7 })
    assert.deepEqual(codecOf(made), ["json"])
  })

  it("what no transform changed keeps its bytes", async () => {
    const steps = [ownModule("export default record => ({ ...record, topic: 'other' })", ["value"])]
    const stage = await stageOf({ steps, value: await converterFor("json") })
    const spaced = Buffer.from('{ "a":  1 }')
    const made = one(stage, recordOf(spaced, "json"))
    assert.equal(made.value, spaced)
    assert.equal(made.topic, "other")
  })

  it("a message without a payload is a tombstone for a converter", async () => {
    const stage = await stageOf({ value: await converterFor("json") })
    assert.equal(one(stage, recordOf(Buffer.alloc(0), "none")).value, null)
    assert.equal(one(stage, recordOf(null, "msgpack")).value, null)
  })

  it("one record may become none or several", async () => {
    const text = "export default r => r.value.n === 0 ? null : r.value.l.map(value => ({ ...r, value }))"
    const stage = await stageOf({ steps: [ownModule(text, ["value"])], value: await converterFor("json") })
    assert.equal(stage(json({ n: 0 })), null)
    const made = stage(json({ n: 2, l: [1, "b"] }))
    assert.ok(Array.isArray(made))
    assert.deepEqual(
      made.map(({ value }) => String(value)),
      ["1", '"b"'],
    )
    // None of several is none too.
    assert.deepEqual(stage(json({ n: 1, l: [] })), null)
  })

  it("a key out of the value is text without a key converter, and the partition follows", async () => {
    const steps = [step("ValueToKey", { fields: ["id"] }), step("ExtractField$Key", { field: "id" })]
    const value = await converterFor("json")
    assert.equal(one(await stageOf({ steps, value }), json({ id: "k-1" })).key?.toString(), "k-1")
    assert.equal(one(await stageOf({ steps, value }), json({ id: 12 })).key?.toString(), "12")
    const objects = await stageOf({ steps: steps.slice(0, 1), value })
    assert.throws(() => objects(json({ id: 1 })), poisonAt("KEY_CONVERTER", undefined, /key\.converter is bytes/))
    const key = await converterFor("json", {}, true)
    assert.equal(String(one(await stageOf({ steps: steps.slice(0, 1), value, key }), json({ id: 1 })).key), '{"id":1}')
  })

  it("another subject goes along as hd.subject", async () => {
    const stage = await stageOf({ steps: [ownModule("export default r => ({ ...r, subject: 'new.name' })")] })
    const record: BridgeRecord = { ...json(1), headers: [["hd.subject", Buffer.from("orders.eu")]] }
    assert.deepEqual(one(stage, record).headers, [["hd.subject", Buffer.from("new.name")]])
  })

  it("errors say at which stage, and who said so", async () => {
    const value = await converterFor("json")
    const masks = await stageOf({ steps: [step("MaskField$Value", { fields: ["a"] })], value })
    assert.throws(
      () => masks(recordOf(Buffer.from("{"), "json")),
      poisonAt("VALUE_CONVERTER", "json", /cannot be read/),
    )
    assert.throws(() => masks(json("text")), poisonAt("TRANSFORMATION", "MaskField$Value", /object with fields/))
    const bytes = await stageOf({ steps: [step("MaskField$Value", { fields: ["a"] })] })
    assert.throws(() => bytes(json({})), poisonAt("TRANSFORMATION", "MaskField$Value", /value\.converter/))
    const makes = await stageOf({ steps: [ownModule("export default r => ({ ...r, value: { a: 1 } })")] })
    assert.throws(() => makes(json({})), poisonAt("VALUE_CONVERTER", undefined, /value\.converter is bytes/))
    const text = await stageOf({ value: await converterFor("string") })
    assert.throws(() => text(json({ a: 1 })), poisonAt("VALUE_CONVERTER", "string", /choose json/))
  })

  it("waits for a schema once, and is at once done afterwards", async () => {
    const registry = await FakeRegistry.start()
    registry.add(7, "orders-value", { type: "record", name: "O", fields: [{ name: "id", type: "long" }] })
    const value = await converterFor("avro", { "schema.registry.url": [registry.url] })
    const stage = await stageOf({ value })
    const first = stage(json({ id: 3 }))
    assert.ok(first instanceof Promise)
    const made = (await first) as BridgeRecord
    assert.deepEqual(made.value, Buffer.from([0, 0, 0, 0, 7, 6]))
    assert.deepEqual(codecOf(made), ["bytes"])
    assert.deepEqual(one(stage, json({ id: 4 })).value, Buffer.from([0, 0, 0, 0, 7, 8]))
    assert.throws(() => stage(json({ id: "x" })), poisonAt("VALUE_CONVERTER", "avro", /schema/))
  })

  it("what went wrong while it waited says its stage too; a registry that is away is no poison", async () => {
    const registry = await FakeRegistry.start()
    registry.add(7, "orders-value", { type: "record", name: "O", fields: [{ name: "id", type: "long" }] })
    const value = await converterFor("avro", { "schema.registry.url": [registry.url] })
    registry.fault = "500"
    const stage = await stageOf({ value })
    await assert.rejects(stage(json({ id: 3 })) as Promise<unknown>, { code: "ERR_KAFKA", kind: "retriable" })
    registry.fault = null
    const late = (async () => stage(json({ id: "x" })))()
    await assert.rejects(late, poisonAt("VALUE_CONVERTER", "avro", /schema/))
  })
})
