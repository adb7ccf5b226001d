import { HeddleError } from "../../../core/errors.ts"
import type { HeadersInit } from "./headers.ts"
import type { PageCodec } from "./payload.ts"
import { globalWebSocket, type WebSocketConstructor } from "./websocket.ts"

/** A token, or what gives one: asked before each connect, and again before the token expires. */
export type Token = string | (() => string | Promise<string>)

/** What `connect` takes. Times in milliseconds, sizes in bytes. */
export interface ConnectOptions {
  /** What the node's option `token` is given to check. Default "". */
  token?: Token
  /** For people, in the node's events. Default "". */
  name?: string
  /** Codec of values that are no bytes: "msgpack" (default), "json", "string", "bytes" or one of `codecs`. */
  codec?: string
  /** Codecs of your own. */
  codecs?: readonly PageCodec[]
  /** Requests that name no timeout. Default 5,000. */
  timeout?: number
  /** How long the first connection is tried. Default 10,000. */
  connectTimeout?: number
  /**
   * The delay before a broken connection is tried again: `delay` at first, doubled with each failure up to `maxDelay`, half of it by chance, so that all
   * the pages of a node that was away do not come back in one moment. It goes on until it succeeds or `close()`. Default 200 and 10,000.
   */
  reconnect?: { delay?: number; maxDelay?: number }
  /** The node is asked for a sign of life when nothing was heard for so long; after as long again the connection counts as broken. Default 15,000. */
  heartbeat?: number
  /**
   * What was published and is not yet acknowledged, or waits for a connection: beyond either, `publish` takes nothing. Default 10,000 messages and 4 MiB.
   */
  outbox?: { messages?: number; bytes?: number }
  /** Messages that may wait in one subscription, unless it says otherwise. Default 16,384. */
  highWaterMark?: number
  /** Requests without an answer. Default 1,000. */
  maxRequests?: number
  /** Default: the WebSocket of this environment. On Node 20, which has none, that of the npm package `ws`. */
  webSocket?: WebSocketConstructor
}

export interface ClientSettings {
  readonly token: Token
  readonly name: string
  readonly timeout: number
  readonly connectTimeout: number
  readonly delay: number
  readonly maxDelay: number
  readonly heartbeat: number
  readonly outboxMessages: number
  readonly outboxBytes: number
  readonly highWaterMark: number
  readonly maxRequests: number
  readonly webSocket: WebSocketConstructor
}

export interface PublishOptions {
  /** Ordered, may repeat, may be binary. */
  headers?: HeadersInit
  /** Codec of this message; default: the client's. */
  codec?: string
}

export interface SendOptions extends PublishOptions {
  /** Milliseconds to wait for room and for the node's answer. Default: as long as it takes. */
  timeout?: number
  signal?: AbortSignal
}

export interface SubscribeOptions {
  /** Queue group: each message goes to one member of all that have this name. */
  queue?: string
  /**
   * What happens when messages come faster than they are handled, here and on the way. Default "drop-new". "block" is not to be had: a page does not hold up
   * those who publish.
   */
  policy?: "drop-new" | "drop-old" | "conflate" | "keep-last"
  /** Messages that may wait here. Default: the client's `highWaterMark`. */
  limit?: number
  /** For the policy "keep-last": newest messages kept for each subject. Default 1. */
  keep?: number
  /** Milliseconds that a message may wait here; older ones are dropped. Default 0: any. */
  ttl?: number
  /** What publishers have kept (`fabric.keep`) comes first: the last message of each subject, or so many. Default none. */
  history?: "last" | number
  /** Handlers that return promises: so many at a time; others wait. Default 1: in order. */
  concurrency?: number
  /** Ends by itself after so many messages. Default 0: never. */
  max?: number
}

export interface RequestOptions extends PublishOptions {
  /** Milliseconds; the server hears of it. Default: the client's `timeout`. */
  timeout?: number
  /** Cancels the request, here and at the server. */
  signal?: AbortSignal
}

export interface ServeOptions {
  /** Queue group: `requestMany` asks one member of each. Default: none, every server is asked. */
  queue?: string
  /** Handlers at a time; 0 = no limit. Default 0. */
  concurrency?: number
  /** Requests that may wait at the node for the handler; more are refused with EBUSY. Default 1,000. */
  limit?: number
}

const CONNECT: ReadonlySet<string> = new Set([
  "token",
  "name",
  "codec",
  "codecs",
  "timeout",
  "connectTimeout",
  "reconnect",
  "heartbeat",
  "outbox",
  "highWaterMark",
  "maxRequests",
  "webSocket",
] satisfies (keyof ConnectOptions)[])

/** Throws EINVAL for a name or value that cannot be, ENOTSUP where there is no WebSocket. */
export function settingsOf(options: ConnectOptions): ClientSettings {
  checkNames("connect", options, CONNECT)
  const webSocket = options.webSocket ?? globalWebSocket()
  if (webSocket === undefined) {
    throw new HeddleError(
      "ENOTSUP",
      "This environment has no WebSocket; install the npm package ws and give its class: connect(url, { webSocket: WebSocket })",
    )
  }
  return {
    token: options.token ?? "",
    name: options.name ?? "",
    timeout: whole("timeout", options.timeout, 5_000, 1),
    connectTimeout: whole("connectTimeout", options.connectTimeout, 10_000, 1),
    delay: whole("reconnect.delay", options.reconnect?.delay, 200, 1),
    maxDelay: whole("reconnect.maxDelay", options.reconnect?.maxDelay, 10_000, 1),
    heartbeat: whole("heartbeat", options.heartbeat, 15_000, 1),
    outboxMessages: whole("outbox.messages", options.outbox?.messages, 10_000, 1),
    outboxBytes: whole("outbox.bytes", options.outbox?.bytes, 4 * 1024 * 1024, 1),
    highWaterMark: whole("highWaterMark", options.highWaterMark, 16_384, 1),
    maxRequests: whole("maxRequests", options.maxRequests, 1_000, 1),
    webSocket,
  }
}

/** Throws EINVAL for an option that `what` does not have. */
export function checkNames(what: string, options: object, known: ReadonlySet<string>): void {
  for (const name of Object.keys(options)) {
    if (!known.has(name)) throw invalid(`${what} has no option ${name}; it has ${[...known].join(", ")}`)
  }
}

/** Timers fire at once beyond this. */
export const LONGEST: number = 2 ** 31 - 1

export function whole(name: string, value: unknown, initial: number, min: number): number {
  if (value === undefined) return initial
  if (!Number.isSafeInteger(value) || (value as number) < min || (value as number) > LONGEST)
    throw invalid(`option ${name} is ${String(value)}; it takes a whole number from ${min} to ${LONGEST}`)
  return value as number
}

export function invalid(text: string): HeddleError {
  return new HeddleError("EINVAL", `Invalid argument: ${text}`)
}
