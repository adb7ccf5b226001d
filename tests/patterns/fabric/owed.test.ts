import assert from "node:assert/strict"
import { closesAfterEach } from "../../support/cleanup.ts"
import { until } from "../../support/wait.ts"
import { events, withValve } from "./nodes.ts"

/** Bytes that the server keeps for a client; four times as many may be owed (receiving.ts). */
const WINDOW = 16 * 1024
const REPLY = Buffer.alloc(1_000)

describe("fabric: a client that sends and does not read", () => {
  closesAfterEach()

  it("is owed a bounded number of bytes; its further requests are passed over, counted, and it is served again when it reads", async () => {
    const { publisher: server, subscriber: client, valve } = await withValve(WINDOW)
    let handled = 0
    const service = server.serve("get", () => {
      handled++
      return REPLY
    })
    await service.ready
    const drops = events(server, "drop")
    valve.stall()
    let settled = 0
    const requests = Array.from({ length: 1_000 }, () => {
      const request = client.request("get", null, { timeout: 60_000 })
      const over = (): void => void settled++
      request.then(over, over)
      return request
    })
    await until(() => handled + service.refused === requests.length)
    const owed = server.stats().peers[0].unacknowledged
    assert.ok(service.refused > 0)
    // One reply more may begin within the bound, and those that are written in one turn.
    assert.ok(owed > 4 * WINDOW && owed < 8 * WINDOW, `${owed} bytes`)
    await until(() => drops.reduce((sum, { count }) => sum + count, 0) === service.refused)
    for (const { where, reason, peer, pattern } of drops)
      assert.deepEqual([where, reason, peer?.name, pattern], ["here", "full", client.name, "get"])
    assert.equal(settled, 0)
    valve.flow()
    await until(() => settled === handled)
    await until(() => server.stats().peers[0].unacknowledged === 0)
    const before = handled
    assert.equal((await client.request("get", null)).bytes.length, REPLY.length)
    assert.equal(handled, before + 1)
    for (const request of requests) request.catch(() => {})
  })
})
