import assert from "node:assert/strict"
import { gzipSync } from "node:zlib"
import { browserModule } from "./bundle.ts"

/** What issue 7 allows. */
const MOST = 30 * 1024

describe("The module for pages", () => {
  it("is small", async () => {
    const { length } = gzipSync(await browserModule(), { level: 9 })
    assert.ok(length <= MOST, `${length} bytes, compressed; at most ${MOST}`)
  })

  it("has nothing of Node, and makes no functions from text", async () => {
    const text = await browserModule()
    for (const word of [/["'`]node:/, /\bBuffer\b/, /\bprocess\b\s*\./, /\bsetImmediate\b/, /\brequire\(/, /\beval\(/])
      assert.doesNotMatch(text, word)
    assert.doesNotMatch(text, /\bFunction\(/)
    assert.doesNotMatch(text, /^import\b/m, "it is one file")
  })

  it("exports what heddle/browser is said to export", async () => {
    const text = await browserModule()
    const module = (await import(`data:text/javascript,${encodeURIComponent(text)}`)) as Record<string, unknown>
    assert.deepEqual(Object.keys(module).sort(), [
      "HeddleError",
      "MessageHeaders",
      "RemoteError",
      "ServiceError",
      "connect",
    ])
  })
})
