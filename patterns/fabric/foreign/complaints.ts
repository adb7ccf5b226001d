import type { Pipe } from "../../../core/contract.ts"
import { HeddleError } from "../../../core/errors.ts"
import type { FabricEvent } from "../events.ts"
import type { ClientPipe } from "./client-pipe.ts"
import type { ClientName } from "./clients.ts"

/** As much of a client's bad subject as an event quotes. */
const QUOTED = 80

export interface ComplaintsHost {
  emit(event: FabricEvent): void
  emitDrop(
    where: "here" | "sending",
    link: null,
    pattern: string,
    reason: "full" | "malformed",
    count: number,
    client: ClientName | null,
  ): void
}

/** What cannot be passed on between the fabric and ZeroMQ clients: each is counted and told, and its reason explained once. */
export class Complaints {
  private readonly host: ComplaintsHost
  /** Whose first bad message has been explained. */
  private readonly explained = new WeakSet<Pipe>()
  private readonly unreadableCodes = new Set<string>()

  constructor(host: ComplaintsHost) {
    this.host = host
  }

  /** A message of a client is no good, and dropped. */
  malformed(pipe: Pipe, subject: string, error: unknown): void {
    const { name } = pipe as ClientPipe
    pipe.drop("malformed")
    this.host.emitDrop("here", null, subject.slice(0, QUOTED), "malformed", 1, name)
    if (this.explained.has(pipe)) return
    this.explained.add(pipe)
    const { code = "EPROTO", message } = error as HeddleError
    const text = `A message of the ZeroMQ client ${name.type} at ${name.address} was dropped: ${message}`
    this.host.emit({ type: "warning", error: new HeddleError(code, text, { cause: error, address: name.address }) })
  }

  /** A message of the fabric cannot be turned into what clients read, and none of them gets it. */
  unreadable(subject: string, error: unknown): void {
    this.host.emitDrop("sending", null, subject, "malformed", 1, null)
    const { code = "ERR_CODEC", message } = error as HeddleError
    if (this.unreadableCodes.has(code)) return
    this.unreadableCodes.add(code)
    const text = `A message of ${subject} could not be given to ZeroMQ clients (foreign.codec): ${message}`
    this.host.emit({ type: "warning", error: new HeddleError(code, text, { cause: error }) })
  }
}
