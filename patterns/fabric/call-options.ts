/** What the methods of a fabric take besides their subject and data. */
import type { PolicyName } from "./backlog.ts"
import type { KeepOptions } from "./history.ts"
import type { FabricMessage } from "./message.ts"
import type { PublishOptions } from "./publishing.ts"
import type { Untyped } from "./typed-subjects.ts"

export interface SubscribeOptions {
  /** Queue group: each message goes to one member of all that have this name. */
  queue?: string
  /** What happens when messages come faster than they are handled. Default "drop-new". */
  policy?: PolicyName
  /** Messages that may wait, here and at each publisher. Default: the fabric's `highWaterMark`. */
  limit?: number
  /** For the policy "keep-last": newest messages kept for each subject. Default 1. */
  keep?: number
  /** Milliseconds that a message may wait; older ones are dropped. Default 0: any. */
  ttl?: number
  /** What publishers have kept (`fabric.keep`) comes first: the last message of each subject, or so many. Default none. */
  history?: "last" | number
  /** Handlers that return promises: so many at a time; others wait. Default 1: in order. */
  concurrency?: number
  /** Ends by itself after so many messages. Default 0: never. */
  max?: number
}

export interface ServeOptions {
  /** Queue group: `requestMany` asks one member of each. Default: none, every server is asked. */
  queue?: string
  /** Handlers at a time; 0 = no limit. Default 0. */
  concurrency?: number
  /** Requests that may wait for the handler; more are refused with EBUSY. Default 1,000. */
  limit?: number
}

export interface WorkOptions {
  /** Handlers at a time. Default 1. */
  concurrency?: number
  /** Tasks that may be under way besides, so that the worker never waits for the next. Default 1. */
  prefetch?: number
  /**
   * Milliseconds within which the handler must be through, or say `task.working()`, which gives it as many again; then the task goes to another worker, with
   * `deliveries` one higher, its `signal` is aborted, and what it answers later is not looked at. Counts from when the pusher gives the task away, so
   * also while it waits here (`prefetch`). Default 0 = it may take as long as it likes. Pushers of earlier builds do not heed it. As `ack_wait` of JetStream.
   */
  ackWait?: number
}

export interface PushOptions extends PublishOptions {
  /** Times that a task is given to a worker before it counts as failed. Default 5. */
  maxDeliveries?: number
  /**
   * Milliseconds, half of them by chance, until a task whose handler failed is given to a worker again. Doubles with each failure, up to 30 seconds.
   * Default 100; 0 = at once, each time. What a worker had that is gone goes to another at once.
   */
  retryDelay?: number
  /**
   * A subject: when the task has failed for good (`maxDeliveries`, `task.term`, a worker that cannot take it), a task with its payload
   * is made for the workers of that subject, in its place; its headers `Heddle-Dead-Subject`, `-Deliveries`, `-Code` and `-Error` say why. It has
   * the same `maxDeliveries`, and is gone when these fail, too. Default: none.
   */
  deadLetter?: string
  /** Milliseconds to wait for room among the tasks that are not done. Default: as long as it takes. */
  timeout?: number
  signal?: AbortSignal
}

export interface FlushOptions {
  /** Milliseconds. Default: as long as it takes. */
  timeout?: number
  signal?: AbortSignal
}

export interface SendOptions extends PublishOptions {
  /** Milliseconds to wait for room. Default: as long as it takes. */
  timeout?: number
  signal?: AbortSignal
}

export interface RequestOptions extends PublishOptions {
  /** Milliseconds; the server hears of it. Default: the fabric's `timeout`. */
  timeout?: number
  /** Cancels the request, here and at the server. */
  signal?: AbortSignal
}

export interface RequestManyOptions extends RequestOptions {
  /** Replies at most. Default 0: as many as come. */
  max?: number
  /** Milliseconds in all. Default: `timeout`. */
  wait?: number
  /** Milliseconds after a reply within which the next must come. Default 0: no limit. */
  stall?: number
  /** True for a reply that says that it was the last; it is not handed out. */
  sentinel?: (message: FabricMessage<Untyped>) => boolean
}

