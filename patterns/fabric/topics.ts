import type { Audience } from "../../core/audiences.ts"
import { checkSubject, matches } from "../../core/subject.ts"
import { SubjectIndex } from "../../core/subject-index.ts"
import { SubjectKey } from "../../core/subject-key.ts"
import type { CarrySender } from "./carry/sender.ts"
import { Doorkeeper } from "./doorkeeper.ts"
import type { Keeper } from "./history.ts"
import type { Interest } from "./interest.ts"
import { QUEUE, SERVE, SUBSCRIBE, WORK } from "./interest.ts"
import type { Link } from "./link/link.ts"
import { MAX_SUBJECTS } from "./link/records.ts"
import { refuseReserved } from "./reserved.ts"
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
  /** As `SubjectKey` has it. */
  readonly hash: number
  /** Number of the subject on links; -1 = it has been used once only, and goes as text. */
  id = -1
  /** Which subject the number stands for, as links know it. */
  epoch = 0
  /** Used since the hand of the clock passed: its number stays its own. */
  recent = true
  generation = -1
  localGeneration = -1
  /** One for each peer that has plain subscriptions, with the policy of the most demanding. */
  plain: readonly Interest[] = NONE
  /** The group that carries the subject, and for which of its states `hearing` holds. */
  carrier: CarrySender | null = null
  carryGeneration = 0
  /** Of those who have plain subscriptions, the peers that get them by the group: they are not in `plain`. */
  hearing: readonly Interest[] = NONE
  /** Number of the subject in the group's batch of that mark (carry/writer.ts). */
  carryBatch = 0
  carryNumber = 0
  /** Subscriptions that messages name one by one. */
  targeted: readonly Interest[] = NONE
  groups: readonly Group[] = NONE
  /** Plain subscriptions of this node. */
  local: readonly Subscription[] = NONE
  services: readonly Interest[] = NONE
  workers: readonly Interest[] = NONE
  keeper: Keeper | null = null
  /** The peer that alone gets the subject, by plain subscriptions, and nobody keeps it: nothing else here need be looked at. */
  direct: Link | null = null
  result: PublishResult = NOBODY
  messages = 0
  size = 0

  constructor(subject: string, hash = 0) {
    this.subject = subject
    this.hash = hash
    this.bytes = Buffer.from(subject)
  }
}

/** Most subjects have most of these lists empty. */
const NONE: readonly never[] = []

/** Stands for all who must be looked at one by one: queue groups, services, workers, those whom messages name. */
const APART = {}

function memberOf({ spec, link }: Interest): Link | typeof APART {
  return spec.kind === SUBSCRIBE && !spec.targeted && link !== null ? link : APART
}

/** Larger numbers would take five bytes. */
const MAX_LABEL = (1 << 28) - 1

/** The number by which messages may name a plain wish of a peer; 0 = by its subject only. */
function labelOf(interest: Interest): number {
  const { id } = interest.spec
  return memberOf(interest) !== APART && id <= MAX_LABEL ? id : 0
}

/** After so many subjects that were passing, the Maps of topics are asked last. */
const LONG_STREAK = 16

/** Subjects in one generation of the cache. */
const GENERATION = MAX_SUBJECTS / 2

export const NOBODY: PublishResult = Object.freeze({ peers: 0, dropped: 0, taken: true })

const results: PublishResult[] = [NOBODY]

/** The usual answer: shared, because nothing was dropped. */
export function sentTo(peers: number): PublishResult {
  results[peers] ??= Object.freeze({ peers, dropped: 0, taken: true })
  return results[peers]
}

/** The wishes of peers and of this node, and the subjects in use with who gets them. */
export class Topics {
  /** Interests of peers, queue groups of all nodes, services and workers of all nodes. */
  readonly interests = new SubjectIndex<Interest, Link | typeof APART>(memberOf, labelOf)
  /** Plain subscriptions of this node. */
  readonly local = new SubjectIndex<Subscription>()
  /** What is kept for late joiners. */
  readonly keepers = new SubjectIndex<Keeper>()
  /** Groups that carry subjects, by the node's option `carry`: set before the first subject is used. */
  carriers: readonly CarrySender[] = NONE
  /**
   * Subjects in use, in two generations: when the younger is full it becomes the older, and what nobody has used since is
   * forgotten with it. Entries never leave one by one; a Map of which they do makes work for the collector.
   */
  private young = new Map<string, Topic>()
  /** Of the younger generation, the one used last: most programs publish one subject many times in a row. */
  private latest: Topic | null = null
  private old = new Map<string, Topic>()
  /** Of a subject that is passing: valid until the next call of `find`. */
  readonly passing = new SubjectKey()
  /** The peers that want it. */
  passingTo: readonly Link[] = NONE
  /** The wish of the peer, if it is one alone and literal; otherwise 0. */
  passingFor = 0
  private readonly doorkeeper = new Doorkeeper()
  /** Subjects that were passing, one after the other. */
  private streak = 0
  private readonly keyOfTopic = new SubjectKey()
  private readonly audiences: Audience<Link | typeof APART>[] = []
  private readonly numbered: (Topic | undefined)[] = []
  private hand = 0
  private epochs = 0

