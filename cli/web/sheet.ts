/**
 * What the page of `heddle top --web` gets from its server, as JSON over Server-Sent Events: `hello` once, `sheet` once an interval,
 * `news` and `messages` as they come, `beat` when there is nothing else. The page imports these types: nothing of Node belongs here.
 */

/** "slow": more waits for a link than should, or messages are dropped; "silent": it does not answer questions; "down": its connection is broken. */
export type NodeState = "up" | "slow" | "suspect" | "silent" | "down"

/** Rates are per second, sizes in bytes, times in milliseconds. */
export interface NodeView {
  readonly id: string
  readonly name: string
  readonly pid: number
  readonly state: NodeState
  /** Why it is silent or down; "" = nothing to say. */
  readonly why: string
  /** process, host, network: as seen from the server of the page. */
  readonly distance: string
  /** Per cent of one core. */
  readonly cpu: number
  readonly memory: number
  readonly sent: number
  readonly received: number
  readonly bytesOut: number
  readonly bytesIn: number
  readonly dropped: number
  readonly queued: number
  readonly requests: number
  readonly tasks: number
  /** Plain ZeroMQ clients. */
  readonly clients: number
  /** Of a question of the page's server. */
  readonly roundTrip: number
  /** What it subscribes to, serves and works on, the busiest first; not all where there are many. */
  readonly takers: readonly TakerView[]
}

export interface TakerView {
  readonly kind: "subscription" | "service" | "worker"
  readonly pattern: string
  readonly queue: string
  readonly handled: number
  readonly queued: number
  readonly dropped: number
}

/** Two nodes; `a` is the one with the smaller id. */
export interface LinkView {
  readonly a: string
  readonly b: string
  readonly state: "up" | "slow" | "down"
  /** Messages from `a` to `b`, and back. */
  readonly there: number
  readonly back: number
  readonly bytesThere: number
  readonly bytesBack: number
  /** Messages that wait, on both sides. */
  readonly queued: number
  /** Null = not measured. */
  readonly roundTrip: number | null
}

export interface SubjectView {
  readonly subject: string
  readonly published: number
  readonly received: number
  /** Payload. */
  readonly bytes: number
  readonly total: number
}

/** Something that does not keep up: a peer, as the node that sends sees it, or a subscription, service or worker. */
export interface SlowView {
  readonly key: string
  readonly who: string
  readonly what: string
  readonly queued: number
  /** Sent and not acknowledged. */
  readonly bytes: number
  readonly dropped: number
}

export interface DropView {
  readonly node: string
  readonly name: string
  readonly reason: string
  readonly rate: number
  readonly total: number
}

export interface Sheet {
  /** When it was made (Unix time). */
  readonly at: number
  readonly published: number
  readonly bytesSent: number
  readonly dropped: number
  readonly nodes: readonly NodeView[]
  readonly links: readonly LinkView[]
  readonly subjects: readonly SubjectView[]
  readonly slow: readonly SlowView[]
  readonly drops: readonly DropView[]
  /** How many more there are of what is not listed whole. */
  readonly more: { readonly nodes: number; readonly links: number; readonly subjects: number }
}

export type NewsType = "join" | "leave" | "up" | "down" | "suspect" | "recover" | "gap" | "drop" | "silent" | "warning"

export interface News {
  /** Counts all news of this server. */
  readonly number: number
  readonly at: number
  readonly type: NewsType
  /** Name of the node; "" = of none. */
  readonly name: string
  readonly text: string
}

export interface Sample {
  readonly number: number
  readonly at: number
  readonly subject: string
  readonly from: string
  readonly size: number
  readonly encoding: string
  /** JSON, text, or bytes as hexadecimal numbers. */
  readonly kind: "json" | "text" | "hex"
  readonly preview: string
  /** The preview is not all of it. */
  readonly cut: boolean
  readonly headers: readonly (readonly [string, string])[]
}

/** Of the subject that the page has chosen. */
export interface Messages {
  readonly pattern: string
  /** All that have come since it was chosen, in this node. */
  readonly seen: number
  /** They come faster than is wanted: subscribed for a part of each second only. */
  readonly sampled: boolean
  readonly samples: readonly Sample[]
}

export interface Hello {
  /** Of this page's stream: what it chooses a subject with. */
  readonly page: string
  readonly fabric: string
  /** Milliseconds between two sheets. */
  readonly interval: number
  /** Of the newest sheets, the oldest first. */
  readonly history: History
  readonly news: readonly News[]
  readonly sheet: Sheet | null
}

export interface History {
  readonly published: readonly number[]
  readonly bytesSent: readonly number[]
  readonly dropped: readonly number[]
  readonly subjects: Readonly<Record<string, readonly number[]>>
  /** Round trips by the key of the link, `a b`. */
  readonly links: Readonly<Record<string, readonly number[]>>
}
