/**
 * Ten minutes of a bad network in less than a second: loss, a partition, and a fabric that loses nothing. Run:
 * node dist/examples/simulated-network/main.js
 */
import { type Fabric, join, seeds } from "heddle"
import { type HostOfSimulation, simulate } from "heddle/testing"

// The same seed gives the same run: a failure can be looked at again.
const net = simulate({ seed: 7, time: "virtual", loss: 0.02, delay: [1, 20] })
const shop = net.host("shop")
const stock = net.host("stock")

// The program under test gets a context, and is otherwise as it is.
const node = (host: HostOfSimulation): Promise<Fabric> =>
  join("demo", { context: host.context, discovery: [seeds(["tcp://shop:7000"])], listen: "tcp://*:7000" })

const sender = await net.until(node(shop))
const receiver = await net.until(node(stock))
const missing = new Set<number>()
receiver.subscribe("orders.*", ({ data }) => {
  missing.delete(data as number)
})
await net.until(sender.ready({ subject: "orders.new", subscribers: 1 }))

for (let second = 0; second < 600; second++) {
  if (second === 200) {
    net.partition([shop], [stock])
    console.log("200 s: the network is parted")
  }
  if (second === 204) {
    console.log(`204 s: healed; ${missing.size} orders are under way`)
    net.heal()
  }
  missing.add(second)
  sender.publish("orders.new", second)
  await net.run(1_000)
}

console.log(`600 s: ${missing.size} of 600 orders are missing`)
await net.until(Promise.all([sender.close(), receiver.close()]))
await net.close()
