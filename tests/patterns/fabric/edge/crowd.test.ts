import assert from "node:assert/strict"
import * as P from "../../../../patterns/fabric/edge/protocol.ts"
import { closesAfterEach } from "../../../support/cleanup.ts"
import { until } from "../../../support/wait.ts"
import { another } from "../nodes.ts"
import { RawEdgeClient } from "./edge-client.ts"
import { open } from "./edge-node.ts"

const CLIENTS = 1_000

describe("A crowd at the edge", () => {
  closesAfterEach()

  it("gets everything that a node elsewhere publishes, by one subscription of the fabric", async function () {
    this.timeout(60_000)
    const { node, endpoint } = await open({ subscribe: ["ticks.>"] }, { listen: "tcp://127.0.0.1:0" })
    const publisher = await another(node)
    await publisher.ready({ peers: 1 })
    const clients: RawEdgeClient[] = []
    while (clients.length < CLIENTS) {
      clients.push(...(await Promise.all(Array.from({ length: 50 }, () => RawEdgeClient.open(endpoint)))))
    }
    for (const client of clients) client.subscribe(1, "ticks.*")
    for (const client of clients) await client.first(P.READY)
    assert.deepEqual([node.stats().edge?.clients, node.stats().edge?.channels], [CLIENTS, 1])
    assert.equal(node.stats().takers.length, 1)
    await publisher.ready({ subject: "ticks.a", subscribers: 1 })
    for (let i = 0; i < 200; i++) publisher.publish("ticks.a", `${i}`, { codec: "string" })
    const [{ channel }] = clients[0].all(P.SUBSCRIBED)
    const expected = Array.from({ length: 200 }, (_, i) => `${i}`)
    for (const client of clients) {
      await until(() => client.position(channel) >= 200)
      assert.deepEqual(client.values(channel), expected)
    }
    assert.equal(node.stats().edge?.deliveries, 200 * CLIENTS)
    for (const client of clients) client.socket.terminate()
    await until(() => node.stats().edge?.clients === 0)
  })
})
