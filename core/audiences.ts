/** A set of members. The same set is the same object while somebody uses it. */
export interface Audience<M> {
  readonly members: readonly M[]
  /** Small and positive; given to another set once nobody uses this one. */
  readonly id: number
}

interface Entry<M> extends Audience<M> {
  members: readonly M[]
  readonly key: string
  uses: number
  /** What it last became with one member more: a million patterns of one peer take the same step. */
  last: number
  became: Entry<M> | null
}

/** Sets that many patterns have in common: made once, counted, forgotten when no pattern uses them. */
export class Audiences<M extends object> {
  private readonly byId: (Entry<M> | undefined)[] = [undefined]
  private readonly byKey = new Map<string, Entry<M>>()
  private readonly freeIds: number[] = []
  /** Names of members in keys; never given again. */
  private readonly numbers = new WeakMap<M, number>()
  private lastNumber = 0
  private readonly nobody: Entry<M> = { members: [], id: 0, key: "", uses: 1, last: 0, became: null }

  /** Sets in use. */
  get size(): number {
    return this.byKey.size
  }

  get(id: number): Audience<M> {
    return this.byId[id] as Audience<M>
  }

  /** The set with one member more, used once more, while `id` is used once less. 0 = the empty set, which is not counted. */
  add(id: number, member: M): number {
    const from = this.entry(id)
    const number = this.numberOf(member)
    let to = from.last === number ? from.became : null
    if (to === null || to.uses === 0) {
      to = from.members.includes(member) ? from : this.entryOf([...from.members, member])
      from.last = number
      from.became = to
    }
    to.uses++
    this.release(from)
    return to.id
  }

  /** The set of these members (each named once), used once more, while `id` is used once less. */
  replace(id: number, members: readonly M[]): number {
    const to = this.entryOf(members)
    to.uses++
    this.release(this.entry(id))
    return to.id
  }

  private entry(id: number): Entry<M> {
    return id === 0 ? this.nobody : (this.byId[id] as Entry<M>)
  }

  private entryOf(members: readonly M[]): Entry<M> {
    if (members.length === 0) return this.nobody
    const key = members
      .map(member => this.numberOf(member))
      .sort((a, b) => a - b)
      .join(" ")
    const known = this.byKey.get(key)
    if (known !== undefined) return known
    const id = this.freeIds.pop() ?? this.byId.length
    const entry: Entry<M> = { members, id, key, uses: 0, last: 0, became: null }
    this.byId[id] = entry
    this.byKey.set(key, entry)
    return entry
  }

  private numberOf(member: M): number {
    let number = this.numbers.get(member)
    if (number === undefined) {
      number = ++this.lastNumber
      this.numbers.set(member, number)
    }
    return number
  }

  private release(entry: Entry<M>): void {
    if (entry === this.nobody || --entry.uses > 0) return
    this.byId[entry.id] = undefined
    this.byKey.delete(entry.key)
    this.freeIds.push(entry.id)
    // Another may remember the way to it: that must not keep its members alive.
    entry.members = []
    entry.became = null
  }
}
