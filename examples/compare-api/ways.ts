/** The order service: four ways to get three steps done by others. */
import type { Fabric } from "heddle"

/** Each step, and how long it takes (milliseconds). */
export const STEPS = { stock: 10, payment: 30, shipping: 20 }
const names = Object.keys(STEPS)

/** Places an order, and resolves when the caller may go on. `complete` is called when all three steps are done. */
export type Way = (complete: () => void) => Promise<void>

export function waysOf(fabric: Fabric): Record<string, Way> {
  // With events nobody hands the state of an order back: whoever wants to know it keeps it.
  const open = new Map<number, { steps: Set<string>; complete(): void }>()
  let lastId = 0
  const opened = (complete: () => void): number => {
    open.set(++lastId, { steps: new Set(), complete })
    return lastId
  }
  fabric.subscribe("order.done.*", ({ subject, data: id }) => {
    const order = open.get(id)
    if (order === undefined || order.steps.add(subject).size < names.length) return
    open.delete(id)
    order.complete()
  })

  return {
    "requests, in turn": async complete => {
      for (const name of names) await fabric.request(`${name}.request`, null)
      complete()
    },
    "requests, together": async complete => {
      await Promise.all(names.map(name => fabric.request(`${name}.request`, null)))
      complete()
    },
    event: async complete => {
      fabric.publish("order.placed", opened(complete))
    },
    tasks: async complete => {
      const id = opened(complete)
      for (const name of names) await fabric.push(`${name}.task`, id)
    },
  }
}
