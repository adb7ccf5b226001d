import assert from "node:assert/strict"
import fs from "node:fs"
import path from "node:path"
import { fileURLToPath } from "node:url"
import { loadLibrary } from "../../../bridge-kafka/platformatic/load.ts"
import { closesAfterEach } from "../../support/cleanup.ts"
import { temporaryFolder } from "../../support/folders.ts"
import { runModule } from "../../support/processes.ts"

const COMPILED = path.join(path.dirname(fileURLToPath(import.meta.url)), "../../..")

describe("Loading the Kafka client", () => {
  closesAfterEach()

  it("provides what it misses on Node 20", async () => {
    await loadLibrary()
    const provided = Promise as unknown as {
      withResolvers(): { promise: Promise<unknown>; resolve(value: unknown): void }
    }
    const { promise, resolve } = provided.withResolvers()
    resolve("x")
    assert.equal(await promise, "x")
  })

  it("says how to install it where it is not", async () => {
    const folder = temporaryFolder()
    for (const file of ["bridge-kafka/platformatic/load.js", "core/errors.js"]) {
      fs.mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
      fs.copyFileSync(path.join(COMPILED, file), path.join(folder, file))
    }
    fs.writeFileSync(path.join(folder, "package.json"), '{ "type": "module" }')
    const { output } = await runModule(`
      const { loadLibrary } = await import("${path.join(folder, "bridge-kafka/platformatic/load.js")}")
      await loadLibrary().catch(error => console.log(error.code, error.message))
    `)
    assert.match(output, /^ERR_MISSING_PACKAGE .*npm install @platformatic\/kafka/)
  })
})