  /** The topic of a subject, up to date. Throws EINVAL for a subject that is invalid or reserved. */
  of(subject: string): Topic {
    const { latest } = this
    const topic = latest !== null && latest.subject === subject ? latest : this.young.get(subject)
    return this.update(topic ?? this.add(subject), topic !== undefined)
  }

  /**
   * The topic of a subject that somebody publishes to. Null: it is passing. More subjects are in use than topics, this one
   * has not been used lately, and only plain subscriptions of peers want it: `passingTo`, `passingFor`. Throws as `of`.
   */
  forPublishing(subject: string): Topic | null {
    // Many messages in a row have the subject of the one before, and nothing has changed: for these, all is one short function.
    const { latest } = this
    if (latest !== null && latest.subject === subject && latest.id >= 0 && this.isRouted(latest)) {
      this.streak = 0
      latest.recent = true
      return latest
    }
    return this.seek(subject)
  }

  private seek(subject: string): Topic | null {
    const { latest, passing, doorkeeper } = this
    // In a long row of these, the next is one, too: its hash says so for less than two Maps take.
    if (this.streak < LONG_STREAK) {
      const topic = latest !== null && latest.subject === subject ? latest : this.young.get(subject)
      if (topic !== undefined || this.old.size === 0 || this.old.has(subject)) return this.stays(subject, topic)
      if (!passing.setText(subject)) checkSubject(subject)
    } else {
      if (!passing.setText(subject)) checkSubject(subject)
      if (doorkeeper.hasTopic(passing.hash)) {
        const topic = this.young.get(subject)
        if (topic !== undefined || this.old.has(subject)) return this.stays(subject, topic)
      }
    }
    refuseReserved(subject)
    const again = doorkeeper.knows(passing.hash)
    if (again || !this.isPassing()) {
      const topic = this.stays(subject, undefined)
      if (again && topic.id < 0) this.number(topic)
      return topic
    }
    this.streak++
    return null
  }

  private stays(subject: string, topic: Topic | undefined): Topic {
    this.streak = 0
    return this.update(topic ?? this.add(subject), topic !== undefined)
  }

  private isPassing(): boolean {
    const { passing, audiences } = this
    if (this.carriers.length > 0 || this.local.hasMatch(passing) || this.keepers.hasMatch(passing)) return false
    while (audiences.length > 0) audiences.pop()
    const count = this.interests.audiences(passing, audiences)
    this.passingFor = this.interests.label
    if (count === 0) {
      this.passingTo = NONE
      return true
    }
    let { members } = audiences[0]
    for (let i = 1; i < count; i++) {
      const more = audiences[i].members
      if (more !== members) members = [...new Set([...members, ...more])]
    }
    if (members.includes(APART)) return false
    this.passingTo = members as readonly Link[]
    return true
  }

  /** `again`: it was found in the younger generation. */
  private update(topic: Topic, again: boolean): Topic {
    if (again && topic.id < 0) this.number(topic)
    this.latest = topic
    topic.recent = true
    if (!this.isRouted(topic)) this.route(topic)
    return topic
  }

  /** What the topic says of who gets it still holds. */
  private isRouted(topic: Topic): boolean {
    if (topic.generation !== this.interests.generation || topic.localGeneration !== this.local.generation) return false
    return topic.carrier === null || topic.carryGeneration === topic.carrier.generation
  }

  /** The topic of a subject if it is in use; looking changes nothing. */
  find(subject: string): Topic | undefined {
    return this.young.get(subject) ?? this.old.get(subject)
  }

