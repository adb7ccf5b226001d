import type { ShardPhase } from "./shard.ts"
import type { TakenNote } from "./taken-notes.ts"

export interface OrphansHost {
  /** Id of this instance in notes. */
  readonly by: string
  readonly shards: number
  /** Milliseconds since which the group cannot be asked; 0 = it can. */
  silence(): number
  phase(shard: number): ShardPhase
  /** Whether records of it lie here: such a one comes first. */
  knows(shard: number): boolean
  /** Nobody has it: this instance takes its messages. */
  claim(shard: number): void
  /** Another has it. */
  yield(shard: number): void
  /** A note is to be sent at once. */
  tell(): void
}

/** Milliseconds without an answer of the group after which shards are claimed that nobody says to have: joining takes less. */
const SILENCE = 2_000

/** Milliseconds without a note of anybody after which a shard has nobody: there are four notes a second. */
const UNHEARD = 2_000

/** Milliseconds from the announcement of a claim to its taking effect, for others to say that it is theirs. */
const OBJECTIONS = 1_000

/** Milliseconds for which one who knows nothing of a shard waits longer before it claims it. */
const COURTESY = 500

/** Milliseconds that the owner of a shard waits for the one that stands in to let go; and the age of a note that says that there is such a one. */
const LET_GO = 1_000

/**
 * Who takes the messages of a shard while the group cannot be asked (SINK-8): who had it last; otherwise one who announces it and hears no objection,
 * of several the one with the lowest id. All give way to whom the group names. Times are those of `performance.now`.
 */
export class Orphans {
  private readonly host: OrphansHost
  /** Of each shard, when another instance has said last that it takes it. */
  private readonly heardAt: Float64Array
  /** Of each shard, since when it is claimed here; NaN = it is not. */
  private readonly claimedAt: Float64Array
  private readonly waiting = new Map<number, () => void>()

  constructor(host: OrphansHost) {
    this.host = host
    this.heardAt = new Float64Array(host.shards).fill(Number.NEGATIVE_INFINITY)
    this.claimedAt = new Float64Array(host.shards).fill(Number.NaN)
  }

  get claimed(): number[] {
    const found: number[] = []
    for (let shard = 0; shard < this.host.shards; shard++) if (this.claimedAt[shard] >= 0) found.push(shard)
    return found
  }

  get wanted(): number[] {
    return [...this.waiting.keys()]
  }

  /** To be called before each note. */
  tick(now: number): void {
    const { host, heardAt, claimedAt } = this
    const silence = host.silence()
    for (let shard = 0; shard < host.shards; shard++) {
      const silent = silence >= SILENCE && (silence >= SILENCE + COURTESY || host.knows(shard))
      if (!silent || host.phase(shard) !== "foreign" || now - heardAt[shard] < UNHEARD) claimedAt[shard] = Number.NaN
      else if (!(claimedAt[shard] >= 0)) claimedAt[shard] = now
      else if (now - claimedAt[shard] >= OBJECTIONS) {
        claimedAt[shard] = Number.NaN
        host.claim(shard)
      }
    }
  }

  heard(note: TakenNote, now: number): void {
    const { host, heardAt, claimedAt } = this
    const orphaned = new Set(note.orphaned)
    const lower = note.by < host.by
    for (const shard of note.here) {
      heardAt[shard] = now
      claimedAt[shard] = Number.NaN
      if (host.phase(shard) === "orphaned" && (!orphaned.has(shard) || lower)) host.yield(shard)
    }
    for (const shard of note.claimed) {
      // Ours is the better claim, and it will hear so.
      if (claimedAt[shard] >= 0 && !lower) continue
      heardAt[shard] = now
      claimedAt[shard] = Number.NaN
    }
    for (const shard of note.wanted) if (host.phase(shard) === "orphaned") host.yield(shard)
    for (const shard of note.left) {
      heardAt[shard] = Number.NEGATIVE_INFINITY
      this.waiting.get(shard)?.()
    }
  }

  /** Resolves when no other takes the shard any more, which the group has given us; or after a second. */
  async release(shard: number): Promise<void> {
    if (performance.now() - this.heardAt[shard] > LET_GO) return
    await new Promise<void>(resolve => {
      const over = (): void => {
        clearTimeout(timer)
        this.waiting.delete(shard)
        resolve()
      }
      const timer = setTimeout(over, LET_GO).unref()
      this.waiting.set(shard, over)
      this.host.tell()
    })
  }
}
