import type { Connection, Listener, ListenerSink } from "../../../core/contract.ts"
import type { HeddleError } from "../../../core/errors.ts"
import type { NumberedSubject } from "../link/incoming.ts"
import type { Link } from "../link/link.ts"
import type { Extra } from "../message.ts"
import type { CarryGroup } from "./options.ts"

/** What senders and receivers of groups need of their node. None of these throws. */
export interface CarryPort {
  readonly settings: { readonly resumeBytes: number; readonly resumeTime: number; readonly maxPayload: number }
  /** Milliseconds between two beacons, and between two looks at who is silent. */
  readonly beat: number
  dial(group: CarryGroup, signal: AbortSignal): Promise<Connection>
  listen(group: CarryGroup, sink: ListenerSink): Promise<Listener>
  warn(error: HeddleError): void
  /** A peer changes its way. */
  tell(group: CarryGroup, peer: Link, where: "sending" | "receiving", by: "group" | "link", reason: string): void
  /** Null: nobody knows how many. */
  gap(peer: Link, missing: number | null): void
  /** A carried message in its place. */
  published(
    subject: NumberedSubject,
    codec: number,
    bytes: Buffer,
    start: number,
    end: number,
    extra: Extra | null,
  ): void
  /** Is this token one of our own? */
  isOwn(token: string): boolean
}
