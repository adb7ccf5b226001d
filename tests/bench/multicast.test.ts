import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { repairs } from "../../bench/multicast/delays.ts"
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
      ["multicast", "multicast datagrams", "tcp", "tcp push"].flatMap(way =>
        ["messages", "sender cpu", "missing"].map(metric => `heddle (${way}) ${metric}`),
      ),
    )
    for (const { metric, median } of rows) {
      if (metric === "missing") assert.equal(median, 0)
      else assert.ok(median !== null && median > 0)
    }
  })

  it("a repair takes from when the loss could be noticed, and what nobody lost counts nothing, however late", () => {
    const paced = (...each: readonly (readonly [delay: number, mended: number])[]) => {
      const { usual, late } = repairs(each.map(([delay, mended], i) => ({ sent: 100 + i, delay, mended, missed: 0 })))
      return { usual, late }
    }
    assert.deepEqual(paced([1, 0], [9, 0], [8, 0], [1, 0], [1, 0], [1, 0], [1, 0]), { usual: 1, late: [] })
    // The 8, 6.5 and 5 wait for the 9. What was mended before the next one came took nothing.
    const two = paced(
      [1, 0],
      [1, 0],
      [9, 1],
      [8, 0],
      [6.5, 0],
      [5, 0],
      [1, 0],
      [1.2, 1],
      [1, 0],
      [1, 0],
      [1, 0],
      [1, 0],
    )
    assert.deepEqual(two, { usual: 1, late: [7, 0] })
    // Two were mended before the first could be delivered: the second is taken for the one behind it.
    assert.deepEqual(paced([1, 0], [9, 2], [8, 0], [7, 0], [1, 0], [1, 0], [1, 0], [1, 0]), { usual: 1, late: [7, 6] })
    assert.deepEqual(paced([1, 0], [1, 0], [4, 1]), { usual: 1, late: [3] })
  })

  it("a repair takes as long as the receiver missed it; of several one is taken to have taken all", () => {
    const passage = (mended: number, missed: number) => ({ sent: 100, delay: 1, mended, missed })
    assert.deepEqual(repairs([passage(0, 0), passage(1, 0), passage(1, 0.5), passage(2, 3)]).repaired, [0, 0.5, 3, 1.5])
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
      // What nobody takes is refused by an ICMP message, each at its own rate: the receiver must be there to count. It has room for all of
      // them, and reads until a turn of its loop brings nothing more: on a busy machine it may not have run before the sender ended.
      const count = `
        const socket = require("node:dgram").createSocket("udp4").bind(9, () => {
          socket.setRecvBufferSize(1 << 20)
          process.stdout.write("here")
        })
        let seen = 0
        socket.on("message", () => seen++)
        const end = before => setImmediate(() => setImmediate(() => {
          if (seen > before) return end(seen)
          process.stdout.write(" " + seen, () => process.exit())
        }))
        process.stdin.on("end", () => end(seen)).resume()`
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
