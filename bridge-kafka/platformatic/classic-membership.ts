import type { TopicPartition } from "../driver.ts"
import { KafkaError } from "../errors.ts"
import type { Cluster } from "./cluster.ts"
import { classify, codeOf } from "./errors.ts"
import {
  type Identity,
  type Membership,
  type MembershipEvents,
  type MembershipOptions,
  Nap,
  REBALANCE_TIMEOUT,
  Session,
  without,
} from "./membership.ts"

const ASSIGNOR = "cooperative-sticky"
/** Of the subscription and assignment that members exchange (ConsumerProtocolSubscription.json). */
const FORMAT = 3
const MEMBER_ID_REQUIRED = 79
const REBALANCE = 27
/** Our place in the group is gone. */
const FENCED = new Set([22, 25, 82])
const NO_GENERATION = -1
/** Three heartbeats may fail before the session ends. */
const BEATS = 3

interface Joined {
  generationId: number
  protocolName: string | null
  leader: string
  memberId: string
  members: { memberId: string; metadata: Buffer }[]
}

/** A member by the classic protocol, with the cooperative-sticky assignor: partitions that stay are never given up (KIP-429). */
export class ClassicMembership implements Membership {
  private readonly cluster: Cluster
  private readonly options: MembershipOptions
  private readonly events: MembershipEvents
  private readonly nap = new Nap()
  private readonly session: Session
  private id = ""
  private generation = NO_GENERATION
  private owned: TopicPartition[] = []
  private life = 0
  private leaving = false
  private ended: Promise<void> = Promise.resolve()

  constructor(cluster: Cluster, options: MembershipOptions, events: MembershipEvents) {
    this.cluster = cluster
    this.options = options
    this.events = events
    this.session = new Session(options.sessionTimeout, () => this.lose())
  }

  get identity(): Identity {
    return { id: this.id, epoch: this.generation }
  }

  start(): void {
    this.ended = this.run()
  }

  check(): void {
    this.session.check()
  }

  async leave(): Promise<void> {
    this.leaving = true
    this.nap.rouse()
    this.session.stop()
    // A member that waits in JoinGroup is not answered before the others are: leaving ends that.
    const { group } = this.options
    const members = [{ memberId: this.id, groupInstanceId: null, reason: "closed" }]
    if (this.id !== "") await this.cluster.callCoordinator("group", group, "LeaveGroup", group, members).catch(() => {})
    await this.cluster.close()
    await this.ended
  }

  private async run(): Promise<void> {
    let joined = false
    for (let failures = 0; !this.leaving; ) {
      try {
        if (joined) {
          await this.nap.sleep(this.options.sessionTimeout / BEATS)
          if (this.leaving) return
          await this.heartbeat()
        } else {
          joined = await this.join()
        }
        failures = 0
      } catch (thrown) {
        if (this.leaving) return
        const code = codeOf(thrown)
        joined = false
        if (code === REBALANCE) continue
        if (FENCED.has(code)) {
          this.lose()
          continue
        }
        const error = classify(thrown, `Belonging to group ${this.options.group}`)
        if (!(error instanceof KafkaError) || error.kind !== "retriable") {
          this.give(error)
          return
        }
        this.cluster.forget()
        await this.nap.sleep(this.cluster.backoff(failures++))
      }
    }
  }

  private async heartbeat(): Promise<void> {
    const { group } = this.options
    const sent = performance.now()
    try {
      await this.cluster.callCoordinator("group", group, "Heartbeat", group, this.generation, this.id, null)
    } catch (error) {
      // It is an answer: the group knows us.
      if (codeOf(error) === REBALANCE) this.session.heard(sent)
      throw error
    }
    this.session.heard(sent)
  }

