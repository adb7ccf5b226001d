import type { StockReply } from "./stock.ts"

/** Callers that wait for their replies, where request and reply are messages of their own: told apart by a number. */
export class Calls {
  private readonly waiting = new Map<number, (reply: StockReply) => void>()
  private last = 0

  /** Sends a request with its number by `send`; resolves with the reply of the same number. */
  make(send: (id: number) => void): Promise<StockReply> {
    const id = ++this.last
    return new Promise(resolve => {
      this.waiting.set(id, resolve)
      send(id)
    })
  }

  settle(id: number, reply: StockReply): void {
    this.waiting.get(id)?.(reply)
    this.waiting.delete(id)
  }
}
