import { closedError, type HeddleError } from "../../../core/errors.ts"

/** What happens to a client of a fabric; a union by `type`. */
export type ClientEvent =
  /** A connection is being made: the first time, and after each that broke. `attempt` counts from 1. */
  | { readonly type: "connecting"; readonly attempt: number }
  /** It stands for the first time. `node`: the name of the node that lets this client in. */
  | { readonly type: "open"; readonly node: string }
  /** It broke; the next attempt comes in `delay` milliseconds. */
  | { readonly type: "resuming"; readonly delay: number; readonly error: HeddleError }
  /** It stands again. `lost`: what the node had for this client is gone; subscriptions and services were made anew, gaps are told. */
  | { readonly type: "resumed"; readonly node: string; readonly lost: boolean }
  /** Messages of a subscription are missing: the connection was away for too long, or was too slow. Null = nobody knows how many. */
  | { readonly type: "gap"; readonly pattern: string; readonly count: number | null }
  /** Messages were dropped, here or (`conflated`) on the way: a subscription was too slow. */
  | {
      readonly type: "drop"
      readonly pattern: string
      readonly reason: "full" | "conflated" | "stale"
      readonly count: number
    }
  /** Published messages that were on the way when the connection broke, to a node that does not remember: they may or may not have been handled. */
  | { readonly type: "unconfirmed"; readonly count: number }
  /** The token expires in `left` milliseconds. When it is a function, it has been asked for another; otherwise call `authenticate`. */
  | { readonly type: "expiring"; readonly left: number }
  /** A handler threw, or the node refused something: a subject that this client may not use, a rate that is too high. */
  | { readonly type: "error"; readonly subject: string; readonly error: unknown }
  /** It is over: by `close()`, or because the node wants no more of this client (`error`). */
  | { readonly type: "closed"; readonly error: HeddleError | null }

export type ClientEventType = ClientEvent["type"]
export type ClientEventOf<E extends ClientEventType> = Extract<ClientEvent, { type: E }>

/** Events kept for the iterator; when nobody reads, the oldest go. */
const KEPT = 1000

interface Waiter {
  resolve(result: IteratorResult<ClientEvent, undefined>): void
}

/** Events by `on`, or as an async iterator, not both. */
export class ClientEvents implements AsyncIterable<ClientEvent> {
  private readonly listeners = new Map<ClientEventType, Set<(event: ClientEvent) => void>>()
  private readonly kept: ClientEvent[] = []
  private readonly waiters: Waiter[] = []
  private listening = false
  private ended = false
  /** Events that were dropped because nobody read them. */
  dropped = 0

  on<E extends ClientEventType>(type: E, listener: (event: ClientEventOf<E>) => void): this {
    this.listening = true
    this.kept.length = 0
    let set = this.listeners.get(type)
    if (set === undefined) {
      set = new Set()
      this.listeners.set(type, set)
    }
    set.add(listener as (event: ClientEvent) => void)
    return this
  }

  off<E extends ClientEventType>(type: E, listener: (event: ClientEventOf<E>) => void): this {
    this.listeners.get(type)?.delete(listener as (event: ClientEvent) => void)
    return this
  }

  /** All events, until "closed", which is the last. */
  [Symbol.asyncIterator](): AsyncIterator<ClientEvent, undefined> {
    return {
      next: () => {
        if (this.listening) return Promise.reject(closedError("The iterator of events (there are listeners)"))
        const event = this.kept.shift()
        if (event !== undefined) return Promise.resolve({ done: false, value: event })
        if (this.ended) return Promise.resolve({ done: true, value: undefined })
        return new Promise(resolve => this.waiters.push({ resolve }))
      },
      return: () => Promise.resolve({ done: true, value: undefined }),
    }
  }

  /** @internal */
  emit(event: ClientEvent): void {
    if (this.ended) return
    if (event.type === "closed") this.ended = true
    if (this.listening) {
      for (const listener of this.listeners.get(event.type) ?? []) {
        try {
          listener(event)
        } catch (error) {
          throwLater(error)
        }
      }
    } else {
      const waiter = this.waiters.shift()
      if (waiter !== undefined) waiter.resolve({ done: false, value: event })
      else {
        if (this.kept.length >= KEPT) {
          this.kept.shift()
          this.dropped++
        }
        this.kept.push(event)
      }
    }
    if (this.ended) for (const { resolve } of this.waiters.splice(0)) resolve({ done: true, value: undefined })
  }
}

/** What a listener throws is its own: it becomes an error of the page, not of the connection. */
function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
