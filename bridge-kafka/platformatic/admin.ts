import type { TopicPartition, TopicSpec } from "../driver.ts"
import { KafkaError } from "../errors.ts"
import type { Cluster } from "./cluster.ts"
import { codeOf, protocolError } from "./errors.ts"
import { DEADLINE } from "./producer.ts"

const TOPIC_EXISTS = 36
const UNKNOWN_TOPIC = 3
const TOO_FEW_BROKERS = "INVALID_REPLICATION_FACTOR"
const GROUP_ID_NOT_FOUND = 69
/** Not a member: offsets are set from outside of the group. */
const OUTSIDE = -1

type Offset = TopicPartition & { offset: number }

interface PerTopic {
  topics?: { name: string; errorCode: number; errorMessage?: string | null }[]
  responses?: { name: string | null; errorCode: number; errorMessage?: string | null }[]
}

/** The library throws when one of many was refused; the answer tells about each. */
async function perTopic(call: Promise<PerTopic>, what: string, harmless: number): Promise<void> {
  let answer: PerTopic
  try {
    answer = await call
  } catch (error) {
    const carried = (error as { response?: PerTopic }).response
    if (carried === undefined) throw error
    answer = carried
  }
  for (const { name, errorCode, errorMessage } of answer.topics ?? answer.responses ?? []) {
    if (errorCode !== 0 && errorCode !== harmless)
      throw protocolError(errorCode, `${what} ${name}`, { said: errorMessage })
  }
}

export async function createTopics(cluster: Cluster, specs: readonly TopicSpec[]): Promise<void> {
  if (specs.length === 0) return
  const wanted = specs.map(({ name, partitions, replicationFactor, config = {} }) => ({
    name,
    numPartitions: partitions,
    replicationFactor,
    assignments: [],
    configs: Object.entries(config).map(([key, value]) => ({ name: key, value })),
  }))
  const tooFew = await cluster.retry("Creating topics", DEADLINE, async () => {
    try {
      const call = cluster.call<PerTopic>(null, "CreateTopics", wanted, DEADLINE, false)
      await perTopic(call, "Creating topic", TOPIC_EXISTS)
      return null
    } catch (error) {
      // Whoever asks tries again, and says meanwhile what is missing: it may be a person who mends it.
      if (error instanceof KafkaError && error.protocolName === TOO_FEW_BROKERS) return error
      throw error
    }
  })
  if (tooFew !== null) throw tooFew
  await settled(cluster, specs)
}

/** The answer comes before every broker knows the topic: whoever wrote into it at once would be told that it does not exist. */
async function settled(cluster: Cluster, specs: readonly { name: string; partitions: number }[]): Promise<void> {
  const names = specs.map(({ name }) => name)
  await cluster.retry("Waiting for topics", DEADLINE, async () => {
    const found = await cluster.describe(names)
    for (const { name, partitions } of specs) {
      const leaders = found.get(name)?.leaders ?? []
      // A topic that was there before may have fewer partitions than were asked for.
      const missing = leaders.length === 0 || leaders.some(leader => leader < 0)
      if (missing) throw protocolError(5, `Waiting for topic ${name} with ${partitions} partitions`)
    }
  })
}

export async function growTopic(cluster: Cluster, topic: string, partitions: number): Promise<void> {
  const view = (await cluster.describe([topic])).get(topic)
  if (view === undefined) throw new KafkaError("fatal", `Adding partitions: there is no topic ${topic}`)
  if (view.leaders.length === partitions) return
  const wanted = [{ name: topic, count: partitions, assignments: null }]
  await cluster.retry(`Adding partitions to ${topic}`, DEADLINE, () =>
    cluster.call(null, "CreatePartitions", wanted, DEADLINE, false),
  )
  await cluster.retry(`Adding partitions to ${topic}`, DEADLINE, async () => {
    const leaders = (await cluster.describe([topic])).get(topic)?.leaders ?? []
    if (leaders.length < partitions || leaders.some(leader => leader < 0)) throw protocolError(5, `Growing ${topic}`)
  })
}

export async function deleteTopics(cluster: Cluster, names: readonly string[]): Promise<void> {
  if (names.length === 0) return
  const wanted = names.map(name => ({ name, topicId: null }))
  await cluster.retry("Deleting topics", DEADLINE, () =>
    perTopic(cluster.call<PerTopic>(null, "DeleteTopics", wanted, DEADLINE), "Deleting topic", UNKNOWN_TOPIC),
  )
  cluster.forget()
}

interface FetchedOffsets {
  groups: {
    errorCode: number
    topics: { name: string; partitions: { partitionIndex: number; committedOffset: bigint; errorCode: number }[] }[]
  }[]
}

/** Committed offsets; partitions without one are left out. `member`: a member of a "consumer" group says who it is. */
export async function groupOffsets(
  cluster: Cluster,
  group: string,
  topics: readonly string[],
  member: { id: string; epoch: number } | null = null,
): Promise<Offset[]> {
  return cluster.retry(`Reading offsets of group ${group}`, DEADLINE, async () => {
    const views = await cluster.describe(topics)
    const wanted = [...views].map(([name, view]) => ({ name, partitionIndexes: [...view.leaders.keys()] }))
    if (wanted.length === 0) return []
    // Stable: an offset that a transaction is about to commit is waited for.
    const question = [
      { groupId: group, memberId: member?.id ?? null, memberEpoch: member?.epoch ?? OUTSIDE, topics: wanted },
    ]
    const answer = await cluster.callCoordinator<FetchedOffsets>("group", group, "OffsetFetch", question, true)
    const found: Offset[] = []
    for (const { name, partitions } of answer.groups[0]?.topics ?? []) {
      for (const { partitionIndex, committedOffset } of partitions) {
        if (committedOffset >= 0n)
          found.push({ topic: name, partition: partitionIndex, offset: Number(committedOffset) })
      }
    }
    return found
  })
}

/** `member` null: from outside, while the group has no members. `epoch`: or generation, of a classic group. */
export async function commitOffsets(
  cluster: Cluster,
  group: string,
  offsets: readonly Offset[],
  member: { id: string; epoch: number } | null,
): Promise<void> {
  const topics = new Map<string, { partitionIndex: number; committedOffset: bigint; committedLeaderEpoch: number }[]>()
  for (const { topic, partition, offset } of offsets) {
    const entry = { partitionIndex: partition, committedOffset: BigInt(offset), committedLeaderEpoch: -1 }
    topics.set(topic, [...(topics.get(topic) ?? []), entry])
  }
  const wanted = [...topics].map(([name, partitions]) => ({ name, partitions }))
  const args = [group, member?.epoch ?? OUTSIDE, member?.id ?? "", null, wanted]
  await cluster.callCoordinator("group", group, "OffsetCommit", ...args)
}

export async function setGroupOffsets(cluster: Cluster, group: string, offsets: readonly Offset[]): Promise<void> {
  if (offsets.length === 0) return
  await cluster.retry(`Setting offsets of group ${group}`, DEADLINE, () => commitOffsets(cluster, group, offsets, null))
}

export async function deleteGroup(cluster: Cluster, group: string): Promise<void> {
  await cluster.retry(`Deleting group ${group}`, DEADLINE, async () => {
    try {
      await cluster.callCoordinator("group", group, "DeleteGroups", [group])
    } catch (error) {
      if (codeOf(error) !== GROUP_ID_NOT_FOUND) throw error
    }
  })
}
