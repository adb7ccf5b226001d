import { Buffer } from "node:buffer"
import { badMapping } from "./failure.ts"

/** Connectors that a message may pass. Chains of bridges are short; more are a loop that renames itself. */
export const MAX_HOPS = 8

/** Bytes of one id. */
const MAX_ID = 128

/** A list of hops, in both forms that it is needed in. */
export interface HopList {
  readonly text: string
  readonly bytes: Buffer
}

/** The list of logical connectors that a message has passed (hd.hops), and what to do about it (MAP-4). */
export class Hops {
  private readonly id: string
  private readonly most: number
  private readonly alone: HopList
  /** Messages that come one after the other mostly have come the same way. */
  private lastPassed = ""
  private last: HopList | null

  /**
   * `id`: of the connector, the same in all its instances, such as "bridge/connector"; printable ASCII without comma, at most 128. `most`
   * (hops.max): default 8. Throws ERR_CONFIG.
   */
  constructor(id: string, most = MAX_HOPS) {
    if (id.length > MAX_ID || !/^[!-+\--~]+$/.test(id))
      throw badMapping(
        `${JSON.stringify(id.slice(0, MAX_ID))} cannot stand in hd.hops: names of bridges and connectors have printable ASCII characters without comma and space, ${MAX_ID} together at most; rename it`,
      )
    this.id = id
    this.most = most
    this.alone = { text: id, bytes: Buffer.from(id) }
    this.last = this.alone
  }

  /** The list with this connector at its end; null = it has been here, or has passed too many: drop it, and count. */
  add(passed: string | undefined): HopList | null {
    if (passed === undefined || passed === "") return this.alone
    // Longer than any list that is let through: not even split, nor kept.
    if (passed.length > this.most * (MAX_ID + 1)) return null
    if (passed === this.lastPassed) return this.last
    const ids = passed.split(",")
    const text = `${passed},${this.id}`
    this.last = ids.length >= this.most || ids.includes(this.id) ? null : { text, bytes: Buffer.from(text) }
    this.lastPassed = passed
    return this.last
  }
}
