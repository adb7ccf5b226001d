import { randomUUID } from "node:crypto"
import type { TopicPartition } from "../driver.ts"
import { KafkaError } from "../errors.ts"
import type { Cluster } from "./cluster.ts"
import { classify, codeOf, protocolError } from "./errors.ts"
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

/** Until the broker has said how often it wants to hear of us (milliseconds). */
const FIRST_INTERVAL = 500
const JOINING = 0
const LEAVING = -1
const FENCED = new Set([25, 110])

interface Answer {
  memberEpoch: number
  heartbeatIntervalMs: number
  assignment: { topicPartitions: { topicId: string; partitions: number[] }[] } | null
}

/** A member by KIP-848: the broker decides who has what, heartbeats carry what we have and bring what we shall have. */
export class ConsumerMembership implements Membership {
  private readonly cluster: Cluster
  private readonly options: MembershipOptions
  private readonly events: MembershipEvents
  private readonly id = randomUUID()
  private readonly nap = new Nap()
  private readonly session: Session
  private epoch = JOINING
  private owned: TopicPartition[] = []
  private target: TopicPartition[] | null = null
  /** Raised when what we had is lost: work for it that is under way does not count any more. */
  private life = 0
  private reconciling = false
  private leaving = false
  private ended: Promise<void> = Promise.resolve()

  constructor(cluster: Cluster, options: MembershipOptions, events: MembershipEvents) {
    this.cluster = cluster
    this.options = options
    this.events = events
    this.session = new Session(options.sessionTimeout, () => this.lose())
  }

  get identity(): Identity {
    return { id: this.id, epoch: this.epoch }
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
    await this.ended
    // The group need not wait for the session to end; when it cannot be told, it does.
    if (this.epoch > 0) await this.heartbeat(LEAVING, []).catch(() => {})
  }

  private async run(): Promise<void> {
    let interval = FIRST_INTERVAL
    for (let failures = 0; !this.leaving; ) {
      const sent = performance.now()
      const { life } = this
      try {
        const answer = await this.heartbeat(this.epoch, this.owned)
        if (life !== this.life) continue
        failures = 0
        this.session.heard(sent)
        this.epoch = answer.memberEpoch
        interval = answer.heartbeatIntervalMs
        if (answer.assignment !== null) this.target = await this.named(answer.assignment.topicPartitions)
        this.reconcile()
      } catch (thrown) {
        this.cluster.forget()
        if (FENCED.has(codeOf(thrown))) this.lose()
        else {
          const error = classify(thrown, `Belonging to group ${this.options.group}`)
          if (!(error instanceof KafkaError) || error.kind !== "retriable") {
            if (!this.leaving) this.give(error)
            return
          }
        }
        await this.nap.sleep(Math.min(this.cluster.backoff(failures++), interval))
        continue
      }
      if (!this.leaving) await this.nap.sleep(interval)
    }
  }

  private heartbeat(epoch: number, owned: readonly TopicPartition[]): Promise<Answer> {
    const { group, topics } = this.options
    const byId = new Map<string, number[]>()
    for (const { topic, partition } of owned) {
      const id = this.ids.get(topic)
      if (id !== undefined) byId.set(id, [...(byId.get(id) ?? []), partition])
    }
    const held = [...byId].map(([topicId, partitions]) => ({ topicId, partitions }))
    const head = [group, this.id, epoch, null, null, REBALANCE_TIMEOUT]
    return this.cluster.callCoordinator("group", group, "ConsumerGroupHeartbeat", ...head, topics, null, null, held)
  }

  /** Of the topics that have been assigned: a topic that is made again has another. */
  private readonly ids = new Map<string, string>()

  private async named(assignment: readonly { topicId: string; partitions: number[] }[]): Promise<TopicPartition[]> {
    if (assignment.length > 0) {
      for (const [name, { id }] of await this.cluster.describe(this.options.topics)) this.ids.set(name, id)
    }
    const names = new Map([...this.ids].map(([name, id]) => [id, name]))
    return assignment.flatMap(({ topicId, partitions }) => {
      const topic = names.get(topicId)
      if (topic === undefined) throw protocolError(5, `Looking up topic ${topicId}, which is assigned to us`)
      return partitions.map(partition => ({ topic, partition }))
    })
  }

  /** Brings what we have to what we shall have: first give up, then take. Heartbeats go on meanwhile. */
  private async reconcile(): Promise<void> {
    if (this.reconciling) return
    this.reconciling = true
    const { life } = this
    try {
      while (life === this.life && this.target !== null && !this.leaving) {
        const { target } = this
        const excess = without(this.owned, target)
        const missing = without(target, this.owned)
        if (excess.length === 0 && missing.length === 0) return
        if (excess.length > 0) {
          await this.events.revoked(excess)
          if (life !== this.life) return
          this.owned = without(this.owned, excess)
        } else {
          await this.events.assigned(missing)
          if (life !== this.life) return
          this.owned = [...this.owned, ...missing]
        }
        this.nap.rouse()
      }
    } catch (error) {
      if (!this.leaving) this.give(classify(error, `Taking partitions of group ${this.options.group}`))
    } finally {
      this.reconciling = false
    }
  }

  private give(error: Error): void {
    const found = error instanceof KafkaError ? error : new KafkaError("fatal", error.message, { cause: error })
    this.leaving = true
    this.session.stop()
    this.nap.rouse()
    this.events.failed(found)
  }

  private lose(): void {
    const { owned } = this
    this.life++
    this.owned = []
    this.target = null
    this.epoch = JOINING
    if (owned.length > 0) this.events.lost(owned)
    this.nap.rouse()
  }
}
