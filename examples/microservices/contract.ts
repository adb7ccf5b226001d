/** What the two programs agree on. A wrong subject, request or reply does not compile. */
import type { Exchange } from "heddle"

export interface Shop {
  "stock.check": Exchange<{ sku: string }, { left: number }>
  "stock.take": Exchange<{ sku: string; count: number }, { left: number }>
  "prices.ask": Exchange<{ sku: string }, { cents: number }>
}
