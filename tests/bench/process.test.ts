import assert from "node:assert/strict"
import { describe, it } from "mocha"
import { Child } from "../../bench/process.ts"

function node(text: string, grace?: number): Child {
  return new Child("it", { file: process.execPath, args: ["-e", text] }, grace)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const PATIENCE = 20_000

describe("bench/process", () => {
  it("hears what a child says, in order", async () => {
    const child = node(`console.log('{"ready":"here"}'); console.log('{"result":{"count":3}}')`)
    assert.equal(await child.ready(PATIENCE), "here")
    assert.deepEqual(await child.result(PATIENCE), { count: 3 })
    await child.end()
  })

  it("asks, and hears the answer", async () => {
    const child = node(
      `process.stdin.on("data", d => console.log(JSON.stringify({ result: { twice: 2 * Number(d) } })))`,
    )
    assert.deepEqual(await child.ask(21, PATIENCE), { twice: 42 })
    await child.end()
  })

  it("passes on what went wrong in a child", async () => {
    const child = node(`console.log('{"error":"no such role"}')`)
    await assert.rejects(child.result(PATIENCE), { message: "it: no such role" })
    await child.end()
  })

  it("says how a child ended that never answered, with its complaint", async () => {
    const child = node(`console.error("out of luck"); process.exitCode = 3`)
    await assert.rejects(child.result(PATIENCE), { message: "it: ended with code 3 before it answered: out of luck" })
  })

  it("does not take anything but JSON for an answer", async () => {
    const child = node(`console.log("hello")`)
    await assert.rejects(child.result(PATIENCE), { message: "it: said what is not JSON: hello" })
    await child.end()
  })

  it("kills a child that does not answer in time", async () => {
    const child = node(`setInterval(() => {}, 1000)`)
    const { pid } = child
    assert.ok(pid !== undefined && isAlive(pid))
    await assert.rejects(child.result(50), /^Error: it: no answer within 0.05 s, killed/)
    assert.equal(isAlive(pid), false)
  })

  it("kills a child that does not go when it is asked to", async () => {
    const child = node(`process.stdin.resume(); setInterval(() => {}, 1000); console.log('{"ready":""}')`, 50)
    await child.ready(PATIENCE)
    const { pid } = child
    await child.end()
    assert.ok(pid !== undefined && !isAlive(pid))
  })

  it("rejects when the program is not there", async () => {
    const child = new Child("it", { file: "/no/such/program", args: [] })
    await assert.rejects(child.result(PATIENCE), /could not be started: .*ENOENT/)
    await child.end()
  })
})
