import type { Message } from "../../core/contract.ts"
import type { GapReason, InboundSession, SessionEnd } from "./engine.ts"
import type { Session } from "./session.ts"

/** What the user of a session holds: one life of it, from its first packet to its end. */
export class Inbound implements InboundSession {
  readonly id: string
  readonly source: string
  readonly kind: number
  bytes = 0
  onMessage: (message: Message) => void = () => {}
  onGap: (firstMessage: number, count: number, reason: GapReason) => void = () => {}
  onEnd: (reason: SessionEnd) => void = () => {}
  private readonly session: Session

  constructor(session: Session, kind: number) {
    this.session = session
    this.id = session.id
    this.source = session.source
    this.kind = kind
  }

  pause(): void {
    this.session.pause(this)
  }

  resume(): void {
    this.session.resume(this)
  }

  close(): void {
    this.session.close(this)
  }
}
