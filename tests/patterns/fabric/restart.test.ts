import assert from "node:assert/strict"
import { type Fabric, join, seeds } from "../../../index.ts"
import { type HostOfSimulation, simulate } from "../../../testing.ts"
import { events } from "./nodes.ts"

describe("fabric: a node that starts again at its old address, in virtual time", () => {
  it("FAB-LNK-10 keeps its link, though others go on looking for the one that was there before", async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const net = simulate({ seed, time: "virtual", delay: [1, 60] })
      const enter = (host: HostOfSimulation): Promise<Fabric> =>
        net.until(
          join("demo", {
            context: host.context,
            discovery: [seeds(["tcp://shop:7000"])],
            listen: "tcp://*:7000",
          }),
        )
      const [shop, stock] = [net.host("shop"), net.host("stock")]
      const sender = await enter(shop)
      const first = await enter(stock)
      // It has subscribed: the link of the one before has been used.
      first.subscribe("orders.*", () => {})
      await net.until(sender.ready({ subject: "orders.new" }))
      stock.crash()
      await net.until(first.close())
      const second = await enter(stock)
      const got: unknown[] = []
      second.subscribe("orders.*", ({ data }) => void got.push(data))
      await net.until(sender.ready({ subject: "orders.new" }))
      // Two newcomers may have dialled each other: then one of the connections ends.
      await net.run(1_000)
      const lost = [sender, second].map(node => [events(node, "down"), events(node, "gap")])
      const sent: number[] = []
      // Who counts as dead is dialled again every ten seconds.
      for (let second = 0; second < 60; second++) {
        sender.publish("orders.new", second)
        sent.push(second)
        await net.run(1_000)
      }
      assert.deepEqual(lost.flat(2), [], `seed ${seed}`)
      assert.deepEqual(got, sent, `seed ${seed}`)
      await net.until(Promise.all([sender.close(), second.close()]))
      await net.close()
    }
  })
})
