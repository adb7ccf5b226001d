/** The stock: a service. Start as many as you like: each request goes to one of them. Run: node dist/examples/microservices/server.js */
import { join, ServiceError } from "heddle"
import type { Shop } from "./contract.ts"

const fabric = await join<Shop>("shop", { name: "stock" })
const stock = new Map([
  ["warp", 12],
  ["weft", 3],
])

function left(sku: string): number {
  const count = stock.get(sku)
  // A ServiceError carries a code for the client's program; any other error arrives with its text.
  if (count === undefined) throw new ServiceError("UNKNOWN_SKU", `there is no ${sku}`)
  return count
}

fabric.serve("stock.check", ({ data }) => ({ left: left(data.sku) }), { queue: "stock" })
fabric.serve(
  "stock.take",
  ({ data: { sku, count } }) => {
    if (left(sku) < count) throw new ServiceError("TOO_FEW", `${count} of ${sku} are wanted`, { left: left(sku) })
    stock.set(sku, left(sku) - count)
    return { left: left(sku) }
  },
  { queue: "stock" },
)

process.once("SIGTERM", () => void fabric.drain())
