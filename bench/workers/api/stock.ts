/** The service that every technology offers: how much is left of an article, and what so many of it cost. */
export interface StockRequest {
  readonly sku: string
  readonly quantity: number
}

export interface StockReply {
  readonly left: number
  /** In cents. */
  readonly price: number
}

const IN_STOCK = 1_000_000
const PRICE = 1999
/** Quantities repeat after so many requests: neighbours differ, so that an answer to another request is noticed. */
const QUANTITIES = 1000
/** By quantity less one: a client has the text from somewhere, and to put it together is not part of any call. */
const ARTICLES = Array.from({ length: QUANTITIES }, (_, i) => `HD-${10_001 + i}-XL`)

/** What a server does with a request. Next to nothing: it is the way there and back that is measured. */
export function check({ sku, quantity }: StockRequest): StockReply {
  if (typeof sku !== "string" || typeof quantity !== "number") throw new TypeError("not a request for stock")
  return { left: IN_STOCK - quantity, price: quantity * PRICE }
}

/** Request number `index` of a client. */
export function stockRequest(index: number): StockRequest {
  const article = index % QUANTITIES
  return { sku: ARTICLES[article], quantity: 1 + article }
}

export function isAnswer(reply: StockReply, { quantity }: StockRequest): boolean {
  return reply.left === IN_STOCK - quantity && reply.price === quantity * PRICE
}
