import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { Pool } from "undici"
import { check, type StockReply } from "../api/stock.ts"
import { CONNECTIONS, type Technology } from "../api/technology.ts"

/** Milliseconds for which idle connections stay open on both sides: longer than other contestants take their turns. */
const KEEP_ALIVE = 600_000

function answer(request: IncomingMessage, response: ServerResponse): void {
  const parts: Buffer[] = []
  request.on("data", part => parts.push(part))
  request.on("end", () => {
    const body = JSON.stringify(check(JSON.parse(Buffer.concat(parts).toString())))
    response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) })
    response.end(body)
  })
}

/** A server on loopback with keep-alive. */
export async function listen(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE }, answer).listen(0, "127.0.0.1")
  await once(server, "listening")
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Connections that wait for the next request, one request at a time on each. */
export function openPool(address: string, connections: number): Pool {
  return new Pool(`http://${address}`, {
    connections,
    keepAliveTimeout: KEEP_ALIVE,
    keepAliveMaxTimeout: KEEP_ALIVE,
  })
}

/** HTTP/1.1: JSON in a POST, node:http and undici. */
export const http1: Technology = {
  serve: () => listen(answer),

  async dial(address) {
    const pool = openPool(address, CONNECTIONS)
    const headers = { "content-type": "application/json" }
    return {
      async check(request) {
        const body = JSON.stringify(request)
        const response = await pool.request({ method: "POST", path: "/stock/check", headers, body })
        if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`)
        return (await response.body.json()) as StockReply
      },
      close: () => pool.close(),
    }
  },
}