  /** One round of joining. Returns whether it was the last: partitions that are given up make another one necessary. */
  private async join(): Promise<boolean> {
    const { group, sessionTimeout } = this.options
    const { life } = this
    // The group waits for its slowest member, and for us meanwhile.
    if (this.owned.length > 0) this.session.heard(performance.now(), REBALANCE_TIMEOUT)
    const protocols = [{ name: ASSIGNOR, metadata: this.subscription() }]
    const args = [group, sessionTimeout, REBALANCE_TIMEOUT, this.id, null, "consumer", protocols, null]
    let answer: Joined
    try {
      answer = await this.cluster.callCoordinator<Joined>("group", group, "JoinGroup", ...args)
    } catch (error) {
      const given = (error as { response?: Joined }).response?.memberId
      if (codeOf(error) !== MEMBER_ID_REQUIRED || given === undefined) throw error
      this.id = given
      return false
    }
    if (life !== this.life || this.leaving) return false
    this.id = answer.memberId
    const shares = answer.leader === this.id ? await this.share(answer.members) : []
    const { generationId, protocolName } = answer
    const sent = performance.now()
    const whom = [group, generationId, this.id, null, "consumer", protocolName, shares]
    const synced = await this.cluster.callCoordinator<{ assignment: Buffer }>("group", group, "SyncGroup", ...whom)
    if (life !== this.life || this.leaving) return false
    this.generation = generationId
    this.session.heard(sent)
    const { assignedPartitions } = this.cluster.library.decodeConsumerProtocolAssignment(synced.assignment)
    return this.adopt(
      assignedPartitions.flatMap(({ topic, partitions }) => partitions.map(partition => ({ topic, partition }))),
    )
  }

  private async adopt(target: readonly TopicPartition[]): Promise<boolean> {
    const { life } = this
    const excess = without(this.owned, target)
    const missing = without(target, this.owned)
    await this.whileBeating(async () => {
      if (excess.length > 0) await this.events.revoked(excess)
      if (life !== this.life) return
      this.owned = without(this.owned, excess)
      if (missing.length > 0) await this.events.assigned(missing)
      if (life === this.life) this.owned = [...this.owned, ...missing]
    })
    return excess.length === 0 && life === this.life
  }

  /** The group must hear of us while commits take their time. */
  private async whileBeating(work: () => Promise<void>): Promise<void> {
    const beat = (): void => {
      this.heartbeat().catch(() => {})
    }
    const timer = setInterval(beat, this.options.sessionTimeout / BEATS).unref()
    try {
      await work()
    } finally {
      clearInterval(timer)
    }
  }

  private subscription(): Buffer {
    return this.cluster.library.encodeConsumerProtocolSubscription({
      version: FORMAT,
      topics: [...this.options.topics],
      ownedPartitions: byTopic(this.owned),
      generationId: this.owned.length > 0 ? this.generation : NO_GENERATION,
      rackId: null,
    })
  }

  /** The first member of a group decides for all. */
  private async share(members: Joined["members"]): Promise<{ memberId: string; assignment: Buffer }[]> {
    const { library } = this.cluster
    type Assigner = Parameters<typeof library.cooperativeStickyAssigner>
    const subscriptions: Assigner[1] = new Map()
    const wanted = new Set<string>()
    for (const { memberId, metadata } of members) {
      const found = library.decodeConsumerProtocolSubscription(metadata)
      for (const topic of found.topics) wanted.add(topic)
      subscriptions.set(memberId, { ...found, memberId, metadata: found.userData } as never)
    }
    const views = await this.cluster.describe([...wanted])
    // The assignor looks at nothing else of the metadata.
    const topics = new Map([...views].map(([name, view]) => [name, { partitionsCount: view.leaders.length }]))
    const shares = library.cooperativeStickyAssigner(this.id, subscriptions, new Set(views.keys()), { topics } as never)
    return shares.map(({ memberId, assignments }) => {
      const assignedPartitions = [...assignments.values()]
      return { memberId, assignment: library.encodeConsumerProtocolAssignment({ version: FORMAT, assignedPartitions }) }
    })
  }

  private give(error: Error): void {
    this.leaving = true
    this.session.stop()
    this.events.failed(error instanceof KafkaError ? error : new KafkaError("fatal", error.message, { cause: error }))
  }

  private lose(): void {
    const { owned } = this
    this.life++
    this.owned = []
    this.id = ""
    this.generation = NO_GENERATION
    this.session.stop()
    if (owned.length > 0) this.events.lost(owned)
  }
}

function byTopic(partitions: readonly TopicPartition[]): { topic: string; partitions: number[] }[] {
  const topics = new Map<string, number[]>()
  for (const { topic, partition } of partitions) topics.set(topic, [...(topics.get(topic) ?? []), partition])
  return [...topics].map(([topic, found]) => ({ topic, partitions: found }))
}
