/** Asks the stock, and shows what can go wrong. Run: node dist/examples/microservices/client.js, with the server in another terminal */
import { type HeddleError, join, RemoteError } from "heddle"
import type { Shop } from "./contract.ts"

const fabric = await join<Shop>("shop", { name: "client" })
await fabric.ready({ subject: "stock.check", servers: 1 })

const { data } = await fabric.request("stock.check", { sku: "warp" })
console.log(`stock.check warp: ${data.left} left`)
const reply = await fabric.request("stock.take", { sku: "warp", count: 2 }, { timeout: 500 })
console.log(`stock.take 2 warp: ${reply.data.left} left, says ${reply.fromName}`)

for (const sku of ["weft", "silk"]) {
  try {
    await fabric.request("stock.take", { sku, count: 5 })
  } catch (error) {
    if (!(error instanceof RemoteError)) throw error
    console.log(`stock.take 5 ${sku}: ${error.remoteCode}, ${JSON.stringify(error.details ?? null)}`)
  }
}

// No waiting for a timeout: the fabric knows that nobody serves this.
const asked = fabric.request("prices.ask", { sku: "warp" }, { timeout: 60_000 })
console.log(`prices.ask warp: ${await asked.catch((error: HeddleError) => error.code)}`)

await fabric.close()
