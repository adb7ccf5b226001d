import { randomUUID } from "node:crypto"
import type { TopicPartition } from "../driver.ts"
import { KafkaError } from "../errors.ts"
import { classify, codeOf, protocolError } from "./errors.ts"
import { GroupMember } from "./group-member.ts"
import { type Identity, REBALANCE_TIMEOUT, without } from "./membership.ts"

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
export class ConsumerMembership extends GroupMember {
  private readonly id = randomUUID()
  private epoch = JOINING
  private target: TopicPartition[] | null = null
  private reconciling = false

  get identity(): Identity {
    return { id: this.id, epoch: this.epoch }
  }

  protected async sayGoodbye(ended: Promise<void>): Promise<void> {
    // A heartbeat under way may still give us an epoch.
    await ended
    if (this.epoch > JOINING) await this.heartbeat(LEAVING, [])
  }

  protected begin(): void {
    this.target = null
    this.epoch = JOINING
  }

  protected async run(): Promise<void> {
    let interval = FIRST_INTERVAL
    for (let failures = 0; !this.leaving; ) {
      const sent = performance.now()
      const { life } = this
      try {
        const answer = await this.heartbeat(this.epoch, this.owned)
        if (life !== this.life) continue
        failures = 0
        this.session.heard(sent)
        this.events.heard(null)
        this.epoch = answer.memberEpoch
        interval = answer.heartbeatIntervalMs
        if (answer.assignment !== null) this.target = await this.named(answer.assignment.topicPartitions)
        this.reconcile()
      } catch (thrown) {
        this.cluster.forget()
        if (FENCED.has(codeOf(thrown))) this.lose(false)
        else {
          const error = classify(thrown, `Belonging to group ${this.options.group}`)
          if (!(error instanceof KafkaError) || error.kind !== "retriable") {
            if (!this.leaving) this.give(error)
            return
          }
          if (!this.leaving) this.events.heard(error)
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
          await this.events.assigned(missing, () => this.lives(life))
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
}
