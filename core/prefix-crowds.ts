import { CROWD, type Links, NEXT, OWNER, PREVIOUS } from "./prefix-links.ts"
import { Pool } from "./prefix-pool.ts"

/** Crowds: the links of a topic that several owners have. Joining and leaving take the same time however many there are. */
export class Crowds {
  private readonly pool = new Pool(CROWD_WORDS)
  private readonly links: Links
  /** For crowds of more than SCANNED: from the owner's id to its link. */
  private readonly directories = new Map<number, Map<number, number>>()

  constructor(links: Links) {
    this.links = links
  }

  /** Memory held, in bytes, without directories. */
  get bytes(): number {
    return this.pool.bytes
  }

  /** Makes a crowd of one, which another must join at once. */
  start(first: number): number {
    const crowd = this.pool.take()
    this.pool.set(crowd, HEAD, first)
    this.pool.set(crowd, COUNT, 1)
    this.links.set(first, CROWD, crowd)
    this.links.set(first, NEXT, 0)
    return crowd
  }

  /** The first link; the others follow by NEXT, until 0. */
  first(crowd: number): number {
    return this.pool.get(crowd, HEAD)
  }

  /** The link of the owner with this id, 0 when it has none. */
  linkOf(crowd: number, owner: number): number {
    if (this.pool.get(crowd, COUNT) > SCANNED) return this.directories.get(crowd)?.get(owner) ?? 0
    let link = this.pool.get(crowd, HEAD)
    while (link !== 0 && this.links.get(link, OWNER) !== owner) link = this.links.get(link, NEXT)
    return link
  }

  join(crowd: number, link: number): void {
    const { links, pool } = this
    const head = pool.get(crowd, HEAD)
    links.set(link, CROWD, crowd)
    links.set(link, NEXT, head)
    links.set(link, PREVIOUS, 0)
    links.set(head, PREVIOUS, link)
    pool.set(crowd, HEAD, link)
    const count = pool.get(crowd, COUNT) + 1
    pool.set(crowd, COUNT, count)
    pool.set(crowd, EPOCH, 0)
    if (count > SCANNED + 1) this.directories.get(crowd)?.set(links.get(link, OWNER), link)
    else if (count === SCANNED + 1) this.directories.set(crowd, this.directory(crowd))
  }

  /** The link is to be dropped. Returns how many are left; a crowd of one must be ended at once. */
  leave(crowd: number, link: number): number {
    const { links, pool } = this
    const next = links.get(link, NEXT)
    const previous = links.get(link, PREVIOUS)
    if (previous === 0) pool.set(crowd, HEAD, next)
    else links.set(previous, NEXT, next)
    if (next !== 0) links.set(next, PREVIOUS, previous)
    const count = pool.get(crowd, COUNT) - 1
    pool.set(crowd, COUNT, count)
    pool.set(crowd, EPOCH, 0)
    if (count > SCANNED) this.directories.get(crowd)?.delete(links.get(link, OWNER))
    else if (count === SCANNED) this.directories.delete(crowd)
    return count
  }

  /** Ends a crowd of one. */
  end(crowd: number): void {
    this.links.set(this.pool.get(crowd, HEAD), CROWD, 0)
    this.pool.give(crowd)
  }

  /** The index that `note` was given for the set of its owners in this epoch, -1 when it has changed since. */
  noted(crowd: number, epoch: number): number {
    return this.pool.get(crowd, EPOCH) === epoch ? this.pool.get(crowd, SET) : -1
  }

  note(crowd: number, epoch: number, set: number): void {
    this.pool.set(crowd, EPOCH, epoch)
    this.pool.set(crowd, SET, set)
  }

  private directory(crowd: number): Map<number, number> {
    const directory = new Map<number, number>()
    for (let link = this.first(crowd); link !== 0; link = this.links.get(link, NEXT)) {
      directory.set(this.links.get(link, OWNER), link)
    }
    return directory
  }
}

// A crowd: its first link, how many there are, and the set that they are, as noted in an epoch (0 = never).
const HEAD = 0
const COUNT = 1
const SET = 2
const EPOCH = 3
const CROWD_WORDS = 4

/** A crowd of so many is looked through; a larger one has a directory, so that a thousand joining are not a million steps. */
const SCANNED = 8
