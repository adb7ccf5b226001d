import type { FabricEvent } from "./events.ts"
import type { ClientName } from "./foreign/clients.ts"
import type { Link } from "./link/link.ts"
import { nameOf } from "./peers.ts"

type DropEvent = Extract<FabricEvent, { type: "drop" }>
export type DropWhere = DropEvent["where"]
export type DropWhy = DropEvent["reason"]

/** Different drops that one turn reports; beyond it there is no use in reading them one by one. */
const MAX_DROP_KINDS = 1_000

/** Messages that were dropped in this turn, for the events that say so. */
export class Drops {
  private readonly drops = new Map<string, DropEvent & { count: number }>()
  private readonly emit: (event: FabricEvent) => void

  constructor(emit: (event: FabricEvent) => void) {
    this.emit = emit
  }

  add(
    where: DropWhere,
    link: Link | null,
    pattern: string,
    reason: DropWhy,
    count: number,
    client: ClientName | null,
  ): void {
    // Where one is dropped, many are: one event a turn says how many.
    const key = `${where} ${link?.node ?? client?.address} ${reason} ${pattern}`
    const known = this.drops.get(key)
    if (known !== undefined) {
      known.count += count
      return
    }
    if (this.drops.size === 0) setImmediate(() => this.tell())
    if (this.drops.size < MAX_DROP_KINDS) {
      const peer = link === null ? null : nameOf(link)
      this.drops.set(key, { type: "drop", where, peer, pattern, reason, count, ...(client && { client }) })
    }
  }

  private tell(): void {
    const drops = [...this.drops.values()]
    this.drops.clear()
    for (const drop of drops) this.emit(drop)
  }
}