export interface ReadyWish {
  /** Subscribers (or servers, workers) of this subject are waited for. */
  subject?: string
  /** Subscriptions that must match, those of this node included. Default 1 when a subject is given and nothing else. */
  subscribers?: number
  servers?: number
  workers?: number
  /** Nodes that must be linked. */
  peers?: number
  /** Milliseconds; rejects with ETIMEDOUT. Default: waits as long as it takes. */
  timeout?: number
  signal?: AbortSignal
}

export interface DrainOptions {
  /** Milliseconds after which it closes in any case. Default 10,000. */
  timeout?: number
}

/** Of `trace`; `survey` takes `roundTrips` besides. */
export interface TraceOptions {
  /** Milliseconds after which a node that has not answered counts as silent. Default 1,000. */
  timeout?: number
}

export interface SurveyOptions extends TraceOptions {
  /** Each node measures how long its peers take to answer; the next survey has the results. Default false. */
  roundTrips?: boolean
}

// The names, for `checkNames`: each call throws EINVAL for one that it does not have; but `publish`, which takes a message for its
// headers and codec, too.

export const SUBSCRIBE_OPTIONS: ReadonlySet<string> = new Set([
  "queue",
  "policy",
  "limit",
  "keep",
  "ttl",
  "history",
  "concurrency",
  "max",
] satisfies (keyof SubscribeOptions)[])
export const SERVE_OPTIONS: ReadonlySet<string> = new Set([
  "queue",
  "concurrency",
  "limit",
] satisfies (keyof ServeOptions)[])
export const WORK_OPTIONS: ReadonlySet<string> = new Set([
  "concurrency",
  "prefetch",
  "ackWait",
] satisfies (keyof WorkOptions)[])

export const FLUSH_OPTIONS: ReadonlySet<string> = new Set(["timeout", "signal"] satisfies (keyof FlushOptions)[])
const PUBLISH_NAMES = ["headers", "codec"] as const satisfies (keyof PublishOptions)[]
export const SEND_OPTIONS: ReadonlySet<string> = new Set([
  ...PUBLISH_NAMES,
  "timeout",
  "signal",
] satisfies (keyof SendOptions)[])
export const PUSH_OPTIONS: ReadonlySet<string> = new Set([
  ...PUBLISH_NAMES,
  "maxDeliveries",
  "retryDelay",
  "deadLetter",
  "timeout",
  "signal",
] satisfies (keyof PushOptions)[])
const REQUEST_NAMES = [...PUBLISH_NAMES, "timeout", "signal"] as const satisfies (keyof RequestOptions)[]
export const REQUEST_OPTIONS: ReadonlySet<string> = new Set(REQUEST_NAMES)
export const REQUEST_MANY_OPTIONS: ReadonlySet<string> = new Set([
  ...REQUEST_NAMES,
  "max",
  "wait",
  "stall",
  "sentinel",
] satisfies (keyof RequestManyOptions)[])
export const KEEP_OPTIONS: ReadonlySet<string> = new Set(["last", "subjects", "bytes"] satisfies (keyof KeepOptions)[])
export const READY_OPTIONS: ReadonlySet<string> = new Set([
  "subject",
  "subscribers",
  "servers",
  "workers",
  "peers",
  "timeout",
  "signal",
] satisfies (keyof ReadyWish)[])
export const DRAIN_OPTIONS: ReadonlySet<string> = new Set(["timeout"] satisfies (keyof DrainOptions)[])
export const TRACE_OPTIONS: ReadonlySet<string> = new Set(["timeout"] satisfies (keyof TraceOptions)[])
export const SURVEY_OPTIONS: ReadonlySet<string> = new Set(["timeout", "roundTrips"] satisfies (keyof SurveyOptions)[])
