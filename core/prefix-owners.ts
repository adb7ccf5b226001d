/** An owner of topics, as the index keeps it. */
export interface Owner<T> {
  readonly value: T
  /** 1 and up; given to another owner when this one is gone. */
  readonly id: number
  /** Random. The key of a set is the exclusive or of its members' keys. */
  readonly key: number
  /** The first of its subscriptions, in the index's pool; 0 = none. */
  head: number
  topics: number
  /** Bytes of these topics. */
  bytes: number
  /** Number of the last gathering that it was in. */
  mark: number
  /** The last epoch in which it became a member of a set that is kept. */
  kept: number
}

/** A set that never changes. */
export interface OwnerSet<T> {
  readonly values: readonly T[]
  readonly members: readonly Owner<T>[]
  readonly key: number
  /** Its place among the sets kept in this epoch; -1 for a set of one. */
  readonly index: number
  /** Another set with the same key. */
  readonly next: OwnerSet<T> | undefined
}

/**
 * The sets of several owners that matches had as results, each kept once: equal sets are the same array, whatever topics
 * they come from. Unions asked for lately are remembered, so that a publisher whose messages match the same sets again and
 * again allocates nothing.
 */
export class OwnerSets<T> {
  /** Another number when all sets were forgotten; never 0. */
  epoch = 1

  private readonly sets: OwnerSet<T>[] = []
  private readonly byKey = new Map<number, OwnerSet<T>>()
  /** Members of all sets together. */
  private weight = 0
  private unions: (Union<T> | undefined)[] = []

  // The set being gathered.
  private gathering = 0
  private members: Owner<T>[] = []
  private key = 0

  /** The set kept at this index in this epoch. */
  at(index: number): OwnerSet<T> {
    return this.sets[index]
  }

  /** Begins a set; `gather` adds a member, `finish` gives the set that has these. */
  begin(): void {
    this.gathering++
    this.key = 0
  }

  /** Adds a member; one that is there already changes nothing. */
  gather(owner: Owner<T>): void {
    if (owner.mark === this.gathering) return
    owner.mark = this.gathering
    this.key ^= owner.key
    this.members.push(owner)
  }

  /**
   * The set of all that were gathered.
   * @param subscriptions in the index: decides how much may be kept
   */
  finish(subscriptions: number): OwnerSet<T> {
    const { members, key, gathering } = this
    for (let set = this.byKey.get(key); set !== undefined; set = set.next) {
      if (set.members.length === members.length && set.members.every(owner => owner.mark === gathering)) {
        members.length = 0
        return set
      }
    }
    if (this.weight + members.length > Math.max(MEMBERS_KEPT, subscriptions * 2)) this.forget()
    for (const owner of members) owner.kept = this.epoch
    const set = {
      values: members.map(owner => owner.value),
      members,
      key,
      index: this.sets.length,
      next: this.byKey.get(key),
    }
    this.sets.push(set)
    this.byKey.set(key, set)
    this.weight += members.length
    this.members = []
    return set
  }

  /** The set of all members of the first `count` parts. */
  union(parts: readonly OwnerSet<T>[], count: number, subscriptions: number): OwnerSet<T> {
    if (this.unions.length === 0) this.unions = new Array<Union<T> | undefined>(UNIONS).fill(undefined)
    let key = 0
    for (let i = 0; i < count; i++) key = Math.imul(key, 31) + parts[i].key
    const place = key & (UNIONS - 1)
    const known = this.unions[place]
    if (known !== undefined && isOf(known, parts, count)) return known.whole
    this.begin()
    for (let i = 0; i < count; i++) for (const owner of parts[i].members) this.gather(owner)
    const whole = this.finish(subscriptions)
    if (count <= PARTS) this.unions[place] = { parts: parts.slice(0, count), whole }
    return whole
  }

  /** True when a set that is kept may have this owner. */
  keeps(owner: Owner<T>): boolean {
    return owner.kept === this.epoch
  }

  /** Lets go of all sets, and of the owners in them. */
  forget(): void {
    this.epoch++
    this.sets.length = 0
    this.byKey.clear()
    this.unions.fill(undefined)
    this.weight = 0
  }
}

interface Union<T> {
  readonly parts: readonly OwnerSet<T>[]
  readonly whole: OwnerSet<T>
}

function isOf<T>(union: Union<T>, parts: readonly OwnerSet<T>[], count: number): boolean {
  if (union.parts.length !== count) return false
  for (let i = 0; i < count; i++) if (union.parts[i] !== parts[i]) return false
  return true
}

/** Unions remembered: enough for one peer that wants everything among thousands that want a topic each. */
const UNIONS = 4096

/** Unions of more are not remembered but gathered each time: hostile topics must not fill the memory. */
const PARTS = 8

/** Sets are kept up to so many members in all (or two per subscription, if that is more): one megabyte. */
const MEMBERS_KEPT = 1 << 16
