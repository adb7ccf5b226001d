import { loadMsgpack } from "../../core/codecs/msgpack.ts"
import type { Context } from "../../core/context.ts"
import { HeddleError } from "../../core/errors.ts"
import { hold, release } from "../../core/keep-alive.ts"
import { directory } from "./discovery/directory.ts"
import type { Discovery } from "./discovery/discovery.ts"
import { type EdgeSettings, edgeSettingsOf } from "./edge/options.ts"
import { Fabric } from "./fabric.ts"
import { ZeromqClients } from "./foreign/zeromq-clients.ts"
import { Node } from "./node.ts"
import { checkFabricName, type JoinOptions } from "./options.ts"
import type { Subjects } from "./typed-subjects.ts"
import { programName } from "./whereabouts.ts"

/** Where a node listens when neither the user nor discovery says so: a port of its own, not reachable from elsewhere. */
const FALLBACK = "tcp://127.0.0.1:0"

/**
 * Makes this process a node of the fabric: it listens, finds the others, and resolves when all that were found are linked and their wishes
 * known. `S` maps subject patterns to payload types. Rejects with EINVAL, and as `bind` and discovery do (EADDRINUSE,
 * EACCES, ENAMETOOLONG...).
 */
export async function join<S extends object = Subjects>(
  name: string,
  options: JoinOptions & { context: Context },
): Promise<Fabric<S>> {
  checkFabricName(name)
  const door = options.edge === undefined ? null : edgeSettingsOf(options.edge)
  hold()
  try {
    await loadMsgpack()
    const node = new Node(name, (options.name ?? programName()).slice(0, 256), options.context, options)
    const clients = new ZeromqClients(node)
    node.foreignClients = clients
    const discovery = options.discovery ?? [directory()]
    let fabric: Fabric<S>
    try {
      const bound = await node.peers.start(
        await listensOn(name, node.id, discovery, options.listen),
        options.advertise,
        discovery,
      )
      await node.sync()
      fabric = new Fabric<S>(node, bound)
    } catch (error) {
      await Promise.all([clients.close(), node.peers.close()])
      throw error
    }
    if (door !== null) await openEdge(node, fabric as unknown as Fabric, options.context, door)
    return fabric
  } finally {
    release()
  }
}

/** The edge is loaded when one is asked for. Rejects as listening does; the fabric is then closed. */
async function openEdge(node: Node, fabric: Fabric, context: Context, settings: EdgeSettings): Promise<void> {
  try {
    const { Edge } = await import("./edge/edge.ts")
    node.edge = await Edge.open(node, fabric, context.web, settings)
  } catch (error) {
    await fabric.close()
    throw error
  }
}

async function listensOn(
  fabric: string,
  node: string,
  discovery: readonly Discovery[],
  wish: string | readonly string[] | undefined,
): Promise<readonly string[]> {
  if (typeof wish === "string") return [wish]
  if (wish !== undefined) {
    if (!Array.isArray(wish))
      throw new HeddleError("EINVAL", "Invalid argument: option listen takes an endpoint or a list of endpoints")
    return wish
  }
  const wanted: string[] = []
  for (const one of discovery) {
    const endpoint = await one.endpoint?.(fabric, node)
    if (typeof endpoint === "string") wanted.push(endpoint)
  }
  // Found by addresses alone: a port is needed besides a socket in a folder.
  return wanted.length > 0 && discovery.every(one => one.endpoint !== undefined) ? wanted : [...wanted, FALLBACK]
}
