import type { Orphans } from "./orphans.ts"
import type { Standby } from "./standby.ts"
import type { TakenNotes } from "./taken-notes.ts"

export interface NeighboursHost {
  readonly notes: TakenNotes
  readonly standby: Standby
  readonly orphans: Orphans
  /** 1 = this instance takes messages of the shard. */
  readonly taken: Uint8Array
  isOrphaned(shard: number): boolean
}

/** Milliseconds between two notes. */
const EVERY = 250

/** What an instance hears from the others of its connector, and what it lets them know, several times a second (SINK-2, SINK-8). */
export class Neighbours {
  private readonly host: NeighboursHost
  private timer: NodeJS.Timeout | null = null

  constructor(host: NeighboursHost) {
    this.host = host
  }

  /** Resolves when the others know that somebody listens. */
  async start(): Promise<void> {
    const { notes, orphans, standby } = this.host
    this.timer = setInterval(() => this.tick(), EVERY).unref()
    await notes.start(note => {
      const now = performance.now()
      standby.heard(note, now)
      orphans.heard(note, now)
    })
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer)
    this.host.notes.stop()
  }

  /** These are left to others. `age`: all of them that came until so many milliseconds ago is safe; null = that is not known. */
  left(shards: readonly number[], age: number | null): void {
    this.host.notes.tell(age === null ? { left: shards } : { left: shards, shards, age })
  }

  /** Does not wait for the next note. */
  hurry(): void {
    this.tell(null)
  }

  private tick(): void {
    const now = performance.now()
    this.host.orphans.tick(now)
    this.tell(this.host.standby.tick(now))
  }

  private tell(age: number | null): void {
    const { notes, orphans, taken } = this.host
    const here: number[] = []
    const orphaned: number[] = []
    for (let shard = 0; shard < taken.length; shard++) {
      if (taken[shard] === 0) continue
      here.push(shard)
      if (this.host.isOrphaned(shard)) orphaned.push(shard)
    }
    const note = { here, orphaned, claimed: orphans.claimed, wanted: orphans.wanted }
    notes.tell(age === null ? note : { ...note, shards: here, age })
  }
}
