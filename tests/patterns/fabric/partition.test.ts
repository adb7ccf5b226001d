import assert from "node:assert/strict"
import { type Fabric, join, seeds } from "../../../index.ts"
import { type HostOfSimulation, simulate } from "../../../testing.ts"

/** Of twenty runs without the remedy one lost a message: many short ones. */
const RUNS = 60

describe("fabric: a network in two parts, in virtual time", () => {
  it("FAB-LNK-2 loses nothing within the resume window, whichever side dials first when it is healed", async () => {
    for (let seed = 1; seed <= RUNS; seed++) {
      const net = simulate({ seed, time: "virtual", loss: 0.02, delay: [1, 60] })
      const enter = (host: HostOfSimulation): Promise<Fabric> =>
        net.until(
          join("demo", {
            context: host.context,
            discovery: [seeds(["tcp://shop:7000"])],
            listen: "tcp://*:7000",
          }),
        )
      const [shop, stock] = [net.host("shop"), net.host("stock")]
      const [sender, receiver] = [await enter(shop), await enter(stock)]
      const got: unknown[] = []
      receiver.subscribe("orders.*", ({ data }) => void got.push(data))
      await net.until(sender.ready({ subject: "orders.new", subscribers: 1 }))
      const sent: number[] = []
      for (let second = 0; second < 30; second++) {
        // Longer than the membership waits, shorter than the resume window; then both sides dial.
        if (second === 3) net.partition([shop], [stock])
        if (second === 23) net.heal()
        sender.publish("orders.new", second)
        sent.push(second)
        await net.run(1_000)
      }
      await net.run(5_000)
      await net.until(Promise.all([sender.close(), receiver.close()]))
      await net.close()
      assert.deepEqual(got, sent, `seed ${seed}`)
    }
  })
})
