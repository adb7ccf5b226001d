import { Buffer } from "node:buffer"
import { badMapping } from "./failure.ts"

/** Connectors that a message may pass. Chains of bridges are short; more are a loop that renames itself. */
export const MAX_HOPS = 8

/** Bytes of one id: three names of 64 and what stands between them. */
const MAX_ID = 194

/** A list of hops, in both forms that it is needed in. */
export interface HopList {
  readonly text: string
  readonly bytes: Buffer
}

/** One connector, the same in all its instances. */
export interface Hop {
  /** `fabric.id`: which fabric its bridge is in. */
  readonly fabric: string
  readonly bridge: string
  readonly connector: string
}

/**
 * Where a message was last, as seen from the fabric of a connector: `here` = in this fabric; `returned` = in this fabric, and in another
 * since; `elsewhere` = never here, as far as its headers know.
 */
export type Whereabouts = "here" | "returned" | "elsewhere"

/** The list of connectors that a message has passed (hd.hops: `fabric/bridge/connector`, commas between), and what to do about it (MAP-4). */
export class Hops {
  private readonly id: string
  private readonly fabric: string
  private readonly most: number
  private readonly alone: HopList
  /** Messages that come one after the other mostly have come the same way. */
  private lastPassed = ""
  private last: HopList | null
  private lastPlace: Whereabouts = "elsewhere"

  /** Names are printable ASCII without comma, 194 together at most. `most` (hops.max): default 8. Throws ERR_CONFIG. */
  constructor({ fabric, bridge, connector }: Hop, most = MAX_HOPS) {
    const id = `${fabric}/${bridge}/${connector}`
    if (id.length > MAX_ID || fabric === "" || fabric.includes("/") || !/^[!-+\--~]+$/.test(id))
      throw badMapping(
        `${JSON.stringify(id.slice(0, MAX_ID))} cannot stand in hd.hops: names of fabrics, bridges and connectors have printable ASCII characters without comma and space, ${MAX_ID} together at most; rename it, or give the fabric an id (fabric.id)`,
      )
    this.id = id
    this.fabric = fabric
    this.most = most
    this.alone = { text: id, bytes: Buffer.from(id) }
    this.last = this.alone
  }

  /** The list with this connector at its end; null = it has been here, or has passed too many: drop it, and count. */
  add(passed: string | undefined): HopList | null {
    this.look(passed)
    return this.last
  }

  whereabouts(passed: string | undefined): Whereabouts {
    this.look(passed)
    return this.lastPlace
  }

  private look(passed = ""): void {
    if (passed === this.lastPassed) return
    // Longer than any list that is let through: not even split, nor kept.
    const ids = passed.length > this.most * (MAX_ID + 1) ? null : passed.split(",")
    this.lastPassed = ids === null ? " " : passed
    this.lastPlace = "elsewhere"
    this.last = null
    if (passed === "") this.last = this.alone
    else if (ids !== null) {
      const text = `${passed},${this.id}`
      if (ids.length < this.most && !ids.includes(this.id)) this.last = { text, bytes: Buffer.from(text) }
      const ours = ids.map(id => id.startsWith(this.fabric) && id[this.fabric.length] === "/")
      if (ours.at(-1)) this.lastPlace = ours.lastIndexOf(false) > ours.indexOf(true) ? "returned" : "here"
      else if (ours.includes(true)) this.lastPlace = "returned"
    }
  }
}
