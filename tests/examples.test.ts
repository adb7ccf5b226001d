import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { readdirSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const folder = fileURLToPath(new URL("../examples/", import.meta.url))

/** What each example prints, line by line and in any order: some of them race on purpose. */
const PRINTS: Record<string, readonly RegExp[]> = {
  "publish-subscribe": [
    /^everything: weather\.rome 31/,
    /^everything: weather\.oslo -4/,
    /^only Oslo: weather\.oslo -4/,
  ],
  pipeline: [1, 2, 3, 4, 5, 6, 7, 8, 9].map(n => new RegExp(`^worker [123]: ${n} squared is ${n * n}$`)),
  "request-reply": [/^warp -> WARP$/, /^weft -> WEFT$/, /^heddle -> HEDDLE$/],
  "many-requests": [/^question 0: slept 60 ms$/, /^question 1: slept 20 ms$/, /^question 2: slept 40 ms$/],
  survey: [/^Ada heard/, /^Grace heard/, /^Edsger heard/],
  "worker-threads": [/^1 \+ 2 \+ \.\.\. \+ 100000 = 5000050000$/],
  "watch-connections": [/^first received: one$/, /^second received: two$/, /^sent 2, dropped \{\}$/],
}

describe("examples", () => {
  it("has an expectation for each", () => {
    const names = readdirSync(folder)
      .filter(name => name.endsWith(".js"))
      .map(name => name.slice(0, -3))
    assert.deepEqual(names.sort(), Object.keys(PRINTS).sort())
  })

  for (const [name, lines] of Object.entries(PRINTS)) {
    it(`${name} runs to its end and prints what it promises`, async () => {
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [`${folder}${name}.js`])
      assert.equal(stderr, "")
      const printed = stdout.trim().split("\n")
      for (const line of lines)
        assert.ok(
          printed.some(text => line.test(text)),
          `${line} is missing in:\n${stdout}`,
        )
    })
  }
})
