import type { Contestant } from "../peers/peer.ts"
import type { Settings } from "../settings.ts"

export interface Metric {
  readonly name: string
  readonly unit: string
  /** Which way is better; null = it is not a matter of comparing (a growth, a loss). */
  readonly better: "higher" | "lower" | null
  /** Is it worth a panel in the plot? */
  readonly plotted: boolean
  /** A word beside the figure in tables, where it needs one. */
  readonly remark?: (value: number) => string | null
}

/** Metric name to figure. A metric that a round could not measure is left out. */
export type Sample = Readonly<Record<string, number>>

/** One contestant at one size, ready for as many rounds as are wanted. */
export interface Session {
  round(): Promise<Sample>
  close(): Promise<void>
}

export interface Scenario {
  readonly name: string
  /** One line for people: what is measured. */
  readonly about: string
  /** What the figure in the column `size` counts. */
  readonly sizeUnit:
    | "bytes"
    | "subscriptions"
    | "connections"
    | "nodes"
    | "imports"
    | "seconds"
    | "outstanding"
    | "requests/s"
    | "% lost"
  readonly metrics: readonly Metric[]
  /** Paragraphs for those who do not know how to read the figures. */
  readonly explanation?: readonly string[]
  sizes(settings: Settings): readonly number[]
  rounds(settings: Settings): number
  /** Starts what stays up between rounds and finds out how much a round is. Rejects when that fails. */
  open(who: Contestant, size: number, settings: Settings): Promise<Session>
  /** Further metrics: the figures of `of`, divided by the same peer's at the smallest size measured. */
  readonly growths?: readonly { readonly of: string; readonly metric: Metric }[]
}

/** A session that keeps nothing between rounds. */
export function session(round: () => Promise<Sample>): Session {
  return { round, close: async () => {} }
}
