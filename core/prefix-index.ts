import { Crowds } from "./prefix-crowds.ts"
import { ANSWER, REFERENCE } from "./prefix-level.ts"
import { AFTER, CROWD, HASH, LENGTH, Links, NEXT, OWNER } from "./prefix-links.ts"
import { type Owner, type OwnerSet, OwnerSets } from "./prefix-owners.ts"
import { TopicTable } from "./prefix-topics.ts"

/** What `add` and `remove` did: bits, so that an answer costs nothing. 0 = nothing changed. */
export const TopicChange = {
  /** The owner did not have the topic before `add`, or had it before `remove`. */
  OWNER: 1,
  /** The topic is new to the index, or gone from it: its first owner came or its last one went. */
  TOPIC: 2,
} as const

/**
 * Who wants what: a map from topics (any bytes) to sets of owners, asked for all owners that have a prefix of a message.
 *
 * `match` does the same work for ten topics as for a million (which misses the processor's cache, once), and allocates
 * nothing while the same topics match again and again. `TopicTable` says what hostile topics can cost. All is loops, nothing
 * recurses. Topics are copied; the caller's buffers are free again at once. The index has no limits of its own: whoever adds
 * what a peer sends must look at `countOf` and `bytesOf`.
 */
export class PrefixIndex<T extends object> {
  private readonly topics = new TopicTable()
  private readonly links = new Links()
  private readonly crowds = new Crowds(this.links)
  private readonly sets = new OwnerSets<T>()
  /** The sets of the topics on a message's way. */
  private readonly parts: OwnerSet<T>[] = []

  private readonly owners = new Map<T, Owner<T>>()
  // By the owner's id.
  private readonly byId: (Owner<T> | undefined)[] = [undefined]
  private readonly alone: (OwnerSet<T> | undefined)[] = [undefined]
  private readonly freeIds: number[] = []

  /** Distinct topics, over all owners. */
  get topicsCount(): number {
    return this.topics.count
  }

  /** Subscriptions: every pair of a topic and an owner that has it. */
  get size(): number {
    return this.links.size
  }

  /** Memory of the tables in bytes, without what JavaScript keeps per owner and per set of owners. */
  get bytes(): number {
    return this.topics.bytes + this.links.bytes + this.crowds.bytes
  }

  /** How many topics an owner has. */
  countOf(owner: T): number {
    return this.owners.get(owner)?.topics ?? 0
  }

  /** How many bytes the topics of an owner have together. */
  bytesOf(owner: T): number {
    return this.owners.get(owner)?.bytes ?? 0
  }

  /** Adds a topic to an owner. Returns bits of `TopicChange`: 0 when the owner has it already. */
  add(topic: Buffer, owner: T): number {
    const answer = this.topics.find(topic)
    const known = this.owners.get(owner) ?? this.welcome(owner)
    if (answer === 0) {
      const hash = this.topics.insert(topic, known.id, 0)
      this.topics.update(known.id, this.links.append(known, topic.length, hash))
      return TopicChange.OWNER | TopicChange.TOPIC
    }
    if (answer === known.id) return 0
    if (answer < 0 && this.crowds.linkOf(-answer, known.id) !== 0) return 0
    const crowd = answer > 0 ? this.startCrowd() : -answer
    const hash = this.links.get(this.crowds.first(crowd), HASH)
    this.crowds.join(crowd, this.links.append(known, topic.length, hash))
    return TopicChange.OWNER
  }

  /** Takes a topic from an owner. Returns bits of `TopicChange`: 0 when the owner does not have it. */
  remove(topic: Buffer, owner: T): number {
    const known = this.owners.get(owner)
    if (known === undefined) return 0
    const answer = this.topics.find(topic)
    if (answer === 0) return 0
    if (answer < 0) {
      const link = this.crowds.linkOf(-answer, known.id)
      if (link === 0) return 0
      this.leave(-answer, link, known)
      return TopicChange.OWNER
    }
    if (answer !== known.id) return 0
    const link = this.topics.reference
    this.topics.remove()
    this.removeLink(link, known)
    return TopicChange.OWNER | TopicChange.TOPIC
  }

  /**
   * Takes all its topics from an owner, in time proportional to how many these are.
   * @param forEachGone called with a copy of each topic that nobody else has, once it is gone; it may use the index
   */
  removeOwner(owner: T, forEachGone?: (topic: Buffer) => void): void {
    const known = this.owners.get(owner)
    if (known === undefined) return
    // What `forEachGone` adds to it belongs to a new owner of the same name, or this loop might never end.
    this.owners.delete(owner)
    while (known.head !== 0) {
      const link = known.head
      const crowd = this.links.get(link, CROWD)
      if (crowd !== 0) {
        this.leave(crowd, link, known)
        continue
      }
      this.locate(link)
      const gone = forEachGone === undefined ? undefined : this.topics.copy()
      this.topics.remove()
      this.removeLink(link, known)
      if (gone !== undefined) forEachGone?.(gone)
    }
  }

