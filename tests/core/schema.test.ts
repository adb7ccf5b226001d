import assert from "node:assert/strict"
import * as v from "valibot"
import { HeddleError } from "../../core/errors.ts"
import { checkSchema, type InferInput, type InferOutput, type StandardSchema, validate } from "../../core/schema.ts"

const Order = v.object({
  id: v.number(),
  lines: v.array(v.object({ sku: v.string(), count: v.optional(v.number(), 1) })),
})

function failure(body: () => unknown): HeddleError {
  try {
    body()
  } catch (error) {
    assert.ok(error instanceof HeddleError)
    return error
  }
  assert.fail("nothing was thrown")
}

/** A schema as somebody could write it without a library. */
function schema(validator: StandardSchema["~standard"]["validate"]): StandardSchema {
  return { "~standard": { version: 1, vendor: "handmade", validate: validator } }
}

describe("Schema", () => {
  it("gives what the validator made of the value", () => {
    const order = validate(Order, { id: 7, lines: [{ sku: "a" }], more: true }, "The payload")
    assert.deepEqual(order, { id: 7, lines: [{ sku: "a", count: 1 }] })
  })

  it("has the types of the library's schemas", () => {
    const input: InferInput<typeof Order> = { id: 1, lines: [{ sku: "a" }] }
    // @ts-expect-error an output has all defaults
    const output: InferOutput<typeof Order> = { id: 1, lines: [{ sku: "a" }] }
    // @ts-expect-error a string is no number
    const wrong: InferInput<typeof Order> = { id: "1", lines: [] }
    const made: number | undefined = validate(Order, input, "x").lines[0].count
    assert.deepEqual([made, output.id, wrong.id], [1, 1, "1"])
  })

  it("says what does not fit, where, and keeps all issues", () => {
    const wrong = { id: "7", lines: [{ sku: 1 }, { sku: 2 }, { sku: 3 }] }
    const error = failure(() => validate(Order, wrong, "The payload published to orders.new"))
    assert.equal(error.code, "ERR_VALIDATION")
    assert.match(error.message, /^The payload published to orders.new does not fit its schema: id: .+; lines\.0\.sku: /)
    assert.match(error.message, /; and 1 more$/)
    assert.equal((error.cause as unknown[]).length, 4)
  })

  it("understands paths of keys, and issues without any", () => {
    const key = Symbol("s")
    const issues = [{ message: "no", path: ["a", 0, key] }, { message: "never" }]
    const error = failure(() =>
      validate(
        schema(() => ({ issues })),
        1,
        "It",
      ),
    )
    assert.equal(error.message, "It does not fit its schema: a.0.Symbol(s): no; never")
  })

  it("refuses validators that are asynchronous, also those that fail later", async () => {
    const later = v.pipeAsync(
      v.string(),
      v.checkAsync(async () => true),
    ) as unknown as StandardSchema
    for (const one of [later, schema(() => Promise.reject(new Error("later")))]) {
      const error = failure(() => validate(one, "x", "It"))
      assert.equal(error.code, "EINVAL")
      assert.match(error.message, /asynchronous/)
    }
    await new Promise(setImmediate) // an unhandled rejection would end the run
  })

  it("wraps what a validator throws", () => {
    const cause = new Error("broken")
    const error = failure(() => {
      const broken = schema(() => {
        throw cause
      })
      validate(broken, 1, "It")
    })
    assert.equal(error.code, "ERR_VALIDATION")
    assert.equal(error.cause, cause)
    assert.match(error.message, /handmade.*broken/)
  })

  it("is recognised before it is used", () => {
    checkSchema(Order)
    checkSchema(
      Object.assign(
        () => {},
        schema(value => ({ value })),
      ),
    )
    for (const wrong of [null, undefined, {}, "x", { "~standard": { version: 2, validate() {} } }, v])
      assert.equal(failure(() => checkSchema(wrong)).code, "EINVAL")
  })
})
