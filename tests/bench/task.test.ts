import assert from "node:assert/strict"
import { describe, it } from "mocha"
import { Arguments, toArguments } from "../../bench/task.ts"

describe("bench/task", () => {
  it("passes a task as arguments and back", () => {
    const values = { endpoint: "tcp://127.0.0.1:5555", size: 64, text: "a=b" }
    const [role, ...pairs] = toArguments({ role: "stream-send", values })
    const task = new Arguments(pairs)
    assert.equal(role, "stream-send")
    assert.equal(task.text("endpoint"), "tcp://127.0.0.1:5555")
    assert.equal(task.number("size"), 64)
    assert.equal(task.text("text"), "a=b")
  })

  it("says which argument is missing or no number", () => {
    const task = new Arguments(["size=big"])
    assert.throws(() => task.number("size"), /size is not a number: big/)
    assert.throws(() => task.text("count"), /count is missing/)
    assert.throws(() => new Arguments(["count"]), /not key=value: count/)
  })
})
