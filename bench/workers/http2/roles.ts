import { once } from "node:events"
import { type ClientHttp2Session, connect, createServer, type ServerHttp2Stream } from "node:http2"
import type { AddressInfo } from "node:net"
import type { Arguments } from "../../task.ts"
import { apiRoles } from "../api/roles.ts"
import { check, type StockReply, type StockRequest } from "../api/stock.ts"
import type { Technology } from "../api/technology.ts"
import type { Parent, Roles } from "../parent.ts"

async function hello(_task: Arguments, parent: Parent): Promise<void> {
  parent.result({ version: `node:http2 of ${process.version}` })
}

function answer(stream: ServerHttp2Stream): void {
  const parts: Buffer[] = []
  stream.on("error", () => {}) // Of this stream alone: the client has gone, and hears of nothing any more.
  stream.on("data", (part: Buffer) => parts.push(part))
  stream.on("end", () => {
    const body = JSON.stringify(check(JSON.parse(Buffer.concat(parts).toString())))
    stream.respond({ ":status": 200, "content-type": "application/json", "content-length": Buffer.byteLength(body) })
    stream.end(body)
  })
}

function ask(session: ClientHttp2Session, request: StockRequest): Promise<StockReply> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": "/stock/check",
      "content-type": "application/json",
    })
    const parts: Buffer[] = []
    let status = 0
    stream.on("response", headers => {
      status = headers[":status"] ?? 0
    })
    stream.on("error", reject)
    stream.on("data", (part: Buffer) => parts.push(part))
    stream.on("end", () => {
      if (status === 200) resolve(JSON.parse(Buffer.concat(parts).toString()))
      else reject(new Error(`status ${status}`))
    })
    stream.end(JSON.stringify(request))
  })
}

/** HTTP/2 without TLS: JSON in a POST, a stream for each request on one connection, node:http2 on both sides. */
const http2: Technology = {
  async serve() {
    const server = createServer().listen(0, "127.0.0.1")
    server.on("stream", answer)
    await once(server, "listening")
    return `127.0.0.1:${(server.address() as AddressInfo).port}`
  },

  async dial(address) {
    const session = connect(`http://${address}`)
    await once(session, "connect")
    return {
      check: request => ask(session, request),
      close: () => new Promise(resolve => session.close(resolve)),
    }
  },
}

export const roles: Roles = { hello, ...apiRoles(() => http2) }
