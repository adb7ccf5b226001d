import { HeddleError } from "../../core/errors.ts"
import type { PeerName } from "./events.ts"

/** Whom a `flush` waited for. */
export interface FlushHolder {
  readonly peer: PeerName
  /** Of the subscription that messages wait for; null: the node has not said that it has read what was sent. */
  readonly pattern: string | null
  /** Messages that wait here. */
  readonly waiting: number
}

/** Holders that the text names; `holders` has them all. */
const NAMED = 5

/** `flush` was given up: `ETIMEDOUT` or `ECANCELED`. What was published stays queued. */
export class FlushError extends HeddleError {
  readonly holders: readonly FlushHolder[]

  constructor(
    code: "ETIMEDOUT" | "ECANCELED",
    timeout: number | undefined,
    holders: readonly FlushHolder[],
    cause: unknown,
  ) {
    const texts = holders.slice(0, NAMED).map(({ peer, pattern, waiting }) => {
      const what = pattern === null ? "has not answered" : `has ${waiting} messages waiting for ${pattern}`
      return `${peer.name} ${what}`
    })
    const why = texts.length > 0 ? `${texts.join(", ")}; its subscription may be slow` : "a subscriber may be slow"
    const when = code === "ETIMEDOUT" ? `within ${timeout} ms` : "when it was cancelled"
    super(code, `flush: not everything was taken ${when}; ${why}`, { cause })
    this.holders = holders
  }
}
