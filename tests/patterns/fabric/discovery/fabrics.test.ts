import assert from "node:assert/strict"
import fs from "node:fs"
import os from "node:os"
import path from "node:path"
import { directory, fabrics, join } from "../../../../index.ts"
import { closesAfterEach, later, using } from "../../../support/cleanup.ts"

describe("discovery: fabrics of a folder", () => {
  closesAfterEach()

  it("are those that nodes have announced, whatever else lies there", async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "heddle-test-"))
    later(() => fs.rmSync(folder, { recursive: true, force: true }))
    assert.deepEqual(await fabrics({ path: path.join(folder, "missing") }), [])
    assert.deepEqual(await fabrics({ path: folder }), [])
    const odd = using(await join("An odd name", { discovery: [directory({ path: folder })] }))
    using(await join("shop", { discovery: [directory({ path: folder })] }))
    fs.mkdirSync(path.join(folder, "empty"))
    fs.writeFileSync(path.join(folder, "file"), "")
    // What claims to be of another fabric than its folder's is none of either.
    fs.cpSync(path.join(folder, "shop"), path.join(folder, "liar"), {
      recursive: true,
      filter: source => !source.endsWith(".sock"),
    })
    assert.deepEqual(await fabrics({ path: folder }), ["An odd name", "shop"])
    await odd.close()
    assert.deepEqual(await fabrics({ path: folder }), ["shop"])
  })
})
