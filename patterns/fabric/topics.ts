import { checkSubject } from "../../core/subject.ts"
import { SubjectIndex } from "../../core/subject-index.ts"
import type { Keeper } from "./history.ts"
import type { Interest } from "./interest.ts"
import { QUEUE, SERVE, WORK } from "./interest.ts"
import type { Link } from "./link/link.ts"
import { MAX_SUBJECTS } from "./link/records.ts"
import type { Subscription } from "./subscription.ts"

/** What became of a published message. */
export interface PublishResult {
  /** Subscribers' nodes that it was sent to or queued for; this node counts when it has subscribers of its own. */
  readonly peers: number
  /** Messages, this one or older ones, that had to be dropped for it. */
  readonly dropped: number
  /** False: a subscription with the policy "block" is full. Nobody got the message; `send` waits instead. */
  readonly taken: boolean
}

/** Members of one queue group that want a subject. */
export interface Group {
  readonly name: string
  readonly members: Interest[]
}

/** Who gets a subject. Made when the subject is first used, and again when wishes have changed. */
export class Topic {
  readonly subject: string
  readonly bytes: Buffer
  /** Number of the subject on links; -1 = it has been used once only, and goes as text. */
  id = -1
  /** Which subject the number stands for, as links know it. */
  epoch = 0
  /** Second chance of the cache. */
  recent = true
  generation = -1
  localGeneration = -1
  /** One for each peer that has plain subscriptions, with the policy of the most demanding. */
  readonly plain: Interest[] = []
  /** Subscriptions that messages name one by one. */
  readonly targeted: Interest[] = []
  readonly groups: Group[] = []
  /** Plain subscriptions of this node. */
  readonly local: Subscription[] = []
  readonly services: Interest[] = []
  readonly workers: Interest[] = []
  keeper: Keeper | null = null
  result: PublishResult = NOBODY
  messages = 0
  size = 0

  constructor(subject: string) {
    this.subject = subject
    this.bytes = Buffer.from(subject)
  }
}

export const NOBODY: PublishResult = Object.freeze({ peers: 0, dropped: 0, taken: true })

const results: PublishResult[] = [NOBODY]

/** The usual answer: shared, because nothing was dropped. */
function sentTo(peers: number): PublishResult {
  results[peers] ??= Object.freeze({ peers, dropped: 0, taken: true })
  return results[peers]
}

/** The wishes of peers and of this node, and the subjects in use with who gets them. */
export class Topics {
  /** Interests of peers, queue groups of all nodes, services and workers of all nodes. */
  readonly interests = new SubjectIndex<Interest>()
  /** Plain subscriptions of this node. */
  readonly local = new SubjectIndex<Subscription>()
  /** What is kept for late joiners. */
  readonly keepers = new SubjectIndex<Keeper>()
  private readonly known = new Map<string, Topic>()
  private readonly numbered: (Topic | undefined)[] = []
  private hand = 0
  private epochs = 0
  private readonly found: Interest[] = []

  /** The topic of a subject, up to date. Throws EINVAL for an invalid subject. */
  of(subject: string): Topic {
    let topic = this.known.get(subject)
    if (topic === undefined) topic = this.add(subject)
    else if (topic.id < 0) this.number(topic)
    topic.recent = true
    if (topic.generation !== this.interests.generation || topic.localGeneration !== this.local.generation)
      this.route(topic)
    return topic
  }

  get size(): number {
    return this.known.size
  }

  *[Symbol.iterator](): Generator<Topic> {
    yield* this.known.values()
  }

  /** A keeper came or went: topics ask again. */
  keepersChanged(): void {
    for (const topic of this.known.values()) topic.keeper = this.keeperOf(topic.subject)
  }

  private add(subject: string): Topic {
    checkSubject(subject)
    if (this.known.size >= MAX_SUBJECTS) this.evict()
    const topic = new Topic(subject)
    topic.keeper = this.keeperOf(subject)
    this.known.set(subject, topic)
    return topic
  }

  private keeperOf(subject: string): Keeper | null {
    if (this.keepers.size === 0) return null
    const found: Keeper[] = []
    this.keepers.match(subject, found)
    return found[0] ?? null
  }

  /** Used a second time: it may be used often. */
  private number(topic: Topic): void {
    topic.epoch = ++this.epochs
    if (this.numbered.length < MAX_SUBJECTS) {
      topic.id = this.numbered.length
      this.numbered.push(topic)
      return
    }
    // The clock: the first that nobody has used since the hand passed gives its number up.
    for (;;) {
      const old = this.numbered[this.hand] as Topic
      const at = this.hand
      this.hand = (this.hand + 1) % MAX_SUBJECTS
      if (old.recent) old.recent = false
      else {
        old.id = -1
        topic.id = at
        this.numbered[at] = topic
        return
      }
    }
  }

  /** The oldest that is not in frequent use leaves. */
  private evict(): void {
    for (const topic of this.known.values()) {
      this.known.delete(topic.subject)
      if (topic.recent) {
        // Behind the others: it gets a second chance.
        topic.recent = false
        this.known.set(topic.subject, topic)
      } else {
        // Its number stays its own until the clock takes it: links may still carry messages with it.
        return
      }
    }
  }

  private route(topic: Topic): void {
    const { found } = this
    found.length = 0
    this.interests.match(topic.subject, found)
    topic.generation = this.interests.generation
    topic.localGeneration = this.local.generation
    for (const list of [topic.plain, topic.targeted, topic.groups, topic.local, topic.services, topic.workers])
      list.length = 0
    this.local.match(topic.subject, topic.local)
    const strongest = new Map<Link, number>()
    for (const interest of found) {
      const { kind, group, targeted } = interest.spec
      if (kind === SERVE) topic.services.push(interest)
      else if (kind === WORK) topic.workers.push(interest)
      else if (kind === QUEUE) {
        const same = topic.groups.find(one => one.name === group)
        if (same === undefined) topic.groups.push({ name: group, members: [interest] })
        else same.members.push(interest)
      } else if (targeted) topic.targeted.push(interest)
      else {
        const link = interest.link as Link
        const at = strongest.get(link)
        if (at === undefined) {
          strongest.set(link, topic.plain.length)
          topic.plain.push(interest)
        } else if (demand(interest) > demand(topic.plain[at])) topic.plain[at] = interest
      }
    }
    found.length = 0
    topic.result = sentTo(topic.plain.length + (topic.local.length > 0 ? 1 : 0))
  }
}

/** Of two subscriptions of one node, a message waits in the queue of the one that would lose less. */
function demand(interest: Interest): number {
  const { policy, limit } = interest.spec.policy
  const rank = { conflate: 0, "keep-last": 1, "drop-new": 2, "drop-old": 3, block: 4 }[policy]
  return rank * 2 ** 32 + limit
}
