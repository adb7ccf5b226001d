/** Publishers that one subscription remembers: as many as a node has peers by default (`maxPeers`). */
const MOST = 1_024

/** Numbers out of order that are remembered of one publisher: more than wait with a usual limit. */
const MOST_EARLY = 65_536

/** What one publisher has brought. */
interface Account {
  /** All up to this number has come, or never will: it was dropped on the way. */
  last: number
  /** Above `last`, by numbers: those that came in the place of an earlier one (policy "conflate"). */
  readonly early: Set<number>
}

/**
 * What a subscription with history has had, by publisher: a link that begins anew brings what was kept once more, and none
 * of it shall come twice.
 */
export class Had {
  private readonly accounts = new Map<string, Account>()

  /** Number of the last message of this publisher before which nothing is missing but what was dropped; 0 = none has come. */
  after(node: string): number {
    return this.accounts.get(node)?.last ?? 0
  }

  /** Whether message `number` of this publisher comes for the first time. `place`: all up to it has come with it. */
  isNew(node: string, number: number, place: number): boolean {
    let account = this.accounts.get(node)
    if (account === undefined) {
      account = { last: 0, early: new Set() }
      if (this.accounts.size >= MOST) this.accounts.delete(this.accounts.keys().next().value as string)
      this.accounts.set(node, account)
    }
    const { early } = account
    if (number <= account.last || early.has(number)) return false
    if (number > place) {
      if (early.size >= MOST_EARLY) early.delete(early.values().next().value as number)
      early.add(number)
    }
    if (place > account.last) {
      account.last = place
      for (const one of early) if (one <= place) early.delete(one)
    }
    return true
  }
}