  /** Copies of the topics of an owner, oldest first. The owner's topics must not change meanwhile. */
  *topicsOf(owner: T): Generator<Buffer, void, undefined> {
    const head = this.owners.get(owner)?.head ?? 0
    if (head === 0) return
    let link = head
    do {
      this.locate(link)
      yield this.topics.copy()
      link = this.links.get(link, AFTER)
    } while (link !== head)
  }

  /** Calls with a copy of every distinct topic, in no particular order. The index must not change meanwhile. */
  forEachTopic(visit: (topic: Buffer) => void): void {
    this.topics.forEach(visit)
  }

  /** True when somebody has a prefix of this topic. Never allocates. */
  has(topic: Buffer): boolean {
    return this.topics.search(topic, 1) !== 0
  }

  /**
   * All owners that have a prefix of this topic, each once, in no particular order.
   *
   * The array never changes, not even when the index does: it may be kept, and compared. Two results that are the same
   * array are the same set, always. Equal results are the same array while the index does not change, unless matches had
   * so many different sets meanwhile that these had to be forgotten (see `OwnerSets`). Nobody is one shared array.
   */
  match(topic: Buffer): readonly T[] {
    const found = this.topics.search(topic, ALL)
    if (found === 0) return NOBODY
    const { hits } = this.topics
    const first = this.setOf(hits[0])
    if (found === 1) return first.values
    const { parts } = this
    let count = 1
    parts[0] = first
    for (let i = 1; i < found; i++) {
      const set = this.setOf(hits[i])
      if (set !== parts[count - 1]) parts[count++] = set
    }
    return count === 1 ? first.values : this.sets.union(parts, count, this.links.size).values
  }

  // Sets

  private setOf(answer: number): OwnerSet<T> {
    if (answer > 0) return this.alone[answer] as OwnerSet<T>
    const crowd = -answer
    const noted = this.crowds.noted(crowd, this.sets.epoch)
    if (noted >= 0) return this.sets.at(noted)
    this.sets.begin()
    for (let link = this.crowds.first(crowd); link !== 0; link = this.links.get(link, NEXT)) {
      this.sets.gather(this.byId[this.links.get(link, OWNER)] as Owner<T>)
    }
    const set = this.sets.finish(this.links.size)
    this.crowds.note(crowd, this.sets.epoch, set.index)
    return set
  }

  // Topics and links. A topic's slot has, as answer and reference, the id and the link of its one owner, or -crowd and 0.

  /** Makes a crowd of the one owner of the topic at hand. */
  private startCrowd(): number {
    const crowd = this.crowds.start(this.topics.reference)
    this.topics.update(-crowd, 0)
    return crowd
  }

  private leave(crowd: number, link: number, owner: Owner<T>): void {
    if (this.crowds.leave(crowd, link) === 1) {
      const last = this.crowds.first(crowd)
      this.locate(last)
      this.topics.update(this.links.get(last, OWNER), last)
      this.crowds.end(crowd)
    }
    this.removeLink(link, owner)
  }

  private removeLink(link: number, owner: Owner<T>): void {
    this.links.drop(link, owner)
    if (owner.topics === 0) this.dismiss(owner)
  }

  /** Makes the topic of a link the one at hand. */
  private locate(link: number): void {
    const { links } = this
    const crowd = links.get(link, CROWD)
    const word = crowd === 0 ? REFERENCE : ANSWER
    this.topics.locate(links.get(link, LENGTH), links.get(link, HASH), word, crowd === 0 ? link : -crowd)
  }

  // Owners

  private welcome(value: T): Owner<T> {
    const id = this.freeIds.pop() ?? this.byId.length
    const key = Math.floor(Math.random() * 2 ** 30) // a small integer to V8
    const owner: Owner<T> = { value, id, key, head: 0, topics: 0, bytes: 0, mark: 0, kept: 0 }
    this.owners.set(value, owner)
    this.byId[id] = owner
    this.alone[id] = { values: [value], members: [owner], key, index: -1, next: undefined }
    return owner
  }

  /** Forgets an owner without topics, so that the index keeps nothing of it alive. */
  private dismiss(owner: Owner<T>): void {
    if (this.sets.keeps(owner)) this.sets.forget()
    this.parts.length = 0
    if (this.owners.get(owner.value) === owner) this.owners.delete(owner.value)
    this.byId[owner.id] = undefined
    this.alone[owner.id] = undefined
    this.freeIds.push(owner.id)
  }
}

const NOBODY: readonly never[] = []

/** No limit to a search. */
const ALL = 0x7fffffff
