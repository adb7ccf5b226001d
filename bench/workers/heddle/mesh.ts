import { directory, type Fabric, join } from "heddle"
import type { Arguments } from "../../task.ts"
import type { Parent } from "../parent.ts"
import { ownProcessorTime } from "../publishing.ts"

const enter = (task: Arguments): Promise<Fabric> =>
  join("bench-mesh", { discovery: [directory({ path: task.text("folder") })] })

/** Several nodes of the mesh; ready when each of them is linked with all others. */
export async function mesh(task: Arguments, parent: Parent): Promise<void> {
  const count = task.number("count")
  const nodes = await Promise.all(Array.from({ length: count }, () => enter(task)))
  await Promise.all(nodes.map(node => node.ready({ peers: task.number("nodes") - 1 })))
  parent.ready("")
  parent.onLine(line => {
    if (line === "tick") setInterval(() => nodes[0].publish("tick", 1), 1)
    parent.result({ cpu: ownProcessorTime() })
  })
  await parent.gone
}

/** One that joins when all others are there. Its clock starts when it calls `join`. */
export async function meshNewcomer(task: Arguments, parent: Parent): Promise<void> {
  const began = performance.now()
  const fabric = await enter(task)
  await fabric.subscribe("tick").receive()
  parent.result({ first: performance.now() - began })
  await parent.gone
}
