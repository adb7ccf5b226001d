import assert from "node:assert/strict"
import { findTransform } from "../../../bridge-kafka/transforms/registry.ts"
import { run } from "./run.ts"

const FIELDS = { id: 7, name: "bob", price: 2.5, nested: { x: 1 }, n: null }

/** The results are those of connect-transforms 4.3.1 for values without a schema. */
describe("transforms of fields", () => {
  it("ValueToKey makes the key of fields of the value", async () => {
    const key = async (fields: string[]): Promise<unknown> =>
      (await run("ValueToKey", { fields }, { value: FIELDS })).key
    assert.deepEqual(await key(["id", "name"]), { id: 7, name: "bob" })
    assert.deepEqual(await key(["zz", "id"]), { zz: null, id: 7 })
    for (const value of [null, "text"])
      await assert.rejects(run("ValueToKey", { fields: ["id"] }, { value }), { kind: "poison" })
  })

  it("ExtractField takes one field, by name or path", async () => {
    const extract = async (field: string, value: unknown = FIELDS, version = "V1"): Promise<unknown> =>
      (await run("ExtractField$Value", { field, "field.syntax.version": version }, { value })).value
    assert.equal(await extract("id"), 7)
    assert.equal(await extract("zz"), null)
    assert.equal(await extract("nested.x"), null)
    assert.equal(await extract("nested.x", FIELDS, "V2"), 1)
    assert.equal(await extract("nested.x", FIELDS, "v2"), 1)
    assert.equal(await extract("nested.y", FIELDS, "V2"), null)
    assert.equal(await extract("zz.y", FIELDS, "V2"), null)
    assert.equal(await extract("`a.b`.c", { "a.b": { c: 5 } }, "V2"), 5)
    assert.equal(await extract("a`b.c", { "a`b": { c: 5 } }, "V2"), 5)
    assert.equal(await extract("`a\\`.b`", { "a`.b": 6 }, "V2"), 6)
    assert.equal(await extract("id", null), null)
    assert.equal(await extract("toString", {}), null)
    await assert.rejects(extract("id.y", FIELDS, "V2"), { kind: "poison" })
    await assert.rejects(extract("id", "text"), { kind: "poison" })
    await assert.rejects(extract("`a.b", {}, "V2"), { code: "ERR_CONFIG" })
    assert.equal((await run("ExtractField$Key", { field: "id" }, { key: FIELDS })).key, 7)
  })

  it("ReplaceField keeps, drops and renames", async () => {
    const replace = async (given: Record<string, string[]>, value: unknown = FIELDS): Promise<unknown> =>
      (await run("ReplaceField$Value", given, { value })).value
    assert.deepEqual(await replace({ exclude: ["name", "price", "n", "nested"] }), { id: 7 })
    assert.deepEqual(await replace({ include: ["name", "zz"] }), { name: "bob" })
    assert.deepEqual(await replace({ include: ["id", "price"], renames: ["id:ident", "name:n2"] }), {
      ident: 7,
      price: 2.5,
    })
    assert.deepEqual(await replace({ include: ["id", "name"], exclude: ["id"] }), { name: "bob" })
    assert.deepEqual(await replace({ renames: ["id:name", "name:id"] }), { ...FIELDS, id: "bob", name: 7 })
    assert.deepEqual(await replace({}), FIELDS)
    assert.equal(await replace({ include: ["id"] }, null), null)
    const check = findTransform("ReplaceField$Value").keys.find(key => key.name === "renames")?.check
    for (const wrong of [["a"], ["a:b:c"], [":a"], ["a:"]]) assert.match(check?.(wrong) ?? "", /from:to/)
    assert.equal(check?.(["a:b"]), null)
  })

  it("ReplaceField leaves nobody another prototype", async () => {
    const value = JSON.parse('{"a":1,"__proto__":{"x":1}}')
    const made = (await run("ReplaceField$Value", { renames: ["a:b"] }, { value })).value as object
    assert.equal(Object.getPrototypeOf(made), Object.prototype)
    assert.deepEqual(Object.keys(made), ["b", "__proto__"])
    const masked = (await run("MaskField$Value", { fields: ["__proto__"] }, { value })).value as object
    assert.deepEqual(Object.getOwnPropertyDescriptor(masked, "__proto__")?.value, {})
  })

  it("MaskField puts nothing in the place of fields", async () => {
    const value = { s: "secret", i: 7, d: 2.5, b: true, li: [1], mp: { a: 1 }, n: null, dt: new Date(5), bi: 10n, z: 1 }
    const fields = ["s", "i", "d", "b", "li", "mp", "n", "dt", "bi", "missing"]
    assert.deepEqual((await run("MaskField$Value", { fields }, { value })).value, {
      ...{ s: "", i: 0, d: 0, b: false, li: [], mp: {}, n: null, dt: new Date(0), bi: 0n, z: 1 },
      missing: null,
    })
    assert.equal(value.s, "secret")
    await assert.rejects(run("MaskField$Value", { fields: ["by"] }, { value: { by: Buffer.from("x") } }), {
      kind: "poison",
    })
    await assert.rejects(run("MaskField$Value", { fields }, { value: null }), { kind: "poison", message: /tombstones/ })
  })

  it("MaskField puts a replacement in the place of text and numbers", async () => {
    const mask = async (value: unknown, replacement: string): Promise<unknown> =>
      ((await run("MaskField$Value", { fields: ["f"], replacement }, { value: { f: value } })).value as { f: unknown })
        .f
    assert.equal(await mask("secret", "***"), "***")
    assert.equal(await mask(7, "42"), 42)
    assert.equal(await mask(2.5, "1e3"), 1000)
    assert.equal(await mask(7n, "42"), 42n)
    assert.equal(await mask(null, "x"), null)
    for (const [value, replacement] of [
      [7, "xx"],
      [7n, "1.5"],
      [true, "1"],
      [[1], "q"],
      [{ a: 1 }, "q"],
    ] as const)
      await assert.rejects(mask(value, replacement), { kind: "poison" })
  })

  it("bytes that nobody has decoded are an error that names the converter", async () => {
    const bytes = Buffer.from('{"id":1}')
    for (const [type, given] of [
      ["ExtractField", { field: "id" }],
      ["ReplaceField", { include: ["id"] }],
      ["MaskField", { fields: ["id"] }],
      ["Cast", { spec: ["id:string"] }],
      ["Cast", { spec: ["string"] }],
      ["HeaderFrom", { fields: ["id"], headers: ["h"], operation: "copy" }],
    ] as const)
      for (const [side, record] of [
        ["Key", { key: bytes }],
        ["Value", { value: bytes }],
      ] as const)
        await assert.rejects(run(`${type}$${side}`, given, record), {
          kind: "poison",
          message: new RegExp(`${side.toLowerCase()}\\.converter`),
          stage: "TRANSFORMATION",
          className: `${type}$${side}`,
        })
    await assert.rejects(run("ValueToKey", { fields: ["id"] }, { value: bytes }), { message: /value\.converter/ })
  })
})
