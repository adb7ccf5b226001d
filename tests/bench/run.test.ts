import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { after, before, describe, it } from "mocha"
import type { Report } from "../../bench/report/report.ts"

const run = promisify(execFile)
const program = fileURLToPath(new URL("../../bench/run.js", import.meta.url))

describe("npm run bench", () => {
  let folder: string

  before(() => {
    folder = mkdtempSync(join(tmpdir(), "heddle-bench-test-"))
  })

  after(() => rmSync(folder, { recursive: true, force: true }))

  it("measures Heddle, prints a table, writes JSON and a plot", async () => {
    const json = join(folder, "out.json")
    const svg = join(folder, "out.svg")
    const short = ["--sizes", "64", "--rounds", "1", "--seconds", "0.05", "--peers", "heddle"]
    const args = [program, "tcp-thr", "fanout", ...short, "--json", json, "--svg", svg]
    const { stdout } = await run(process.execPath, args)
    const { header, rows } = JSON.parse(readFileSync(json, "utf8")) as Report
    assert.deepEqual(header.failures, [])
    assert.deepEqual(header.absent, [])
    assert.equal(header.node, process.version)
    assert.deepEqual(
      [...new Set(rows.map(row => `${row.scenario} ${row.peer} ${row.metric}`))],
      [
        "tcp-thr heddle (consume) messages",
        "tcp-thr heddle (consume) volume",
        "tcp-thr heddle (borrow) messages",
        "tcp-thr heddle (borrow) volume",
        "tcp-thr heddle (batches) messages",
        "tcp-thr heddle (batches) volume",
        "tcp-thr heddle (await) messages",
        "tcp-thr heddle (await) volume",
        "fanout heddle deliveries",
        "fanout heddle sender cpu",
        "fanout heddle loss",
      ],
    )
    for (const row of rows) {
      if (row.metric === "loss") assert.equal(row.median, 0)
      else assert.ok(row.median !== null && row.median > 0, JSON.stringify(row))
    }
    assert.match(stdout, /tcp-thr: one-way throughput/)
    assert.match(stdout, /heddle \(batches\)/)
    const picture = readFileSync(svg, "utf8")
    assert.match(picture, /^<svg /)
    for (const text of ["heddle (consume)", "fanout: sender cpu", "64 B"]) assert.ok(picture.includes(text), text)
  })

  it("calls a service in closed and open loops, and writes a page", async function () {
    // Twelve pairs of processes, one after the other, on a machine that may be busy.
    this.timeout(300_000)
    const json = join(folder, "api.json")
    const html = join(folder, "api.html")
    const short = ["--rates", "300", "--rounds", "1", "--seconds", "0.1", "--peers", "http1,http2,grpc,ws"]
    const { stdout } = await run(process.execPath, [program, "api", ...short, "--json", json, "--html", html])
    const { header, rows } = JSON.parse(readFileSync(json, "utf8")) as Report
    assert.deepEqual(header.failures, [])
    for (const peer of ["http1", "http2", "grpc", "ws"]) {
      const found = rows.filter(row => row.peer === peer)
      assert.deepEqual(
        found.map(row => `${row.scenario} ${row.size} ${row.metric}`),
        [
          ...[1, 100].flatMap(size => ["requests", "p50", "cpu", "wire"].map(name => `api-closed ${size} ${name}`)),
          ...["p50", "p99", "p99.9", "service cpu", "reached", "lost", "sent late (p99)"].map(
            name => `api-open 300 ${name}`,
          ),
        ],
      )
      for (const { metric, median } of found) {
        if (metric === "lost") assert.equal(median, 0)
        else assert.ok(median !== null && median > 0, `${peer} ${metric}: ${median}`)
      }
    }
    assert.match(stdout, /api-open: the same service/)
    assert.match(readFileSync(html, "utf8"), /^<!doctype html>[\s\S]*<\/html>\n$/)
  })

  it("refuses what it does not know", async () => {
    const failing = (...args: string[]) => run(process.execPath, [program, ...args])
    await assert.rejects(failing("warp"), /Allowed choices are tcp-thr/)
    await assert.rejects(failing("--peers", "pigeon"), /"pigeon" is none of heddle, raw/)
    await assert.rejects(failing("--sizes", "64,x"), /Expected a whole number/)
  })
})