  /** Messages of a subject that are kept for late joiners. */
  kept(subject: string): number {
    return this.keeperOf(subject)?.count(subject) ?? 0
  }

  get size(): number {
    return this.young.size + this.old.size
  }

  *[Symbol.iterator](): Generator<Topic> {
    yield* this.young.values()
    for (const topic of this.old.values()) if (!this.young.has(topic.subject)) yield topic
  }

  /** A keeper came or went: topics ask again. */
  keepersChanged(): void {
    for (const topic of this) {
      topic.keeper = this.keeperOf(topic.subject)
      topic.direct = directOf(topic)
    }
  }

  private add(subject: string): Topic {
    let topic = this.old.get(subject)
    if (topic === undefined) {
      checkSubject(subject)
      refuseReserved(subject)
      this.keyOfTopic.setText(subject)
      topic = new Topic(subject, this.keyOfTopic.hash)
      topic.keeper = this.keeperOf(subject)
      topic.carrier = this.carrierOf(subject)
    } else if (topic.id < 0) this.number(topic)
    if (this.young.size >= GENERATION) {
      this.old = this.young
      this.young = new Map()
      this.doorkeeper.forgetTopics()
      for (const one of this.old.values()) this.doorkeeper.addTopic(one.hash)
    }
    this.young.set(subject, topic)
    this.doorkeeper.addTopic(topic.hash)
    return topic
  }

  private keeperOf(subject: string): Keeper | null {
    if (this.keepers.size === 0) return null
    const found: Keeper[] = []
    this.keepers.match(subject, found)
    return found[0] ?? null
  }

  private carrierOf(subject: string): CarrySender | null {
    for (const carrier of this.carriers) if (carrier.group.patterns.some(one => matches(one, subject))) return carrier
    return null
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

  private route(topic: Topic): void {
    topic.generation = this.interests.generation
    topic.localGeneration = this.local.generation
    topic.local = NONE
    if (this.local.size > 0) {
      const local: Subscription[] = []
      if (this.local.match(topic.subject, local) > 0) topic.local = local
    }
    topic.plain = NONE
    topic.hearing = NONE
    topic.targeted = NONE
    topic.groups = NONE
    topic.services = NONE
    topic.workers = NONE
    if (this.interests.size > 0) {
      const found: Interest[] = []
      if (this.interests.match(topic.subject, found) > 0) sort(topic, found)
    }
    topic.carrier?.route(topic)
    topic.direct = directOf(topic)
    topic.result = sentTo(topic.plain.length + topic.hearing.length + (topic.local.length > 0 ? 1 : 0))
  }
}

function directOf({ plain, hearing, local, targeted, groups, keeper }: Topic): Link | null {
  const others = hearing.length + local.length + targeted.length + groups.length
  return plain.length === 1 && others === 0 && keeper === null ? plain[0].link : null
}

/** Who wants a topic, by the way in which they want it. */
function sort(topic: Topic, found: readonly Interest[]): void {
  const plain: Interest[] = []
  const targeted: Interest[] = []
  const groups: Group[] = []
  const services: Interest[] = []
  const workers: Interest[] = []
  for (const interest of found) {
    const { kind, group, targeted: named } = interest.spec
    if (kind === SERVE) services.push(interest)
    else if (kind === WORK) workers.push(interest)
    else if (kind === QUEUE) {
      const same = groups.find(one => one.name === group)
      if (same === undefined) groups.push({ name: group, members: [interest] })
      else same.members.push(interest)
    } else if (named) targeted.push(interest)
    else plain.push(interest)
  }
  topic.plain = plain.length < 2 ? plain : strongest(plain)
  topic.targeted = targeted
  topic.groups = groups
  topic.services = services
  topic.workers = workers
}

/** One for each peer. */
function strongest(plain: readonly Interest[]): Interest[] {
  const byLink = new Map<Link, Interest>()
  for (const interest of plain) {
    const link = interest.link as Link
    const best = byLink.get(link)
    if (best === undefined || demand(interest) > demand(best)) byLink.set(link, interest)
  }
  return [...byLink.values()]
}

/** Of two subscriptions of one node, a message waits in the queue of the one that would lose less. */
function demand(interest: Interest): number {
  const { policy, limit } = interest.spec.policy
  const rank = { conflate: 0, "keep-last": 1, "drop-new": 2, "drop-old": 3, block: 4 }[policy]
  return rank * 2 ** 32 + limit
}
