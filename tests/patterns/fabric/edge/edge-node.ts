import type { WebServerKind } from "../../../../core/web.ts"
import { type Fabric, type JoinOptions, join } from "../../../../index.ts"
import type { EdgeOptions } from "../../../../patterns/fabric/edge/options.ts"
import { loadUws } from "../../../../transports/ws/uws.ts"
import { later } from "../../../support/cleanup.ts"

/** The libraries that serve, as far as they load here: uWebSockets.js has binaries for some versions of Node only. */
export const SERVERS: readonly WebServerKind[] = loadUws() === null ? ["ws"] : ["uWebSockets.js", "ws"]

let fabrics = 0

/** A node with an edge on a port of its own. */
export async function open(
  edge: Omit<EdgeOptions, "listen">,
  options: JoinOptions = {},
): Promise<{ node: Fabric; endpoint: string; http: string }> {
  const node = await join(`edge-${process.pid}-${fabrics++}`, {
    discovery: [],
    edge: { listen: "ws://127.0.0.1:0", ...edge },
    ...options,
  })
  later(() => node.close())
  const endpoint = node.edgeEndpoints[0]
  return { node, endpoint, http: endpoint.replace(/^ws/, "http").replace(/\/$/, "") }
}
