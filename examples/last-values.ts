/**
 * A cache with last values: publishers keep the newest message of each subject, and whoever comes late gets it first,
 * then the live flow. Run: node dist/examples/last-values.js
 */
import { join } from "heddle"
import { ownFolder } from "./support/processes.ts"

ownFolder()

// Three nodes in one process, to be short; nothing changes when each is a process of its own.
const exchange = await join("metals", { name: "exchange" })
exchange.keep("prices.>")
for (const [metal, price] of [
  ["copper", 9.81],
  ["tin", 33.2],
  ["copper", 9.84],
] as const)
  exchange.publish(`prices.${metal}`, price)

const cache = await join("metals", { name: "cache" })
const prices = new Map<string, number>()
const subscription = cache.subscribe("prices.>", { history: "last" })
cache.serve("ask.price", ({ data }) => prices.get(`prices.${data}`) ?? null)

await subscription.ready
exchange.publish("prices.copper", 9.9)

for (let i = 0; i < 3; i++) {
  const { subject, data, kept } = await subscription.receive()
  prices.set(subject, data as number)
  console.log(`${kept ? "kept" : "live"}: ${subject} ${data}`)
}

const client = await join("metals", { name: "client" })
for (const metal of ["copper", "tin", "lead"]) {
  const { data } = await client.request("ask.price", metal)
  console.log(`cache: ${metal} ${data ?? "unknown"}`)
}

await Promise.all([exchange.close(), cache.close(), client.close()])
