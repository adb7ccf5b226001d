interface Rumour {
  due: number
  /** Nobody else was heard telling it: everybody is to know it from us. */
  own: boolean
  /** Who told us; no need to tell it back. */
  readonly source: string | null
}

/** What is to be told to whom, by node that the news is about; what exactly is looked up when it is told. */
export class Rumours {
  /** When `take` has something to give. */
  due = Number.POSITIVE_INFINITY
  private readonly waiting = new Map<string, Rumour>()

  add(about: string, own: boolean, due: number, source: string | null): void {
    this.waiting.set(about, { due, own, source })
    this.due = Math.min(this.due, due)
  }

  /** Somebody else tells everybody the same. */
  heard(about: string): void {
    const rumour = this.waiting.get(about)
    if (rumour !== undefined) rumour.own = false
  }

  /** What is due, by source: those of our own that everybody is told, and the others that a few are told. */
  take(now: number): { readonly about: string; readonly own: boolean; readonly source: string | null }[] {
    const taken: { about: string; own: boolean; source: string | null }[] = []
    this.due = Number.POSITIVE_INFINITY
    for (const [about, { due, own, source }] of this.waiting) {
      if (due > now) this.due = Math.min(this.due, due)
      else {
        this.waiting.delete(about)
        taken.push({ about, own, source })
      }
    }
    return taken
  }
}
