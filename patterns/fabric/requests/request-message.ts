import { clock } from "../../../core/clock.ts"
import { HeddleError } from "../../../core/errors.ts"
import { type Envelope, type Extra, FabricMessage } from "../message.ts"

/** Timers of Node fire at once beyond this; the time comes from the network. */
const LONGEST = 2 ** 31 - 1

/** What the handler of a service gets. */
export class RequestMessage<T = unknown> extends FabricMessage<T> {
  /** Why the payload could not be read. @internal */
  fault: unknown = null
  private readonly expires: number
  private controller: AbortController | null = null
  private timer: NodeJS.Timeout | undefined
  private reason: HeddleError | null = null

  /** @internal `timeout`: milliseconds that the client waits. */
  constructor(
    envelope: Envelope,
    codec: number,
    source: Buffer,
    start: number,
    end: number,
    extra: Extra | null,
    timeout: number,
  ) {
    super(envelope, codec, source, start, end, extra)
    this.expires = clock.now() + timeout
  }

  override get data(): T {
    try {
      return super.data
    } catch (error) {
      this.fault = error
      throw error
    }
  }

  /** Milliseconds until the client gives up; 0 = it has. */
  get timeLeft(): number {
    return Math.max(0, this.expires - clock.now())
  }

  /** @internal */
  get expired(): boolean {
    return clock.now() >= this.expires
  }

  /** Aborted when the client cancels, gives up, or is gone: work for it is in vain. */
  get signal(): AbortSignal {
    if (this.controller === null) {
      this.controller = new AbortController()
      if (this.reason !== null) this.controller.abort(this.reason)
      else {
        const late = (): void =>
          this.abort(new HeddleError("ETIMEDOUT", `The client of ${this.subject} waits no longer`))
        this.timer = setTimeout(late, Math.min(this.timeLeft, LONGEST))
        this.timer.unref()
      }
    }
    return this.controller.signal
  }

  /** @internal */
  abort(reason: HeddleError): void {
    this.reason = reason
    clearTimeout(this.timer)
    this.controller?.abort(reason)
  }

  /** @internal It has been answered. */
  close(): void {
    if (this.timer !== undefined) clearTimeout(this.timer)
  }
}
