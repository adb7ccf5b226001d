import { type Claim, type Member, mark } from "./member.ts"

export interface RosterOptions {
  readonly maxMembers: number
  readonly maxTombstones: number
  readonly tombstoneTime: number
}

/**
 * The members, and those who were. The departed are remembered for a while, so that old news does not bring them back.
 */
export class Roster {
  /** XOR of the marks of all living members and of this node: equal = two nodes know the same. */
  digest = 0
  readonly suspects = new Set<Member>()
  private readonly living = new Map<string, Member>()
  /** In the order of their deaths. */
  private readonly tombstones = new Map<string, Member>()
  private readonly options: RosterOptions

  constructor(options: RosterOptions) {
    this.options = options
  }

  /** Living members, without this node. */
  get size(): number {
    return this.living.size
  }

  get full(): boolean {
    // This node counts.
    return this.living.size + 1 >= this.options.maxMembers
  }

  /** Living or not. */
  get(node: string): Member | undefined {
    return this.living.get(node) ?? this.tombstones.get(node)
  }

  members(): IterableIterator<Member> {
    return this.living.values()
  }

  departed(): IterableIterator<Member> {
    return this.tombstones.values()
  }

  /** Adds a member, or changes what is thought of one. Its state decides where it belongs. */
  set(member: Member, claim: Claim, now: number): void {
    const { node } = member
    if (this.living.has(node)) this.count(node, member)
    member.state = claim.state
    member.incarnation = claim.incarnation
    if (member.living) {
      this.tombstones.delete(node)
      this.living.set(node, member)
      this.count(node, member)
    } else this.bury(member, now)
    if (member.state === "suspect") this.suspects.add(member)
    else this.suspects.delete(member)
  }

  /** Adds a claim to the digest, or takes it out again. */
  count(node: string, claim: Claim): void {
    this.digest = (this.digest ^ mark(node, claim)) >>> 0
  }

  /** Forgets those who have been dead for long. */
  sweep(now: number): void {
    for (const [node, { buried }] of this.tombstones) {
      if (now - buried < this.options.tombstoneTime) break
      this.tombstones.delete(node)
    }
  }

  /** Living members with a link that `wanted` agrees to; at most `count`, by chance. */
  pick(count: number, random: () => number, wanted: (member: Member) => boolean = () => true): Member[] {
    const found: Member[] = []
    for (const member of this.living.values()) if (member.linked && wanted(member)) found.push(member)
    return found.length <= count ? found : shuffle(found, random, count).slice(0, count)
  }

  private bury(member: Member, now: number): void {
    this.living.delete(member.node)
    this.tombstones.delete(member.node)
    this.tombstones.set(member.node, member)
    member.buried = now
    if (this.tombstones.size <= this.options.maxTombstones) return
    for (const node of this.tombstones.keys()) {
      this.tombstones.delete(node)
      break
    }
  }
}

/** Puts the list, or only its first `count`, in an order by chance (Fisher and Yates). */
export function shuffle<T>(list: T[], random: () => number, count = list.length): T[] {
  for (let i = 0; i < count; i++) {
    const j = i + Math.floor(random() * (list.length - i))
    const item = list[i]
    list[i] = list[j]
    list[j] = item
  }
  return list
}
