import assert from "node:assert/strict"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { KafkaError } from "../../../bridge-kafka/errors.ts"
import { type Shape, UNKNOWN } from "../../../bridge-kafka/mapping/shape.ts"
import { TransformChain } from "../../../bridge-kafka/transforms/chain.ts"
import { findPredicate, findTransform, PREDICATES, TRANSFORMS } from "../../../bridge-kafka/transforms/registry.ts"
import type { TransformRecord } from "../../../bridge-kafka/transforms/transform.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { RECORD, run, runAll, step, when } from "./run.ts"

const insert = (value: string): ReturnType<typeof step> => step("InsertHeader", { header: "h", "value.literal": value })
const values = (record: TransformRecord): string => record.headers.map(([, value]) => String(value)).join()

describe("chains of transforms", () => {
  closesAfterEach()

  it("run one after the other, each on what the one before made", async () => {
    assert.deepEqual((await runAll([insert("1"), insert("2")])).map(values), ["1,2"])
    const steps = [
      step("ValueToKey", { fields: ["id"] }),
      step("ExtractField$Key", { field: "id" }),
      step("Cast$Key", { spec: ["string"] }),
    ]
    assert.equal((await runAll(steps, { value: { id: 9 } }))[0].key, "9")
  })

  it("take steps only where their predicate is true, or not with negate", async () => {
    const eu = when("SubjectMatches", { pattern: "orders.eu.>" })
    const steps = [
      { ...insert("yes"), predicate: eu },
      { ...insert("no"), predicate: { ...eu, negate: true } },
    ]
    assert.deepEqual((await runAll(steps)).map(values), ["yes"])
    assert.deepEqual((await runAll(steps, { subject: "orders.us" })).map(values), ["no"])
  })

  it("say what they need decoded, and change nothing where they are empty", async () => {
    const reads = async (...steps: ReturnType<typeof step>[]): Promise<string[]> =>
      [...(await TransformChain.create(steps, { folder: "/" })).reads].sort()
    assert.deepEqual(await reads(insert("1"), step("Filter")), [])
    assert.deepEqual(await reads(step("ValueToKey", { fields: ["a"] }), step("Cast$Key", { spec: ["string"] })), [
      "key",
      "value",
    ])
    const chain = await TransformChain.create([], { folder: "/" })
    const into: TransformRecord[] = []
    assert.equal(chain.apply(RECORD, into), 1)
    assert.equal(into[0], RECORD)
    assert.equal(chain.isEmpty, true)
  })

  it("fail with stage, class and step, and leave nothing behind", async () => {
    const into: TransformRecord[] = []
    const steps = [{ ...step("MaskField$Value", { fields: ["a"] }), alias: "hide" }]
    const chain = await TransformChain.create(steps, { folder: "/" })
    assert.throws(
      () => chain.apply({ ...RECORD, value: Buffer.from("x") }, into),
      (error: KafkaError & { stage?: string; className?: string; alias?: string }) =>
        error instanceof KafkaError &&
        error.kind === "poison" &&
        error.stage === "TRANSFORMATION" &&
        error.className === "MaskField$Value" &&
        error.alias === "hide" &&
        /hide/.test(error.message),
    )
    assert.deepEqual(into, [])
  })

  it("tell the check of loops what they make of names", async () => {
    const reshaped = async (
      steps: ReturnType<typeof step>[],
      what: "topics" | "subjects",
      shape: Shape,
    ): Promise<unknown> => (await TransformChain.create(steps, { folder: "/" }))[what]([shape])
    const router = step("RegexRouter", { regex: "(.*)", replacement: "x-$1" })
    assert.deepEqual(await reshaped([router, router], "topics", ["a"]), [["x-x-a"]])
    assert.deepEqual(await reshaped([router], "topics", ["a", 1]), [UNKNOWN])
    assert.deepEqual(await reshaped([router], "subjects", ["a"]), [["a"]])
    assert.deepEqual(await reshaped([{ ...router, predicate: when("RecordIsTombstone") }], "topics", ["a"]), [
      ["a"],
      ["x-a"],
    ])
    assert.deepEqual(await reshaped([step("TimestampRouter", {})], "topics", ["a"]), [["", "a", "-", 2, ""]])
    assert.deepEqual(await reshaped([step("DropHeaders", { headers: ["hd.subject"] })], "subjects", ["a"]), [UNKNOWN])
    assert.deepEqual(await reshaped([step("DropHeaders", { headers: ["x"] })], "subjects", ["a"]), [["a"]])
  })

  it("know classes by Connect's short and full names", () => {
    const names =
      "Cast$Value DropHeaders ExtractField$Key Filter HeaderFrom$Key InsertHeader MaskField$Value RegexRouter"
    for (const name of `${names} ReplaceField$Value TimestampRouter ValueToKey`.split(" "))
      assert.equal(findTransform(`org.apache.kafka.connect.transforms.${name}`).name, name)
    for (const name of ["TopicNameMatches", "HasHeaderKey", "RecordIsTombstone"])
      assert.equal(findPredicate(`org.apache.kafka.connect.transforms.predicates.${name}`).name, name)
    assert.throws(() => findTransform("MaskField"), {
      code: "ERR_CONFIG",
      message: /MaskField\$Key, MaskField\$Value$/,
    })
    assert.throws(() => findTransform("Flatten"), { code: "ERR_CONFIG", message: /there are Cast\$Key/ })
    assert.throws(() => findPredicate("Filter"), { code: "ERR_CONFIG" })
  })

  it("declare their settings, each once and with words", () => {
    for (const one of [...TRANSFORMS, ...PREDICATES]) {
      assert.ok(one.doc.length > 10, one.name)
      assert.equal(new Set(one.keys.map(key => key.name)).size, one.keys.length)
      for (const key of one.keys) {
        assert.ok(key.doc.length > 5, `${one.name} ${key.name}`)
        assert.ok(!(key.required === true && key.default !== undefined))
      }
    }
    const all = [...TRANSFORMS, ...PREDICATES].flatMap(one => [one.name, ...one.aliases])
    assert.equal(new Set(all).size, all.length)
  })

  describe("with a module", () => {
    function module(text: string): string {
      const folder = fs.mkdtempSync(path.join(os.tmpdir(), "heddle-"))
      later(() => fs.rmSync(folder, { recursive: true, force: true }))
      fs.writeFileSync(path.join(folder, "transform.mjs"), text)
      return folder
    }
    const through = (text: string, record = {}): Promise<TransformRecord[]> =>
      runAll([step("module", { path: "transform.mjs" }), insert("after")], record, module(text))

    it("give a record, none or several", async () => {
      const [made] = await through("export default r => ({ ...r, topic: r.topic + '-x' })")
      assert.deepEqual([made.topic, values(made)], ["orders.eu-x", "after"])
      assert.deepEqual(await through("export default () => null"), [])
      const several = await through("export default r => [r, { ...r, partition: -1, value: undefined }]")
      assert.deepEqual(
        several.map(one => [one.partition, one.value]),
        [
          [3, "v"],
          [-1, null],
        ],
      )
      assert.deepEqual(await through("export default () => []"), [])
    })

    it("may be wrong without harm: what they throw or give back is an error of the record", async () => {
      for (const body of [
        "{ throw new Error('no') }",
        "undefined",
        "7",
        "[null]",
        "async () => 1",
        "Promise.resolve(r)",
        "({ ...r, topic: 'a b' })",
        "({ ...r, topic: 1 })",
        "({ ...r, partition: 1.5 })",
        "({ ...r, timestamp: NaN })",
        "({ ...r, headers: [['a', 'text']] })",
        "({ ...r, headers: null })",
        "Array(10001).fill(r)",
      ])
        await assert.rejects(through(`export default r => ${body}`), { kind: "poison", className: "module" }, body)
    })

    it("that cannot be loaded are errors of configuration", async () => {
      await assert.rejects(through("export const other = 1"), { code: "ERR_CONFIG", message: /default export/ })
      await assert.rejects(through("export default {"), { code: "ERR_CONFIG", message: /cannot be loaded/ })
      await assert.rejects(run("module", { path: "/nowhere/at-all.mjs" }), { code: "ERR_CONFIG" })
    })
  })
})
