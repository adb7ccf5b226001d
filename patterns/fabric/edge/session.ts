import { randomToken } from "../tokens.ts"
import type { Channel } from "./channel.ts"
import type { EdgeClient } from "./client.ts"

/** What the node remembers of a client from one connection to the next. */
export class Session {
  readonly id = randomToken()
  readonly user: string
  /** The connection that has it now. */
  client: EdgeClient | null = null
  /** Number of the last publish that was handled. */
  publishes = 0
  /** Channels that are this client's alone. */
  readonly channels = new Set<Channel>()
  /** While it has no connection: when it ends, by performance.now(). */
  until = 0

  constructor(user: string) {
    this.user = user
  }
}

/** Sessions of clients that are there, and for some time of those that are not. */
export class Sessions {
  private readonly byId = new Map<string, Session>()
  /** Without a connection, the one that has been away longest first. */
  private readonly away = new Map<string, Session>()
  private readonly most: number
  private readonly ended: (session: Session) => void

  /** `most`: that may be away; the one that has been away longest is given up for another. */
  constructor(most: number, ended: (session: Session) => void) {
    this.most = most
    this.ended = ended
  }

  get size(): number {
    return this.byId.size
  }

  open(user: string): Session {
    const session = new Session(user)
    this.byId.set(session.id, session)
    return session
  }

  /** The one of that name, for this user. */
  find(id: string, user: string): Session | null {
    const session = this.byId.get(id)
    return session === undefined || session.user !== user ? null : session
  }

  claim(session: Session, client: EdgeClient): void {
    this.away.delete(session.id)
    session.client = client
  }

  /** Its connection broke. */
  left(session: Session, until: number): void {
    session.client = null
    session.until = until
    this.away.set(session.id, session)
    if (this.away.size > this.most) this.end(this.away.values().next().value as Session)
  }

  end(session: Session): void {
    session.client = null
    this.away.delete(session.id)
    if (this.byId.delete(session.id)) this.ended(session)
  }

  /** A channel is gone: whoever owned it does not any more. */
  forget(channel: Channel): void {
    if (channel.owner !== "") this.byId.get(channel.owner)?.channels.delete(channel)
  }

  expire(now: number): void {
    for (const session of this.away.values()) {
      // In the order of their ends.
      if (session.until > now) break
      this.end(session)
    }
  }
}
