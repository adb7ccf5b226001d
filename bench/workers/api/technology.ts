import type { StockReply, StockRequest } from "./stock.ts"

/** The client's end of a technology. */
export interface Client {
  /** One request and its reply. Rejects when the technology says that it failed. */
  check(request: StockRequest): Promise<StockReply>
  close(): Promise<void>
}

/** One way to call the service of `stock.ts`, as an application would be written with it. */
export interface Technology {
  /** Serves until the process ends. Resolves with an address that ends in HOST:PORT. */
  serve(): Promise<string>
  dial(address: string): Promise<Client>
}

/**
 * Connections of a technology that answers one request at a time on each (HTTP/1.1): as many as requests are
 * outstanding in the closed loop, so that none waits for a connection there.
 */
export const CONNECTIONS = 100
