import assert from "node:assert/strict"
import { closesAfterEach } from "../support/cleanup.ts"
import { lastingIpc } from "../support/sockets.ts"
import { heddle } from "./heddle.ts"

const SMALL = ["--count", "2000", "--round-trips", "50"]

describe("heddle bench", () => {
  closesAfterEach()

  it("measures every transport with a partner that it starts itself, and takes it along", async () => {
    const bench = await heddle("bench", "--size", "10,2000", ...SMALL, "--json").ends(0)
    const rows = bench.text
      .trimEnd()
      .split("\n")
      .map(line => JSON.parse(line))
    assert.deepEqual(
      rows.map(row => [row.transport, row.size, row.messages, row.roundTrips]),
      ["tcp", "ipc", "inproc"].flatMap(transport => [10, 2000].map(size => [transport, size, 2000, 50])),
    )
    for (const { messagesPerSecond, bytesPerSecond, size, roundTrip } of rows) {
      assert.ok(messagesPerSecond > 0 && Number.isFinite(messagesPerSecond))
      assert.equal(bytesPerSecond, messagesPerSecond * size)
      const { p50, p90, p99, p999, max } = roundTrip
      assert.deepEqual(
        [p50, p90, p99, p999, max],
        [p50, p90, p99, p999, max].sort((a, b) => a - b),
      )
      assert.ok(p50 > 0)
    }
  })

  it("prints a table with a line for each size", async () => {
    const bench = await heddle("bench", "--transport", "ipc", "--size", "10,20", ...SMALL).ends(0)
    assert.match(
      bench.text,
      /^Node v.*\n.*\ntransport +size +messages\/s .*p99\.9 +max\nipc.* 10 B .*\nipc.* 20 B .*\n$/,
    )
  })

  it("--role: two commands measure between them, whichever binds", async () => {
    for (const [binder, connector] of [
      ["send", "receive"],
      ["receive", "send"],
    ]) {
      const address = lastingIpc()
      const args = ["bench", "--size", "10", ...SMALL, "--role"]
      const one = heddle(...args, binder, "--bind", address)
      const other = heddle(...args, connector, "--connect", address)
      await one.ends(0)
      await other.ends(0)
      assert.match(binder === "send" ? one.text : other.text, / 10 B /)
    }
  })

  it("a receiver whose sender leaves, or is something else, says so", async () => {
    const [one, two] = [lastingIpc(), lastingIpc()]
    const left = heddle("bench", "--role", "receive", "--bind", one, "--verbose")
    const sender = heddle("bench", "--role", "send", "--connect", one, "--size", "10", "--count", "1000000000")
    await left.prints("handshake")
    sender.child.kill("SIGKILL")
    await left.ends(1)
    assert.match(left.errors, /the other side left in the middle of a measurement/)
    const late = await heddle("bench", "--role", "receive", "--bind", two, "--timeout", "50").ends(1)
    assert.match(late.errors, /^heddle bench: EAGAIN: /)
  })
})
