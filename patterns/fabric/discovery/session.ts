import { HeddleError } from "../../../core/errors.ts"
import type { Announcement, Discovery, DiscoveryHost } from "./discovery.ts"

/** One use of a source, from start to stop. */
export interface Session {
  /** The first look around; rejects when it cannot work at all. Is ended then. */
  begin(): Promise<void>
  /** Called once, also while `begin` runs. */
  end(): Promise<void>
}

type Making = (host: DiscoveryHost, self: Announcement) => Session

/** A source may be started again once it was stopped; it serves one node at a time. */
export class SessionDiscovery implements Discovery {
  readonly name: string
  private readonly make: Making
  private session: Session | null = null
  private ended: Promise<void> | null = null

  constructor(name: string, make: Making) {
    this.name = name
    this.make = make
  }

  /** Throws EBUSY when another node uses this source. */
  async start(host: DiscoveryHost, self: Announcement): Promise<void> {
    if (this.session !== null) {
      throw new HeddleError("EBUSY", `This ${this.name} discovery is in use by another node; make one for each join`)
    }
    const session = this.make(host, self)
    this.session = session
    try {
      await session.begin()
    } catch (error) {
      if (this.session === session) await this.stop()
      throw error
    }
  }

  stop(): Promise<void> {
    if (this.session === null) return Promise.resolve()
    this.ended ??= this.session.end().finally(() => {
      this.session = null
      this.ended = null
    })
    return this.ended
  }
}
