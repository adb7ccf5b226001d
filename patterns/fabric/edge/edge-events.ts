import { HeddleError } from "../../../core/errors.ts"
import type { FabricEvent } from "../events.ts"
import type { EdgeClient } from "./client.ts"

/** A client of the edge, as events show it. */
export interface EdgeClientName {
  /** Number of the connection; 0 = it was turned away before it had one, or plain HTTP. */
  readonly id: number
  readonly address: string
  /** As the token check says. */
  readonly user: string
  /** What it calls itself. */
  readonly name: string
}

export type EdgeEvent = Extract<FabricEvent, { type: "edge" }>

/** Different events of one turn; beyond it there is no use in reading them one by one. */
const MOST_KINDS = 1_000

/** Different keys of `refusals`: codes and statuses are few. */
const MOST_CODES = 100

/** Counts what happens at the edge, and tells it: what happens often in one turn is one event that says how often. */
export class EdgeEvents {
  readonly refusals: Record<string, number> = Object.create(null)
  slow = 0
  missed = 0
  private readonly emit: (event: EdgeEvent) => void
  private pending = new Map<string, EdgeEvent>()

  constructor(emit: (event: EdgeEvent) => void) {
    this.emit = emit
  }

  tell(what: EdgeEvent["what"], client: EdgeClient, error?: HeddleError, count = 1): void {
    if (what === "slow") this.slow += count
    else if (what === "missed") this.missed += count
    const { id, address, user, name } = client
    this.add({ type: "edge", what, client: { id, address, user, name }, count, ...(error && { error }) })
  }

  refused(client: Pick<EdgeClient, "id" | "address" | "user" | "name">, error: unknown): void {
    const known = error instanceof HeddleError ? error : new HeddleError("ERR_FABRIC", String(error), { cause: error })
    this.count(known.code)
    const { id, address, user, name } = client
    this.add({ type: "edge", what: "refused", client: { id, address, user, name }, error: known, count: 1 })
  }

  /** Before it was a client. */
  turnedAway(address: string, status: number, reason: string): void {
    this.count(String(status))
    const error = new HeddleError("EACCES", `${address} was refused (${status}): ${reason}`, { address })
    this.add({ type: "edge", what: "refused", client: { id: 0, address, user: "", name: "" }, error, count: 1 })
  }

  private count(code: string): void {
    if (code in this.refusals || Object.keys(this.refusals).length < MOST_CODES)
      this.refusals[code] = (this.refusals[code] ?? 0) + 1
  }

  private add(event: EdgeEvent): void {
    const key = `${event.what} ${event.client.id} ${event.client.address} ${event.error?.code}`
    const known = this.pending.get(key)
    if (known !== undefined) {
      known.count += event.count
      return
    }
    if (this.pending.size >= MOST_KINDS) return
    this.pending.set(key, event)
    if (this.pending.size === 1) setImmediate(() => this.flush())
  }

  private flush(): void {
    const events = [...this.pending.values()]
    this.pending = new Map()
    for (const event of events) this.emit(event)
  }
}
