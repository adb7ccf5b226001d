import { HASH_START, hashWord } from "./prefix-hash.ts"
import { Pool } from "./prefix-pool.ts"
import type { SubjectHits } from "./subject-hits.ts"
import type { SubjectKey } from "./subject-key.ts"
import { WordTable } from "./word-table.ts"

const STAR_SIGN = 0x2a
const REST_SIGN = 0x3e

// A node: a position in the patterns, what the tokens up to here have in common. Its children by name are edges.
/** The node after a `*`; 0 = none. */
const STAR = 0
/** Edges that leave it. */
const CHILDREN = 1
/** Answer and reference of the pattern that ends here; the reference 0 = none does. */
const ENDS = 2
/** Answer and reference of the pattern that goes on with `>`. */
const REST = 4
const STRIDE = 6

/** More tokens than any subject has: no pattern with `>`. */
const NONE = 1 << 30

/**
 * Patterns with wildcards, by token, with an answer and a reference (never 0) each. A node of the trie is looked at once at most
 * for each match, whatever the patterns are: the work is bounded by the trie, not by two to the power of the tokens.
 *
 * All nodes lie in one pool, and all edges in one table by token and node: a step to one of a million children misses the cache
 * twice, and a step to none seldom does.
 */
export class SubjectTrie {
  private readonly nodes = new Pool(STRIDE)
  private readonly edges = new WordTable()
  private root = 0
  /** Nodes that the tokens so far lead to, and those of the next token. Kept, so that a match allocates no lists. */
  private level: number[] = []
  private below: number[] = []
  // The token at hand, in words, with its hash; the node that an edge leaves comes behind it.
  private token = new Int32Array(32)
  private tokenWords = 0
  private tokenHash = 0
  // The pattern at hand: where it ends, and the way there.
  private node = 0
  private word = ENDS
  private readonly path: number[] = []
  private depth = 0
  // By number of tokens: patterns without `>`, and those with it, which is one of them.
  private readonly whole: number[] = []
  private readonly open: number[] = []
  /** Fewest tokens of a pattern with `>`. */
  private leastOpen = NONE

  constructor() {
    this.root = this.newNode()
  }

  get isEmpty(): boolean {
    const { nodes, root } = this
    return nodes.get(root, STAR) === 0 && nodes.get(root, CHILDREN) === 0 && nodes.get(root, REST + 1) === 0
  }

  /** Nodes in use. */
  get size(): number {
    return this.nodes.size
  }

  /**
   * False when no pattern matches subjects of so many tokens: known without a look at the nodes, which among many patterns are misses
   * of the cache.
   */
  mayMatch(tokens: number): boolean {
    return tokens >= this.leastOpen || (tokens < this.whole.length && this.whole[tokens] > 0)
  }

  /** True when the pattern is here; it becomes the one at hand, until the next change. */
  find(pattern: SubjectKey): boolean {
    return this.walk(pattern, false) && this.reference !== 0
  }

  get answer(): number {
    return this.nodes.get(this.node, this.word)
  }

  get reference(): number {
    return this.nodes.get(this.node, this.word + 1)
  }

  update(answer: number, reference: number): void {
    this.nodes.set(this.node, this.word, answer)
    this.nodes.set(this.node, this.word + 1, reference)
  }

  /** Adds a pattern that is not here. */
  insert(pattern: SubjectKey, answer: number, reference: number): void {
    this.walk(pattern, true)
    this.update(answer, reference)
    this.count(pattern.tokens, 1)
  }

  /** Takes a pattern out that `find` has found, with the nodes that nothing leads through any more. */
  remove(pattern: SubjectKey): void {
    const { nodes, path } = this
    this.count(pattern.tokens, -1)
    this.update(0, 0)
    let { node } = this
    for (let i = this.depth - 1; i >= 0 && this.isBare(node); i--) {
      const parent = path[i]
      if (nodes.get(parent, STAR) === node) nodes.set(parent, STAR, 0)
      else {
        this.takeToken(pattern, i)
        this.findEdge(parent)
        this.edges.remove()
        nodes.set(parent, CHILDREN, nodes.get(parent, CHILDREN) - 1)
      }
      nodes.give(node)
      node = parent
    }
    if (!this.isEmpty) return
    // The pool lets its memory go when the last node is given back.
    nodes.give(this.root)
    this.root = this.newNode()
  }

