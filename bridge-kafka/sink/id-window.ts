import type { StoredAt } from "../driver.ts"

/** Ids of the user's own that were stored, the newest of them (DUR-4). */
export class IdWindow {
  private readonly places = new Map<string, StoredAt | null>()
  private readonly limit: number
  /** Ids by the checkpoint record that holds them, the oldest first; a record goes when all of its ids have gone. */
  private readonly groups: { readonly number: number; left: number }[] = []
  private next = 0

  constructor(limit: number) {
    this.limit = limit
  }

  get size(): number {
    return this.places.size
  }

  /** Number of the checkpoint record that the next group goes into. */
  get nextGroup(): number {
    return this.next
  }

  /** undefined = not known; null = stored, but the place is not known any more. */
  get(id: string): StoredAt | null | undefined {
    return this.places.get(id)
  }

  /** What one checkpoint record holds, in the order of `number`. Returns the numbers of records that are of no use any more. */
  addGroup(ids: readonly (readonly [id: string, place: StoredAt | null])[], number = this.next): number[] {
    this.next = Math.max(this.next, number + 1)
    const gone: number[] = []
    let added = 0
    for (const [id, place] of ids) {
      if (this.places.has(id)) continue
      this.places.set(id, place)
      added++
    }
    this.groups.push({ number, left: added })
    let excess = this.places.size - this.limit
    for (const id of this.places.keys()) {
      if (excess-- <= 0) break
      this.places.delete(id)
      this.groups[0].left--
      while (this.groups.length > 1 && this.groups[0].left === 0)
        gone.push((this.groups.shift() as { number: number }).number)
    }
    return gone
  }
}
