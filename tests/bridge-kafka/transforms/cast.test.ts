import assert from "node:assert/strict"
import { type CastType, castTo } from "../../../bridge-kafka/transforms/cast-value.ts"
import { findTransform } from "../../../bridge-kafka/transforms/registry.ts"
import { run } from "./run.ts"

const NO = undefined

/** What connect-transforms 4.3.1 makes of values without a schema: whole numbers taken as Long, others as Double. */
const TABLE: readonly [value: unknown, ...results: unknown[]][] = [
  // value, int8, int16, int32, int64, float64, boolean, string
  ["12", 12, 12, 12, 12, 12, false, "12"],
  ["1.5", NO, NO, NO, NO, 1.5, false, "1.5"],
  [" 7", NO, NO, NO, NO, 7, false, " 7"],
  ["abc", NO, NO, NO, NO, NO, false, "abc"],
  ["true", NO, NO, NO, NO, NO, true, "true"],
  ["TRUE", NO, NO, NO, NO, NO, true, "TRUE"],
  ["", NO, NO, NO, NO, NO, false, ""],
  ["300", NO, 300, 300, 300, 300, false, "300"],
  ["+5", 5, 5, 5, 5, 5, false, "+5"],
  ["9223372036854775807", NO, NO, NO, 9223372036854775807n, 2 ** 63, false, "9223372036854775807"],
  ["9223372036854775808", NO, NO, NO, NO, 2 ** 63, false, "9223372036854775808"],
  [300, 44, 300, 300, 300, 300, true, "300"],
  [-1, -1, -1, -1, -1, -1, true, "-1"],
  [0, 0, 0, 0, 0, 0, false, "0"],
  [1.9, 1, 1, 1, 1, 1.9, true, "1.9"],
  [-1.9, -1, -1, -1, -1, -1.9, true, "-1.9"],
  [0.1, 0, 0, 0, 0, 0.1, false, "0.1"],
  [123456789.125, 21, -13035, 123456789, 123456789, 123456789.125, true, "123456789.125"],
  [1e300, -1, -1, 2147483647, 9223372036854775807n, 1e300, true, "1e+300"],
  [Number.NaN, 0, 0, 0, 0, Number.NaN, false, "NaN"],
  [true, 1, 1, 1, 1, 1, true, "true"],
  [false, 0, 0, 0, 0, 0, false, "false"],
  [9007199254740993n, 1, 1, 1, 9007199254740993n, 9007199254740992, true, "9007199254740993"],
  [Buffer.from([1, 2]), NO, NO, NO, NO, NO, NO, "AQI="],
  [new Date(0), NO, NO, NO, NO, NO, NO, NO],
  [[1], NO, NO, NO, NO, NO, NO, NO],
  [{}, NO, NO, NO, NO, NO, NO, NO],
]

const TYPES: readonly CastType[] = ["int8", "int16", "int32", "int64", "float64", "boolean", "string"]

describe("transform Cast", () => {
  it("makes of each value what Java makes of it", () => {
    for (const [value, ...results] of TABLE)
      results.forEach((result, index) => {
        const type = TYPES[index]
        assert.deepEqual(castTo(value, type), result, `${String(value)} (${typeof value}) to ${type}`)
      })
    assert.equal(castTo(1.9, "float32"), Math.fround(1.9))
    assert.equal(castTo(1e300, "float32"), Number.POSITIVE_INFINITY)
    for (const [text, number] of [
      ["1.5f", 1.5],
      ["Infinity", Number.POSITIVE_INFINITY],
      ["-.5e2", -50],
      ["1f5", NO],
      ["0x1p3", NO],
    ] as const)
      assert.equal(castTo(text, "float64"), number, text)
  })

  it("changes fields, or the whole", async () => {
    const value = { id: 7, price: 2.5, n: null, rest: [1] }
    const cast = async (spec: string[], of: unknown = value): Promise<unknown> =>
      (await run("Cast$Value", { spec }, { value: of })).value
    assert.deepEqual(await cast(["id:string", "price:int32", "n:string", "zz:int8"]), {
      ...{ id: "7", price: 2, n: null, rest: [1] },
    })
    assert.deepEqual(await cast(["id:INT64"]), value)
    assert.deepEqual(await cast(["id:int64", "id:string"]), { ...value, id: "7" })
    assert.equal(await cast(["int32"], "12"), 12)
    assert.equal(await cast(["int32"], null), null)
    assert.equal((await run("Cast$Key", { spec: ["string"] }, { key: 5 })).key, "5")
    for (const [spec, of] of [
      [["id:int8"], { id: "x" }],
      [["rest:string"], value],
      [["string"], value],
      [["id:int64"], "text"],
    ] as const)
      await assert.rejects(cast([...spec], of), { kind: "poison" })
  })

  it("refuses specifications that mean nothing", async () => {
    const check = findTransform("Cast$Value").keys[0].check
    for (const spec of [
      ["id:foo"],
      ["int32", "string"],
      ["id:string", "int32"],
      ["id:bytes"],
      ["id:int64:string"],
      [""],
    ]) {
      assert.equal(typeof check?.(spec), "string", spec.join())
      await assert.rejects(run("Cast$Value", { spec }), { code: "ERR_CONFIG" })
    }
    assert.equal(check?.(["id:INT8", "b:boolean"]), null)
  })
})
