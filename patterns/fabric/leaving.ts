import { hold, release } from "../../core/keep-alive.ts"
import { LEAVING, NOTICE } from "./link/records.ts"
import { writeNumbers } from "./link/write.ts"
import type { Node } from "./node.ts"
import { Subscription } from "./subscription.ts"
import { Worker } from "./tasks/worker.ts"
import type { Waits } from "./waits.ts"

/**
 * Leaves in order, for so many milliseconds at most: what has come is handled and answered, what this node has asked for is done,
 * everything published is delivered. `handled`: no handler is at work any more.
 */
export async function drain(node: Node, waits: Waits, timeout: number, handled: () => void): Promise<void> {
  hold()
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>(resolve => {
    timer = setTimeout(resolve, timeout)
  })
  try {
    for (const link of node.peers.links.values()) writeNumbers(link.outgoing, NOTICE, [LEAVING])
    await Promise.race([finish(node, waits, handled), late])
  } finally {
    clearTimeout(timer)
    release()
  }
}

/** Peers are told, what is queued for them is sent if they take it. */
export async function leave(node: Node): Promise<void> {
  hold()
  try {
    for (const taker of new Set([...node.wishes.takers(), ...node.retiring])) {
      if (taker instanceof Subscription) taker.unsubscribe()
      else taker.close()
    }
    node.requests.close()
    node.tasks.close()
    node.publishing.wake()
    // Before the goodbye, after which peers take nothing.
    for (const link of node.peers.links.values()) link.outgoing.flush()
    await node.carry?.leave()
    await Promise.all([node.edge?.close(), node.foreignClients?.close(), node.carry?.close(), node.peers.close()])
  } finally {
    release()
    node.emit({ type: "end" })
    node.wake()
    node.publishing.wake()
  }
}

async function finish(node: Node, waits: Waits, handled: () => void): Promise<void> {
  const takers = [...node.wishes.takers()]
  node.foreignClients?.drain()
  node.edge?.drain()
  await Promise.all(
    takers.map(async taker => {
      // Tasks of this node may have no other worker than this one; peers send none to who leaves.
      if (taker instanceof Worker) await node.tasks.idle()
      await taker.drain()
    }),
  )
  handled()
  // What handlers have begun last. Each may wait for another: a push for room, a request for its answer.
  while (waits.length > 0 || node.tasks.outstanding > 0 || node.requests.outstanding > 0) {
    await waits.settled()
    await node.tasks.idle()
    await node.requests.idle()
    await node.flush()
  }
  await node.flush()
}