  /** Appends the answers and references of the patterns that match. */
  match(subject: SubjectKey, hits: SubjectHits): void {
    const { nodes, edges } = this
    const { tokens } = subject
    let { level, below } = this
    let count = 1
    level[0] = this.root
    for (let index = 0; ; index++) {
      let taken = false
      let found = 0
      for (let i = 0; i < count; i++) {
        const node = level[i]
        const page = nodes.pageOf(node)
        const place = nodes.placeOf(node)
        if (page[place + REST + 1] !== 0) hits.push(page[place + REST], page[place + REST + 1])
        if (page[place + STAR] !== 0) below[found++] = page[place + STAR]
        if (page[place + CHILDREN] === 0) continue
        if (!taken) this.takeToken(subject, index)
        taken = true
        if (this.findEdge(node)) below[found++] = edges.answer
      }
      if (found === 0) return
      if (index + 1 === tokens) {
        for (let i = 0; i < found; i++) {
          const node = below[i]
          if (nodes.get(node, ENDS + 1) !== 0) hits.push(nodes.get(node, ENDS), nodes.get(node, ENDS + 1))
        }
        return
      }
      const done = level
      level = below
      below = done
      count = found
    }
  }

  /** One pattern more, or less, at hand. */
  private count(tokens: number, change: 1 | -1): void {
    const counts = this.word === REST ? this.open : this.whole
    while (counts.length <= tokens) counts.push(0)
    counts[tokens] += change
    if (counts === this.whole) return
    const least = this.open.findIndex(count => count > 0)
    this.leastOpen = least < 0 ? NONE : least
  }

  /** Goes to where a pattern ends; false when there is no way and none is to be made. */
  private walk(pattern: SubjectKey, make: boolean): boolean {
    const { nodes, edges, path } = this
    const { tokens, ends } = pattern
    let node = this.root
    for (let index = 0; index < tokens; index++) {
      const start = startOf(pattern, index)
      const sign = ends[index] === start + 1 ? pattern.byteAt(start) : 0
      if (sign === REST_SIGN && index + 1 === tokens) {
        this.node = node
        this.word = REST
        this.depth = index
        return true
      }
      let next: number
      if (sign === STAR_SIGN) {
        next = nodes.get(node, STAR)
        if (next === 0 && make) {
          next = this.newNode()
          nodes.set(node, STAR, next)
        }
      } else {
        this.takeToken(pattern, index)
        next = nodes.get(node, CHILDREN) > 0 && this.findEdge(node) ? edges.answer : 0
        if (next === 0 && make) {
          next = this.newNode()
          this.token[this.tokenWords] = node
          edges.insert(this.token, (this.tokenWords + 1) * 4, hashWord(this.tokenHash, node), next, 0)
          nodes.set(node, CHILDREN, nodes.get(node, CHILDREN) + 1)
        }
      }
      if (next === 0) return false
      path[index] = node
      node = next
    }
    this.node = node
    this.word = ENDS
    this.depth = tokens
    return true
  }

  /** Makes a token of a subject the one at hand. */
  private takeToken(subject: SubjectKey, index: number): void {
    let at = startOf(subject, index)
    const end = subject.ends[index]
    // One more for the node.
    if (end - at > this.token.length * 4 - 8) this.token = new Int32Array(end - at)
    const { token } = this
    let hash = HASH_START
    let count = 0
    for (; at + 4 <= end; at += 4) {
      const word = subject.wordAt(at)
      token[count++] = word
      hash = hashWord(hash, word)
    }
    if (at < end) {
      // Tokens have no NUL: filled up with zeros, they still differ.
      const word = subject.wordAt(at) & ((1 << ((end - at) << 3)) - 1)
      token[count++] = word
      hash = hashWord(hash, word)
    }
    this.tokenWords = count
    this.tokenHash = hash
  }

  /** The edge that leaves a node by the token at hand. */
  private findEdge(node: number): boolean {
    const { token, tokenWords } = this
    token[tokenWords] = node
    return this.edges.find(token, (tokenWords + 1) * 4, hashWord(this.tokenHash, node))
  }

  private newNode(): number {
    const node = this.nodes.take()
    for (let word = 0; word < STRIDE; word++) this.nodes.set(node, word, 0)
    return node
  }

  private isBare(node: number): boolean {
    const { nodes } = this
    return (
      nodes.get(node, STAR) === 0 &&
      nodes.get(node, CHILDREN) === 0 &&
      nodes.get(node, ENDS + 1) === 0 &&
      nodes.get(node, REST + 1) === 0
    )
  }
}

function startOf({ ends }: SubjectKey, token: number): number {
  return token === 0 ? 0 : ends[token - 1] + 1
}
