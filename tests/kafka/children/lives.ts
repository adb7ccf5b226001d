import type { Sample } from "../../../bridge-kafka/metrics/prometheus.ts"

/** Where a bridge kills itself: around each thing that it does for a message. "" = it lives. */
export type Point =
  | ""
  | "before-write"
  | "after-write"
  | "before-sync"
  | "after-sync"
  | "before-produce"
  | "within-produce"
  | "after-produce"
  | "before-release"
  | "before-reply"
  /** A shard was taken over, its checkpoint is not read yet; or not to the end. */
  | "after-fence"
  | "within-checkpoint"
  /** Of a source. */
  | "after-hand-over"
  | "after-acknowledgement"
  | "before-commit"
  | "after-commit"

/** Where a process finds its fabric. */
export interface Place {
  readonly fabric: string
  /** An endpoint of one of its nodes. */
  readonly node: string
  /** Milliseconds that one who does not answer is suspected before the others go on without it. Default: the fabric's. */
  readonly suspicion?: number
}

/** What children/bridge.ts is to be. */
export interface BridgeLife extends Place {
  /** As in the file of a bridge. */
  readonly config: Readonly<Record<string, unknown>>
  readonly point: Point
  /** It dies when it comes by for that time. */
  readonly times: number
  /** It begins when it is told to: a line on its standard input. */
  readonly held: boolean
}

/** What children/bridge.ts says of itself. */
export interface BridgeReport {
  readonly connectors: readonly {
    readonly name: string
    readonly state: string
    readonly trouble: string | null
    readonly tasks: readonly { readonly id: string; readonly state: string }[]
    readonly waiting: number
    readonly counters: Readonly<Record<string, number>>
  }[]
  /** Lines of its log. */
  readonly log: readonly string[]
  /** Its metrics. */
  readonly samples: readonly Sample[]
}

/** What children/publisher.ts is to be. */
export interface PublisherLife extends Place {
  readonly bridge: string
  readonly ack: "stored" | "spooled"
  /** `${prefix}.s0`, `${prefix}.s1`… by turns. */
  readonly prefix: string
  readonly subjects: number
  /** Bytes of a message, at least as many as its number has. */
  readonly size: number
  readonly maxInFlight: number
  /** Milliseconds that its clock is ahead. */
  readonly ahead: number
}

/** What children/publisher.ts says of itself: messages are numbered from 0. */
export interface PublisherReport {
  readonly published: number
  /** First and last of each range of numbers that were acknowledged. */
  readonly acknowledged: readonly (readonly [first: number, last: number])[]
  /** How many were refused, by code. */
  readonly refused: Readonly<Record<string, number>>
}
