import { closedError, type HeddleError } from "./errors.ts"
import { hold, release } from "./keep-alive.ts"
import { Queue } from "./queue.ts"

/** What happens to a socket's connections; a union by `type`, with the names of the npm package `zeromq`. */
export type SocketEvent =
  | { type: "accept"; address: string }
  | { type: "accept:error"; address: string; error: HeddleError }
  | { type: "bind"; address: string }
  | { type: "bind:error"; address: string; error: HeddleError }
  | { type: "connect"; address: string }
  | { type: "connect:delay"; address: string }
  /** `error` says why the last attempt failed, or the connection ended. */
  | { type: "connect:retry"; address: string; interval: number; error?: HeddleError }
  | { type: "handshake"; address: string }
  | { type: "handshake:error:protocol"; address: string; error: HeddleError }
  | { type: "handshake:error:auth"; address: string; error: HeddleError }
  | { type: "handshake:error:other"; address: string; error: HeddleError }
  /** A connection ended; `error` says why when it was not in order. */
  | { type: "disconnect"; address: string; error?: HeddleError }
  /** A listener closed. */
  | { type: "close"; address: string }
  | { type: "close:error"; address: string; error: HeddleError }
  /** A peer was turned away after the handshake (routing id taken, second peer of a Pair). */
  | { type: "refuse"; address: string; error: HeddleError }
  /**
   * `count` messages of a multicast sender, from its number `from` on (it counts from 0), are lost for good. `reason`:
   * "unrepaired", "expired", "overrun", "size", "memory", "malformed" or "timeout"; see transports/multicast/SPEC.md.
   */
  | { type: "gap"; address: string; sender: string; from: number; count: number; reason: string }
  | { type: "end" }

export type EventType = SocketEvent["type"]
export type EventOfType<E extends EventType> = Extract<SocketEvent, { type: E }>

/** Events kept for `receive`; when nobody reads, the oldest go. */
const KEPT = 1000

/** Events of a socket or a fabric, either by `on` or by `receive` and `for await`, not both. */
export class Observer<Event extends { readonly type: string } = SocketEvent> {
  private readonly listeners = new Map<string, Set<(event: Event) => void>>()
  private readonly kept = new Queue<Event>()
  private readonly waiters = new Queue<{ resolve(event: Event): void; reject(error: Error): void }>()
  private emitting = false
  private ended = false
  /** Events that were dropped because nobody read them. */
  dropped = 0

  get closed(): boolean {
    return this.ended
  }

  on<E extends Event["type"]>(type: E, listener: (event: Extract<Event, { type: E }>) => void): this {
    this.emitting = true
    this.kept.clear()
    let set = this.listeners.get(type)
    if (set === undefined) {
      set = new Set()
      this.listeners.set(type, set)
    }
    set.add(listener as (event: Event) => void)
    return this
  }

  off<E extends Event["type"]>(type: E, listener: (event: Extract<Event, { type: E }>) => void): this {
    this.listeners.get(type)?.delete(listener as (event: Event) => void)
    return this
  }

  /** The next event. Rejects with EBADF after "end". */
  receive(): Promise<Event> {
    if (this.emitting) {
      return Promise.reject(
        new Error(
          "Observer is in event emitter mode. After a call to events.on() it is not possible to read events with events.receive().",
        ),
      )
    }
    const event = this.kept.shift()
    if (event !== undefined) return Promise.resolve(event)
    if (this.ended) return Promise.reject(closedError("Observer"))
    return new Promise((resolve, reject) => {
      hold()
      this.waiters.push({ resolve, reject })
    })
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Event, undefined> {
    while (this.kept.length > 0 || !this.ended) {
      const event = await this.receive()
      yield event
      if (event.type === "end") return
    }
  }

  /** Stops observing: nothing is kept any more, waiting reads reject. The socket goes on. */
  close(): void {
    this.emit({ type: "end" } as Event)
  }

  /** @internal */
  emit(event: Event): void {
    if (this.ended) return
    if (event.type === "end") this.ended = true
    if (this.emitting) {
      for (const listener of this.listeners.get(event.type) ?? []) {
        try {
          listener(event)
        } catch (error) {
          process.nextTick(() => {
            throw error
          })
        }
      }
    } else {
      const waiter = this.waiters.shift()
      if (waiter !== undefined) {
        release()
        waiter.resolve(event)
      } else {
        if (this.kept.length >= KEPT) {
          this.kept.shift()
          this.dropped++
        }
        this.kept.push(event)
      }
    }
    if (!this.ended) return
    for (let waiter = this.waiters.shift(); waiter !== undefined; waiter = this.waiters.shift()) {
      release()
      waiter.reject(closedError("Observer"))
    }
  }
}
