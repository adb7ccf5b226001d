import assert from "node:assert/strict"
import { findTransform } from "../../../bridge-kafka/transforms/registry.ts"
import type { TransformRecord } from "../../../bridge-kafka/transforms/transform.ts"
import { run, runAll, step, when } from "./run.ts"

const shown = (record: TransformRecord): string[] => record.headers.map(([name, value]) => `${name}=${value}`)
const headers = ["a=1", "b=2", "a=3"].map(text => [text[0], Buffer.from(text.slice(2))] as const)
const FIELDS = { id: 7, name: "bob", price: 2.5, nested: { x: 1 }, none: null }

describe("transforms of headers", () => {
  it("InsertHeader adds one more", async () => {
    const made = await run("InsertHeader", { header: "a", "value.literal": "123" }, { headers })
    assert.deepEqual(shown(made), ["a=1", "b=2", "a=3", "a=123"])
    const check = findTransform("InsertHeader").keys[0].check
    assert.match(check?.("hd.hops") ?? "", /hd\./)
    assert.equal(check?.("x"), null)
  })

  it("DropHeaders removes all of a name", async () => {
    assert.deepEqual(shown(await run("DropHeaders", { headers: ["a", "zz"] }, { headers })), ["b=2"])
    assert.deepEqual(shown(await run("DropHeaders", { headers: ["A"] }, { headers })), ["a=1", "b=2", "a=3"])
  })

  it("HeaderFrom copies and moves fields", async () => {
    const given = { fields: ["id", "name", "nested", "none", "zz"], headers: ["h1", "h2", "h3", "h4", "h5"] }
    const copied = await run("HeaderFrom$Value", { ...given, operation: "copy" }, { value: FIELDS })
    assert.deepEqual(shown(copied), ["h1=7", "h2=bob", 'h3={"x":1}', "h4=", "h5="])
    assert.deepEqual(copied.value, FIELDS)
    const moved = await run("HeaderFrom$Key", { ...given, operation: "move" }, { key: FIELDS, headers })
    assert.deepEqual(shown(moved).slice(0, 4), ["a=1", "b=2", "a=3", "h1=7"])
    assert.deepEqual(moved.key, { price: 2.5 })
    assert.equal(moved.value, "v")
  })

  it("HeaderFrom refuses what has no fields, and lists of different length", async () => {
    const given = { fields: ["id"], headers: ["h"], operation: "copy" }
    for (const value of [null, "text", 7, [1], new Date(0)])
      await assert.rejects(run("HeaderFrom$Value", given, { value }), { kind: "poison" })
    await assert.rejects(run("HeaderFrom$Value", { ...given, headers: ["h", "i"] }, { value: FIELDS }), {
      code: "ERR_CONFIG",
    })
  })
})

describe("predicates", () => {
  const drops = async (type: string, given: Record<string, string>, record = {}, negate = false): Promise<boolean> =>
    (await runAll([step("Filter", {}, when(type, given, negate))], record)).length === 0

  it("TopicNameMatches looks at the whole topic", async () => {
    assert.equal(await drops("TopicNameMatches", { pattern: "orders" }), false)
    assert.equal(await drops("TopicNameMatches", { pattern: "orders.*" }), true)
    assert.equal(await drops("TopicNameMatches", { pattern: ".*eu" }), true)
    assert.equal(await drops("TopicNameMatches", { pattern: "a|orders.eu" }), true)
  })

  it("HasHeaderKey, RecordIsTombstone, SubjectMatches, each with negate", async () => {
    assert.equal(await drops("HasHeaderKey", { name: "a" }, { headers }), true)
    assert.equal(await drops("HasHeaderKey", { name: "A" }, { headers }), false)
    assert.equal(await drops("HasHeaderKey", { name: "A" }, { headers }, true), true)
    assert.equal(await drops("RecordIsTombstone", {}, { value: null }), true)
    assert.equal(await drops("RecordIsTombstone", {}, { value: Buffer.alloc(0) }), false)
    assert.equal(await drops("RecordIsTombstone", {}, { value: null }, true), false)
    assert.equal(await drops("SubjectMatches", { pattern: "orders.*.created" }), true)
    assert.equal(await drops("SubjectMatches", { pattern: "orders.*" }), false)
  })

  it("Filter without one drops all", async () => {
    assert.deepEqual(await runAll([step("Filter")]), [])
  })
})
