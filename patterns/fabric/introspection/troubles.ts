import type { FabricEvent } from "../events.ts"

export const DROP_REASONS = ["full", "conflated", "stale", "malformed", "unacknowledged"] as const

/** Why messages were dropped; the `reason` of "drop" events. */
export type FabricDropReason = (typeof DROP_REASONS)[number]

export interface TroubleStats {
  /** Messages that this node dropped, by reason. What a peer drops on the way here is counted there. */
  dropReasons: Record<FabricDropReason, number>
  /** Links that came back too late to go on without loss. */
  gaps: number
  /** Messages missing in these gaps, as far as somebody knows. */
  missing: number
}

/** Counts what events tell of losses: who asks later gets the sums. */
export class Troubles {
  private readonly dropReasons: Record<FabricDropReason, number> = noDrops()
  private gaps = 0
  private missing = 0

  note(event: FabricEvent): void {
    if (event.type === "drop") {
      if (event.where !== "peer") this.dropReasons[event.reason] += event.count
    } else if (event.type === "gap") {
      this.gaps++
      this.missing += event.missing ?? 0
    }
  }

  stats(): TroubleStats {
    return { dropReasons: { ...this.dropReasons }, gaps: this.gaps, missing: this.missing }
  }
}

export function noDrops(): Record<FabricDropReason, number> {
  return { full: 0, conflated: 0, stale: 0, malformed: 0, unacknowledged: 0 }
}
