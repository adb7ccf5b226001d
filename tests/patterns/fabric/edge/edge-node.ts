import { type Fabric, type JoinOptions, join } from "../../../../index.ts"
import type { EdgeOptions } from "../../../../patterns/fabric/edge/options.ts"
import { later } from "../../../support/cleanup.ts"

/** Both libraries that serve. */
export const SERVERS = ["uWebSockets.js", "ws"] as const

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
