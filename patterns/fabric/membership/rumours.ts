/** So many others tell it: whoever is to hear it hears it from them (Demers and others, 1987, "counter" with feedback). */
const COMMON = 2

interface Rumour {
  due: number
  /** How many others were heard telling it. */
  heard: number
  /** Nobody else was heard telling it: everybody is to know it from us. */
  own: boolean
  /** Who told us; no need to tell it back. */
  readonly source: string | null
}

export interface News {
  readonly about: string
  readonly own: boolean
  readonly source: string | null
}

/** What is to be told to whom, by node that the news is about; what exactly is looked up when it is told. */
export class Rumours {
  /** When `take` has something to give. */
  due = Number.POSITIVE_INFINITY
  private readonly waiting = new Map<string, Rumour>()

  add(about: string, own: boolean, due: number, source: string | null): void {
    this.waiting.set(about, { due, heard: 0, own, source })
    this.due = Math.min(this.due, due)
  }

  /** Somebody else tells the same: everybody need not know it from us, and what is common knowledge nobody. */
  heard(about: string): void {
    const rumour = this.waiting.get(about)
    if (rumour === undefined) return
    if (++rumour.heard >= COMMON && !rumour.own) this.waiting.delete(about)
    rumour.own = false
  }

  /**
   * What is due, by source: those of our own that everybody is told, and the others that a few are told. Of these also what is due
   * within `slack` milliseconds, so that a few notices tell of all who come at the same time.
   */
  take(now: number, slack: number): News[] {
    const taken: News[] = []
    this.due = Number.POSITIVE_INFINITY
    for (const [about, { due, own, source }] of this.waiting) {
      if (due > (own ? now : now + slack)) this.due = Math.min(this.due, due)
      else {
        this.waiting.delete(about)
        taken.push({ about, own, source })
      }
    }
    return taken
  }
}
