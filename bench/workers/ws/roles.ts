import { once } from "node:events"
import type { AddressInfo } from "node:net"
import { WebSocket, WebSocketServer } from "ws"
import type { Arguments } from "../../task.ts"
import { Calls } from "../api/calls.ts"
import { apiRoles } from "../api/roles.ts"
import { check } from "../api/stock.ts"
import type { Technology } from "../api/technology.ts"
import { edgeRoles, type OpenEdge } from "../edge.ts"
import type { Parent, Roles } from "../parent.ts"
import { versionOf } from "../version.ts"

async function hello(_task: Arguments, parent: Parent): Promise<void> {
  parent.result({ version: `ws ${versionOf("ws")}` })
}

/** WebSocket without TLS or compression: JSON with a number for each request, `ws` on both sides. */
const ws: Technology = {
  async serve() {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0 })
    server.on("connection", socket => {
      socket.on("message", data => {
        const request = JSON.parse(data.toString())
        socket.send(JSON.stringify({ id: request.id, ...check(request) }))
      })
    })
    await once(server, "listening")
    return `127.0.0.1:${(server.address() as AddressInfo).port}`
  },

  async dial(address) {
    const socket = new WebSocket(`ws://${address}`, { perMessageDeflate: false })
    const calls = new Calls()
    socket.on("message", data => {
      const reply = JSON.parse(data.toString())
      calls.settle(reply.id, reply)
    })
    await once(socket, "open")
    return {
      check: request => calls.make(id => socket.send(JSON.stringify({ id, ...request }))),
      close: async () => socket.close(),
    }
  },
}

/** Each message to each client, as everybody writes it. */
const openEdge: OpenEdge = async echo => {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false })
  server.on("connection", socket => {
    socket.on("error", () => {})
    if (echo) socket.on("message", data => socket.send(data))
  })
  await once(server, "listening")
  return {
    endpoint: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    publish: payload => {
      for (const client of server.clients) client.send(payload)
    },
  }
}

export const roles: Roles = { hello, ...apiRoles(() => ws), ...edgeRoles(openEdge) }
