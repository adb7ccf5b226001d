import { type Limited, NEVER } from "../core/deadlines.ts"
import type { HeddleError } from "../core/errors.ts"
import type { StoredAt } from "./driver.ts"
import type { Ack, StoreMessage } from "./sink/store-protocol.ts"

/** What became of a message: `id` is that of the user, or one made of publisher, epoch and number. */
export interface DurableResult {
  readonly id: string
  /** It had been stored before, by an earlier attempt or with the same id: nothing was stored now. */
  readonly duplicate: boolean
  /** Where it lies; only with `ack: "stored"`, and as far as the bridge still knows it. */
  readonly topic?: string
  readonly partition?: number
  readonly offset?: number
}

/** A message without an answer. */
export class DurableMessage implements Limited {
  readonly ack: Ack
  readonly signal: AbortSignal | undefined
  readonly timeout: number
  /** Its number is 0 before it has a shard. */
  message: StoreMessage
  /** It was on its way: it may be stored. */
  sent = false
  over = false
  aborted: (() => void) | null = null
  since: Limited["since"] = NEVER
  earlier: Limited | null = null
  later: Limited | null = null
  deadlines: Limited["deadlines"] = null
  private readonly resolve: (result: DurableResult) => void
  private readonly reject: (error: HeddleError) => void

  constructor(
    message: StoreMessage,
    ack: Ack,
    timeout: number,
    signal: AbortSignal | undefined,
    resolve: (result: DurableResult) => void,
    reject: (error: HeddleError) => void,
  ) {
    this.message = message
    this.ack = ack
    this.timeout = timeout
    this.signal = signal
    this.resolve = resolve
    this.reject = reject
  }

  succeed(id: string, duplicate: boolean, place: StoredAt | null): void {
    this.resolve(place === null ? { id, duplicate } : { id, duplicate, ...place })
  }

  fail(error: HeddleError): void {
    this.reject(error)
  }
}
