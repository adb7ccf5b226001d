import { appendHeld, type Held, holds, withoutValue, withValue } from "./one-or-many.ts"
import { isRest, isStar, tokenEnd } from "./subject.ts"

/** One position in the patterns: what the tokens up to here have in common. A single child needs no Map: most have none. */
class Node<T> {
  /** The token of the only child. */
  token: string | null = null
  child: Node<T> | null = null
  /** By token, from two children on. */
  children: Map<string, Node<T>> | null = null
  /** After a `*`. */
  star: Node<T> | null = null
  /** Values of the pattern that goes on with `>`. */
  rest: Held<T>
  /** Values of the pattern that ends here. */
  ends: Held<T>

  isEmpty(): boolean {
    return (
      this.child === null &&
      this.children === null &&
      this.star === null &&
      this.rest === undefined &&
      this.ends === undefined
    )
  }

  get(token: string): Node<T> | null {
    if (this.children !== null) return this.children.get(token) ?? null
    return this.token === token ? this.child : null
  }

  /** For a token that has no child yet. */
  set(token: string, node: Node<T>): void {
    if (this.children !== null) {
      this.children.set(token, node)
    } else if (this.token === null || this.child === null) {
      this.token = token
      this.child = node
    } else {
      this.children = new Map<string, Node<T>>().set(this.token, this.child).set(token, node)
      this.token = null
      this.child = null
    }
  }

  delete(token: string): void {
    if (this.children === null) {
      this.token = null
      this.child = null
      return
    }
    this.children.delete(token)
    if (this.children.size > 1) return
    for (const [left, node] of this.children) {
      this.token = left
      this.child = node
    }
    this.children = null
  }

  forChildren(each: (token: string, node: Node<T>) => void): void {
    if (this.token !== null && this.child !== null) each(this.token, this.child)
    this.children?.forEach((node, token) => {
      each(token, node)
    })
  }
}

export type EachHeld<T> = (held: Held<T>, pattern: string) => void

/**
 * Patterns with wildcards, by token. A node of the trie is looked at once at most for each match, whatever the patterns are:
 * the work is bounded by the trie, not by two to the power of the tokens.
 */
export class SubjectTrie<T> {
  private root = new Node<T>()
  /** Nodes that the tokens so far lead to, and those of the next token. Kept, so that a match allocates no lists. */
  private level: Node<T>[] = []
  private below: Node<T>[] = []

  get isEmpty(): boolean {
    return this.root.isEmpty()
  }

  add(pattern: string, value: T): void {
    let node = this.root
    for (let at = 0; at <= pattern.length; ) {
      if (isRest(pattern, at)) {
        node.rest = withValue(node.rest, value)
        return
      }
      const end = tokenEnd(pattern, at)
      if (isStar(pattern, at)) {
        node.star ??= new Node<T>()
        node = node.star
      } else {
        const token = pattern.slice(at, end)
        let next = node.get(token)
        if (next === null) {
          next = new Node<T>()
          node.set(token, next)
        }
        node = next
      }
      at = end + 1
    }
    node.ends = withValue(node.ends, value)
  }

  /** Returns false when the pattern does not have the value. Nodes that nothing leads through any more are taken out. */
  remove(pattern: string, value: T): boolean {
    return this.removeBelow(this.root, pattern, 0, value)
  }

  /** Appends the values whose patterns match, or with null stops at the first. Returns whether there are any. */
  match(subject: string, into: T[] | null): boolean {
    let { level, below } = this
    let matched = false
    let count = 1
    level[0] = this.root
    for (let at = 0; count > 0; ) {
      const end = tokenEnd(subject, at)
      let token: string | null = null
      let found = 0
      for (let i = 0; i < count; i++) {
        const node = level[i]
        if (node.rest !== undefined) {
          if (into === null) return true
          appendHeld(node.rest, into)
          matched = true
        }
        if (node.star !== null) below[found++] = node.star
        if (node.children !== null) {
          token ??= subject.slice(at, end)
          const child = node.children.get(token)
          if (child !== undefined) below[found++] = child
        } else if (node.token !== null && node.token.length === end - at && subject.startsWith(node.token, at)) {
          below[found++] = node.child as Node<T>
        }
      }
      if (end === subject.length) {
        for (let i = 0; i < found; i++) {
          const held = below[i].ends
          if (held === undefined) continue
          if (into === null) return true
          appendHeld(held, into)
          matched = true
        }
        return matched
      }
      const done = level
      level = below
      below = done
      count = found
      at = end + 1
    }
    return matched
  }

  clear(): void {
    this.root = new Node<T>()
    this.level = []
    this.below = []
  }

  forEach(each: EachHeld<T>): void {
    this.visitAll(this.root, "", each)
  }

  /** Every pattern that a subject could match that matches `pattern` too. `pattern` may be a literal. */
  forOverlaps(pattern: string, each: EachHeld<T>): void {
    this.visitOverlaps(this.root, "", pattern, 0, each)
  }

  private removeBelow(node: Node<T>, pattern: string, at: number, value: T): boolean {
    if (at > pattern.length) {
      if (!holds(node.ends, value)) return false
      node.ends = withoutValue(node.ends, value)
      return true
    }
    if (isRest(pattern, at)) {
      if (!holds(node.rest, value)) return false
      node.rest = withoutValue(node.rest, value)
      return true
    }
    const end = tokenEnd(pattern, at)
    if (isStar(pattern, at)) {
      if (node.star === null || !this.removeBelow(node.star, pattern, end + 1, value)) return false
      if (node.star.isEmpty()) node.star = null
      return true
    }
    const token = pattern.slice(at, end)
    const child = node.get(token)
    if (child === null || !this.removeBelow(child, pattern, end + 1, value)) return false
    if (child.isEmpty()) node.delete(token)
    return true
  }

  /** `prefix` is the pattern up to the node, with its final dot. */
  private visitAll(node: Node<T>, prefix: string, each: EachHeld<T>): void {
    if (node.rest !== undefined) each(node.rest, `${prefix}>`)
    const visit = (token: string, below: Node<T>): void => {
      if (below.ends !== undefined) each(below.ends, prefix + token)
      this.visitAll(below, `${prefix + token}.`, each)
    }
    node.forChildren(visit)
    if (node.star !== null) visit("*", node.star)
  }

  private visitOverlaps(node: Node<T>, prefix: string, pattern: string, at: number, each: EachHeld<T>): void {
    if (isRest(pattern, at)) {
      this.visitAll(node, prefix, each)
      return
    }
    if (node.rest !== undefined) each(node.rest, `${prefix}>`)
    const end = tokenEnd(pattern, at)
    const visit = (token: string, below: Node<T>): void => {
      if (end < pattern.length) this.visitOverlaps(below, `${prefix + token}.`, pattern, end + 1, each)
      else if (below.ends !== undefined) each(below.ends, prefix + token)
    }
    if (isStar(pattern, at)) {
      node.forChildren(visit)
    } else {
      const token = pattern.slice(at, end)
      const child = node.get(token)
      if (child !== null) visit(token, child)
    }
    if (node.star !== null) visit("*", node.star)
  }
}
