import assert from "node:assert/strict"
import { execFile, spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import type { Report } from "../../bench/report/report.ts"
import { closesAfterEach } from "../support/cleanup.ts"
import { temporaryFolder } from "../support/folders.ts"

const run = promisify(execFile)
const program = fileURLToPath(new URL("../../bench/run.js", import.meta.url))

describe("bench: edge", () => {
  closesAfterEach()

  it("measures a fabric's edge beside a broadcast by ws, with clients in C", async function () {
    if (spawnSync("gcc", ["--version"]).status !== 0) {
      console.log("      skipped: gcc is not installed")
      this.skip()
    }
    const json = join(temporaryFolder(), "out.json")
    const short = ["--connections", "100", "--rounds", "1", "--seconds", "0.05", "--peers", "heddle,ws"]
    await run(process.execPath, [program, "edge", ...short, "--json", json])
    const { header, rows } = JSON.parse(readFileSync(json, "utf8")) as Report
    assert.deepEqual(header.failures, [])
    for (const peer of ["heddle (edge)", "ws"]) {
      const own = rows.filter(row => row.peer === peer)
      assert.deepEqual(
        own.map(({ scenario, metric }) => `${scenario} ${metric}`),
        [
          "edge-fanout deliveries",
          "edge-fanout server cpu",
          "edge-lat p50",
          "edge-lat p99",
          "edge-idle rss",
          "edge-idle each",
        ],
      )
      for (const { metric, median } of own)
        if (metric !== "each") assert.ok(median !== null && median > 0, `${peer} ${metric}: ${median}`)
    }
  })
})
