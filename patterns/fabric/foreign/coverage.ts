import { tokensOf } from "./prefix-pattern.ts"

/** A place in the tree of tokens: the pattern `tokens.>`. */
class Branch {
  readonly parent: Branch | null
  readonly token: string
  readonly children = new Map<string, Branch>()
  /** Prefixes that need this pattern. */
  wanted = 0
  /** Ends its subscription; null = it has none. */
  stop: (() => void) | null = null

  constructor(parent: Branch | null, token: string) {
    this.parent = parent
    this.token = token
  }

  get pattern(): string {
    const tokens = [">"]
    for (let branch: Branch = this; branch.parent !== null; branch = branch.parent) tokens.push(branch.token)
    return tokens.reverse().join(".")
  }
}

/**
 * The subscriptions that a set of prefixes needs, none of which contains another: what is published comes once, however many
 * prefixes match. A wider one starts before the narrower ones end, and the other way round, so that nothing is missed.
 */
export class Coverage {
  private readonly root = new Branch(null, "")
  private readonly start: (pattern: string) => () => void

  /** @param start subscribes to a pattern; returns how to end it. */
  constructor(start: (pattern: string) => () => void) {
    this.start = start
  }

  add(prefix: Buffer): void {
    const tokens = tokensOf(prefix)
    if (tokens === null) return
    let branch = this.root
    let covered = false
    for (const token of tokens) {
      covered ||= branch.wanted > 0
      let child = branch.children.get(token)
      if (child === undefined) {
        child = new Branch(branch, token)
        branch.children.set(token, child)
      }
      branch = child
    }
    if (++branch.wanted > 1 || covered) return
    branch.stop = this.start(branch.pattern)
    this.highest(branch, below => {
      below.stop?.()
      below.stop = null
    })
  }

  /** Of a prefix that was added. */
  remove(prefix: Buffer): void {
    const tokens = tokensOf(prefix)
    if (tokens === null) return
    let branch = this.root
    for (const token of tokens) branch = branch.children.get(token) as Branch
    if (--branch.wanted > 0) return
    if (branch.stop !== null) {
      this.highest(branch, below => {
        below.stop = this.start(below.pattern)
      })
      branch.stop()
      branch.stop = null
    }
    while (branch.parent !== null && branch.wanted === 0 && branch.children.size === 0) {
      branch.parent.children.delete(branch.token)
      branch = branch.parent
    }
  }

  /** The wanted branches below this one that have no wanted branch between. */
  private highest(from: Branch, each: (branch: Branch) => void): void {
    const open = [...from.children.values()]
    for (let branch = open.pop(); branch !== undefined; branch = open.pop()) {
      if (branch.wanted > 0) each(branch)
      else open.push(...branch.children.values())
    }
  }
}
