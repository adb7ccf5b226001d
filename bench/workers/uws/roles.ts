import { createRequire } from "node:module"
import type { Arguments } from "../../task.ts"
import { edgeRoles, type OpenEdge } from "../edge.ts"
import type { Parent, Roles } from "../parent.ts"
import { versionOf } from "../version.ts"

/** What is used of uWebSockets.js, which brings its types only with its official builds. */
interface Socket {
  send(message: ArrayBuffer, binary: boolean): number
  subscribe(topic: string): void
}

interface Server {
  ws(
    path: string,
    behaviour: {
      maxBackpressure: number
      idleTimeout: number
      open?(socket: Socket): void
      message?(socket: Socket, message: ArrayBuffer): void
    },
  ): Server
  publish(topic: string, message: Uint8Array, binary: boolean): boolean
  listen(host: string, port: number, done: (socket: object | false) => void): Server
}

interface Library {
  App(): Server
  us_socket_local_port(socket: object): number
}

async function hello(_task: Arguments, parent: Parent): Promise<void> {
  parent.result({ version: `uWebSockets.js ${versionOf("uWebSockets.js")}` })
}

/** Bare: a topic, and an echo. */
const openEdge: OpenEdge = async echo => {
  const library = createRequire(import.meta.url)("uWebSockets.js") as Library
  const server = library.App().ws("/*", {
    maxBackpressure: 1024 * 1024,
    idleTimeout: 120,
    open: socket => void socket.subscribe("all"),
    message: (socket, message) => {
      if (echo) socket.send(message, true)
    },
  })
  const listening = await new Promise<object | false>(resolve => server.listen("127.0.0.1", 0, resolve))
  if (listening === false) throw new Error("uWebSockets.js could not listen")
  return {
    endpoint: `ws://127.0.0.1:${library.us_socket_local_port(listening)}`,
    publish: payload => void server.publish("all", payload, true),
  }
}

export const roles: Roles = { hello, ...edgeRoles(openEdge) }
