import { randomBytes } from "node:crypto"
import { HeddleError } from "../../core/errors.ts"
import type { Fabric } from "../../patterns/fabric/fabric.ts"
import type { FabricMessage } from "../../patterns/fabric/message.ts"
import type { Subscription } from "../../patterns/fabric/subscription.ts"

/** What an instance tells the others of shards (SINK-2, SINK-8). */
export interface TakenNote {
  /** Who tells: an id of its own, by which two settle whose a shard is that both would take. */
  readonly by: string
  /** It has, for good, what came of these until `age` milliseconds ago. */
  readonly shards: readonly number[]
  readonly age: number
  /** It takes messages of these. */
  readonly here: readonly number[]
  /** Of `here`, those that the group has not given it. */
  readonly orphaned: readonly number[]
  /** Orphans that it will take, unless somebody else has them. */
  readonly claimed: readonly number[]
  /** Orphans that it waits for: the group has given it these. */
  readonly wanted: readonly number[]
  /** It takes nothing more of these. */
  readonly left: readonly number[]
}

const LISTS = ["shards", "here", "orphaned", "claimed", "wanted", "left"] as const

/** `$BRIDGE.<bridge>.taken.<connector>`: notes of all instances. */
export class TakenNotes {
  readonly by = randomBytes(9).toString("base64url")
  private readonly fabric: Fabric
  private readonly subject: string
  private readonly shards: number
  private subscription: Subscription<unknown> | null = null

  /** `shards`: how many there are. */
  constructor(fabric: Fabric, subject: string, shards: number) {
    this.fabric = fabric
    this.subject = subject
    this.shards = shards
  }

  /** Resolves when others know that somebody listens. */
  async start(heard: (note: TakenNote) => void): Promise<void> {
    this.subscription = this.fabric.subscribe(this.subject, message => {
      const note = this.read(message)
      if (note !== null && note.by !== this.by) heard(note)
    })
    await this.subscription.ready
  }

  stop(): void {
    this.subscription?.unsubscribe()
  }

  /** What is left out is empty. Nothing is told when all is. */
  tell(note: Partial<Omit<TakenNote, "by">>): void {
    if (this.fabric.closed || LISTS.every(name => (note[name]?.length ?? 0) === 0)) return
    try {
      this.fabric.publish(this.subject, { by: this.by, ...note })
    } catch (error) {
      if (!(error instanceof HeddleError)) throw error
    }
  }

  /** Null: it is none. */
  private read(message: FabricMessage): TakenNote | null {
    let data: Readonly<Record<string, unknown>>
    try {
      data = (message.data ?? {}) as Readonly<Record<string, unknown>>
    } catch {
      return null
    }
    const { by, age = 0 } = data
    if (typeof by !== "string" || typeof age !== "number" || !(age >= 0)) return null
    const lists: Partial<Record<(typeof LISTS)[number], number[]>> = {}
    for (const name of LISTS) {
      const list = this.numbers(data[name])
      if (list === null) return null
      lists[name] = list
    }
    return { by, age, ...(lists as Record<(typeof LISTS)[number], number[]>) }
  }

  private numbers(list: unknown): number[] | null {
    if (list === undefined) return []
    if (!Array.isArray(list) || list.length > this.shards) return null
    return list.filter(one => Number.isInteger(one) && one >= 0 && one < this.shards)
  }
}
