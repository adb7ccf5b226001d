import { type Fabric, join, seeds } from "heddle"

const FABRIC = "bench"

/** Milliseconds for a reply: longer than any round, the watchdog of the parent ends a measurement. */
export const TIMEOUT = 120_000

/** The first node, which others find by its endpoint. */
export async function listenAt(endpoint: string): Promise<Fabric> {
  return join(FABRIC, { listen: endpoint, discovery: [] })
}

export async function joinAt(endpoint: string): Promise<Fabric> {
  return join(FABRIC, { discovery: [seeds([endpoint])] })
}
