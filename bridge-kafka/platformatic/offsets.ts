import { KafkaError } from "../errors.ts"
import type { Cluster } from "./cluster.ts"
import { protocolError } from "./errors.ts"
import { DEADLINE } from "./producer.ts"

/** Times with a meaning of their own (Kafka, ListOffsetsRequest.java). */
const LATEST = -1n
const EARLIEST = -2n

interface Answer {
  topics: { name: string; partitions: { partitionIndex: number; offset: bigint; errorCode: number }[] }[]
}

/**
 * One offset a partition: the first, the one behind the last, or the first whose time is not below `at` (milliseconds; the end when there is
 * none). `committedOnly`: the end is where the oldest open transaction began.
 */
export function listOffsets(
  cluster: Cluster,
  topic: string,
  at: "earliest" | "latest" | number,
  committedOnly = false,
): Promise<Map<number, number>> {
  return cluster.retry(`Looking up offsets of ${topic}`, DEADLINE, async () => {
    const time = at === "latest" ? LATEST : at === "earliest" ? EARLIEST : BigInt(Math.max(0, Math.floor(at)))
    const found = await ask(cluster, topic, time, committedOnly)
    if (![...found.values()].includes(-1)) return found
    // -1: no record is as young as that.
    const ends = await ask(cluster, topic, LATEST, committedOnly)
    for (const [partition, offset] of found) if (offset === -1) found.set(partition, ends.get(partition) ?? 0)
    return found
  })
}

async function ask(
  cluster: Cluster,
  topic: string,
  timestamp: bigint,
  committedOnly: boolean,
): Promise<Map<number, number>> {
  // Asked anew: a topic may have grown.
  const view = (await cluster.describe([topic])).get(topic)
  if (view === undefined)
    throw new KafkaError("fatal", `Looking up offsets: there is no topic ${topic}; create it first`)
  const byLeader = new Map<number, number[]>()
  for (let partition = 0; partition < view.leaders.length; partition++) {
    const leader = cluster.leader(topic, partition)
    byLeader.set(leader, [...(byLeader.get(leader) ?? []), partition])
  }
  const found = new Map<number, number>()
  for (const [leader, partitions] of byLeader) {
    const wanted = partitions.map(partitionIndex => ({ partitionIndex, currentLeaderEpoch: -1, timestamp }))
    const question = [{ name: topic, partitions: wanted }]
    const answer = await cluster.call<Answer>(leader, "ListOffsets", -1, committedOnly ? 1 : 0, question)
    for (const { partitionIndex, offset, errorCode } of answer.topics[0]?.partitions ?? []) {
      if (errorCode !== 0) throw protocolError(errorCode, `Looking up offsets of ${topic}/${partitionIndex}`)
      found.set(partitionIndex, Number(offset))
    }
  }
  return new Map([...found].sort(([a], [b]) => a - b))
}
