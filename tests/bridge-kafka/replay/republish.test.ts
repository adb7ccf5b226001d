import assert from "node:assert/strict"
import { replay } from "../../../bridge-kafka/replay/client.ts"
import { republisher } from "../../../bridge-kafka/replay/republish.ts"
import { ReplayService } from "../../../bridge-kafka/replay/service.ts"
import { collect, overTcp, range } from "../../patterns/fabric/nodes.ts"
import { closesAfterEach, later } from "../../support/cleanup.ts"
import { MemoryStore } from "./memory-store.ts"

describe("replay to subjects", () => {
  closesAfterEach()

  it("publishes anew, marked, with the place in Kafka; what passed the sink before has passed it now, too", async () => {
    const [client, server] = await overTcp(2)
    const got = collect(client, "orders.>", { policy: "block", limit: 10 })
    await got.subscription.ready
    const store = new MemoryStore()
    for (let i = 0; i < 500; i++) store.add("orders.1", i, { headers: [["hd.hops", Buffer.from("f/box/out")]] })
    const republish = republisher({ fabric: server, fabricId: "f", bridge: "box" })
    const service = new ReplayService({ fabric: server, bridge: "box", stores: new Map([["out", store]]), republish })
    await service.start()
    later(() => service.close())
    const messages = replay(client, "box", { to: "subjects" })
    for await (const _ of messages) assert.fail("nothing comes to the asker")
    assert.equal(messages.count, 500)
    assert.deepEqual(await got.count(500), range(500))
    const { headers } = got.messages[7]
    assert.equal(headers.get("hd.replay"), "1")
    assert.equal(headers.get("hd.kafka"), "memory/orders/0/7")
    // The sink "out" of this bridge drops what has its name here.
    assert.equal(headers.get("hd.hops"), "f/box/out,f/box/replay")
  })
})
