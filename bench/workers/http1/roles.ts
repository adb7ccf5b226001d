import type { Arguments } from "../../task.ts"
import { apiRoles } from "../api/roles.ts"
import { timeTrips } from "../meters.ts"
import type { Parent, Roles } from "../parent.ts"
import { versionOf } from "../version.ts"
import { http1, listen, openPool } from "./stock.ts"

async function hello(_task: Arguments, parent: Parent): Promise<void> {
  parent.result({ version: `node:http of ${process.version}, undici ${versionOf("undici")}` })
}

/** Sends back what it gets. */
async function replies(_task: Arguments, parent: Parent): Promise<void> {
  const address = await listen((request, response) => {
    const parts: Buffer[] = []
    request.on("data", part => parts.push(part))
    request.on("end", () => {
      const body = Buffer.concat(parts)
      response.writeHead(200, { "content-type": "application/octet-stream", "content-length": body.length })
      response.end(body)
    })
  })
  parent.ready(address)
  await parent.gone
}

async function requests(task: Arguments, parent: Parent): Promise<void> {
  const pool = openPool(task.text("endpoint"), 1)
  const payload = Buffer.alloc(task.number("size"), "x")
  const headers = { "content-type": "application/octet-stream" }
  const trip = async () => {
    const { body } = await pool.request({ method: "POST", path: "/echo", headers, body: payload })
    return Buffer.from(await body.arrayBuffer())
  }
  parent.result(await timeTrips(task, trip))
  await parent.gone
}

export const roles: Roles = { hello, reply: replies, request: requests, ...apiRoles(() => http1) }
