import type { TopicPartition } from "../driver.ts"
import { KafkaError } from "../errors.ts"
import { classify, codeOf } from "./errors.ts"
import { GroupMember } from "./group-member.ts"
import { type Identity, REBALANCE_TIMEOUT, without } from "./membership.ts"

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
export class ClassicMembership extends GroupMember {
  private id = ""
  private generation = NO_GENERATION

  get identity(): Identity {
    return { id: this.id, epoch: this.generation }
  }

  protected async sayGoodbye(): Promise<void> {
    // A member that waits in JoinGroup is answered when all others are: leaving ends that, but a broker reads nothing more of a
    // connection whose last request it has not answered.
    const { group, besides } = this.options
    const members = [{ memberId: this.id, groupInstanceId: null, reason: "closed" }]
    if (this.id !== "") await besides.callCoordinator("group", group, "LeaveGroup", group, members)
  }

  protected begin(): void {
    this.id = ""
    this.generation = NO_GENERATION
  }

  protected async run(): Promise<void> {
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
        this.events.heard(null)
      } catch (thrown) {
        if (this.leaving) return
        const code = codeOf(thrown)
        joined = false
        if (code === REBALANCE) continue
        if (FENCED.has(code)) {
          this.lose(false)
          continue
        }
        const error = classify(thrown, `Belonging to group ${this.options.group}`)
        if (!(error instanceof KafkaError) || error.kind !== "retriable") {
          this.give(error)
          return
        }
        this.events.heard(error)
        this.cluster.forget()
        this.options.besides.forget()
        await this.nap.sleep(this.cluster.backoff(failures++))
      }
    }
  }

  /** Not by the way of requests that wait: an answer that does not come is noticed sooner. */
  private async heartbeat(): Promise<void> {
    const { group, besides } = this.options
    const sent = performance.now()
    try {
      await besides.callCoordinator("group", group, "Heartbeat", group, this.generation, this.id, null)
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
      if (missing.length > 0) await this.events.assigned(missing, () => this.lives(life))
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
}

function byTopic(partitions: readonly TopicPartition[]): { topic: string; partitions: number[] }[] {
  const topics = new Map<string, number[]>()
  for (const { topic, partition } of partitions) topics.set(topic, [...(topics.get(topic) ?? []), partition])
  return [...topics].map(([topic, found]) => ({ topic, partitions: found }))
}
