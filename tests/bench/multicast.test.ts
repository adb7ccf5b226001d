import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { stalls } from "../../bench/multicast/delays.ts"
import { Hosts, whyNoLossyHosts } from "../../bench/multicast/hosts.ts"
import type { Report } from "../../bench/report/report.ts"
import { closesAfterEach, later } from "../support/cleanup.ts"
import { temporaryFolder } from "../support/folders.ts"
import { multicastWorks } from "../support/udp.ts"

const run = promisify(execFile)
const program = fileURLToPath(new URL("../../bench/run.js", import.meta.url))

/** Sends so many datagrams of 100 bytes, then says so. */
const SENDER = `
  const socket = require("node:dgram").createSocket("udp4")
  let left = Number(process.argv[2])
  const next = () => left-- > 0 ? socket.send(Buffer.alloc(100), 9, process.argv[1], next) : socket.close()
  next()`

describe("bench: multicast", () => {
  closesAfterEach()

  it("measures a group beside tcp, and nothing is missing", async function () {
    if (!(await multicastWorks("239.255.99.99"))) {
      console.log("      skipped: loopback carries no multicast here")
      this.skip()
    }
    const json = join(temporaryFolder(), "out.json")
    await run(process.execPath, [program, "multicast-thr", "--rounds", "1", "--seconds", "0.05", "--json", json])
    const { header, rows } = JSON.parse(readFileSync(json, "utf8")) as Report
    assert.deepEqual(header.failures, [])
    assert.deepEqual(
      rows.map(({ peer, metric }) => `${peer} ${metric}`),
      ["multicast", "tcp", "tcp push"].flatMap(way =>
        ["messages", "sender cpu", "missing"].map(metric => `heddle (${way}) ${metric}`),
      ),
    )
    for (const { metric, median } of rows) {
      if (metric === "missing") assert.equal(median, 0)
      else assert.ok(median !== null && median > 0)
    }
  })

  it("a message that was lost is told from those that wait for it", () => {
    const paced = (...delays: number[]) => stalls(delays.map((delay, i) => ({ sent: 100 + i, delay })))
    // Two losses: 9 and 7; the 8, 6.5 and 5 wait. Each could be noticed a millisecond after it usually comes.
    assert.deepEqual(paced(1, 1, 9, 8, 6.5, 5, 1, 1.2, 1, 7, 1, 1, 1), { usual: 1, late: [7, 5] })
    assert.deepEqual(paced(9, 1, 1), { usual: 1, late: [7] })
    assert.deepEqual(paced(1, 2, 1), { usual: 1, late: [] })
  })

  it("hosts lose what they shall, and count what they send: reports by their size", async function () {
    const why = whyNoLossyHosts()
    if (why !== null) {
      console.log(`      skipped: ${why}`)
      this.skip()
    }
    for (const [loss, least, most] of [
      [0, 400, 400],
      [0.5, 100, 300],
    ]) {
      const hosts = new Hosts(2, loss)
      later(() => hosts.close())
      const { file, args } = hosts.at(0, { file: process.execPath, args: ["-e", SENDER, "10.99.2.2", "400"] })
      // What nobody takes is refused by an ICMP message, each at its own rate: the receiver must be there to count.
      const count = `
        const socket = require("node:dgram").createSocket("udp4").bind(9, () => process.stdout.write("here"))
        let seen = 0
        socket.on("message", () => seen++)
        process.stdin.on("end", () => { process.stdout.write(" " + seen); process.exit() }).resume()`
      const there = hosts.at(1, { file: process.execPath, args: ["-e", count] })
      const receiver = execFile(there.file, [...there.args])
      let text = ""
      receiver.stdout?.on("data", part => {
        text += part
      })
      await once(receiver.stdout as NodeJS.ReadableStream, "data")
      await run(file, [...args])
      receiver.stdin?.end()
      await once(receiver, "close")
      const seen = Number(text.split(" ")[1])
      assert.ok(seen >= least && seen <= most, `${seen} of 400 came at a loss of ${loss}`)
      assert.deepEqual(hosts.traffic(0), { reports: 0, rest: 400 * 128 })
      assert.deepEqual(hosts.traffic(1), { reports: 0, rest: 0 })
    }
  })
})
