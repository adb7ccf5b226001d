import { clock } from "../../../core/clock.ts"
import { HeddleError } from "../../../core/errors.ts"
import type { Arrival } from "../link/incoming.ts"
import { type Envelope, type Extra, FabricMessage } from "../message.ts"

/** Timers of Node fire at once beyond this; the time comes from the network. */
const LONGEST = 2 ** 31 - 1

/** What few requests need. */
class State {
  fault: unknown = null
  controller: AbortController | null = null
  timer: NodeJS.Timeout | undefined
  reason: HeddleError | null = null
}

/** What the handler of a service gets. */
export class RequestMessage<T = unknown> extends FabricMessage<T> {
  /** @internal */
  readonly arrival: Arrival
  private readonly timeout: number
  private state: State | null = null

  /** @internal `timeout`: milliseconds that the client waits. */
  constructor(
    envelope: Envelope,
    codec: number,
    source: Buffer,
    start: number,
    end: number,
    extra: Extra | null,
    arrival: Arrival,
    timeout: number,
  ) {
    super(envelope, codec, source, start, end, extra)
    this.arrival = arrival
    this.timeout = timeout
  }

  protected override read(): unknown {
    try {
      return super.read()
    } catch (error) {
      this.own.fault = error
      throw error
    }
  }

  /** Why the payload could not be read. @internal */
  get fault(): unknown {
    return this.state === null ? null : this.state.fault
  }

  /** Milliseconds until the client gives up; 0 = it has. */
  get timeLeft(): number {
    return Math.max(0, this.arrival.at + this.timeout - clock.now())
  }

  /** @internal */
  get expired(): boolean {
    return clock.now() >= this.arrival.at + this.timeout
  }

  /** Aborted when the client cancels, gives up, or is gone: work for it is in vain. */
  get signal(): AbortSignal {
    const state = this.own
    if (state.controller === null) {
      state.controller = new AbortController()
      if (state.reason !== null) state.controller.abort(state.reason)
      else {
        const late = (): void =>
          this.abort(new HeddleError("ETIMEDOUT", `The client of ${this.subject} waits no longer`))
        state.timer = setTimeout(late, Math.min(this.timeLeft, LONGEST))
        state.timer.unref()
      }
    }
    return state.controller.signal
  }

  /** @internal */
  abort(reason: HeddleError): void {
    const state = this.own
    state.reason = reason
    clearTimeout(state.timer)
    state.controller?.abort(reason)
  }

  /** @internal It has been answered. */
  close(): void {
    if (this.state !== null) clearTimeout(this.state.timer)
  }

  private get own(): State {
    this.state ??= new State()
    return this.state
  }
}
