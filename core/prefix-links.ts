import type { Owner } from "./prefix-owners.ts"
import { Pool } from "./prefix-pool.ts"

// A link is a topic of an owner: whose, and of which crowd (0 = the topic is this owner's alone); its neighbours in the
// crowd; its neighbours in the ring of the owner; where the topic is.
export const OWNER = 0
export const CROWD = 1
export const NEXT = 2
export const PREVIOUS = 3
export const AFTER = 4
const BEFORE = 5
export const LENGTH = 6
export const HASH = 7
const LINK_WORDS = 8

/** All links of an index. Those of an owner form a ring, oldest first, so that an owner's topics are all at hand. */
export class Links extends Pool {
  constructor() {
    super(LINK_WORDS)
  }

  /** A new link, the newest of its owner, in no crowd. */
  append(owner: Owner<unknown>, length: number, hash: number): number {
    const link = this.take()
    this.set(link, OWNER, owner.id)
    this.set(link, CROWD, 0)
    this.set(link, LENGTH, length)
    this.set(link, HASH, hash)
    const head = owner.head === 0 ? link : owner.head
    const tail = owner.head === 0 ? link : this.get(head, BEFORE)
    this.set(link, AFTER, head)
    this.set(link, BEFORE, tail)
    this.set(tail, AFTER, link)
    this.set(head, BEFORE, link)
    owner.head = head
    owner.topics++
    owner.bytes += length
    return link
  }

  /** Ends a link; its crowd has let go of it already. */
  drop(link: number, owner: Owner<unknown>): void {
    const after = this.get(link, AFTER)
    const before = this.get(link, BEFORE)
    this.set(before, AFTER, after)
    this.set(after, BEFORE, before)
    owner.topics--
    owner.bytes -= this.get(link, LENGTH)
    if (owner.head === link) owner.head = owner.topics === 0 ? 0 : after
    this.give(link)
  }
}
