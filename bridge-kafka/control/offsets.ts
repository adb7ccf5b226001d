import { HeddleError } from "../../core/errors.ts"
import type { Bridge } from "../bridge.ts"
import type { KafkaToFabric } from "../config/bridge-config.ts"
import type { KafkaDriver, TopicPartition } from "../driver.ts"

export interface OffsetRow extends TopicPartition {
  /** The next to be read; -1 = none is committed. */
  readonly offset: number
  /** Offsets that the partition has: the first, and the one behind the last. */
  readonly first: number
  readonly end: number
  readonly lag: number
}

type Offset = TopicPartition & { readonly offset: number }

/** What the group of a source has committed. Any instance can say it. Rejects with ENOTSUP for a sink. */
export async function readOffsets(bridge: Bridge, name: string): Promise<OffsetRow[]> {
  const { config, driver } = sourceOf(bridge, name)
  const { topics, groupId } = config
  const committed = new Map(
    (await driver.groupOffsets(groupId, topics)).map(one => [`${one.topic}/${one.partition}`, one.offset]),
  )
  const rows: OffsetRow[] = []
  for (const topic of (await driver.partitions(topics)).keys()) {
    const [first, end] = await Promise.all([driver.offsets(topic, "earliest"), driver.offsets(topic, "latest")])
    for (const [partition, last] of [...end].sort((a, b) => a[0] - b[0])) {
      const offset = committed.get(`${topic}/${partition}`) ?? -1
      const begin = first.get(partition) ?? 0
      const lag = offset < 0 ? last - begin : Math.max(0, last - offset)
      rows.push({ topic, partition, offset, first: begin, end: last, lag })
    }
  }
  return rows
}

/**
 * Sets offsets of partitions that are named. The connector of this instance is stopped for it, and started again unless it was stopped
 * before; those of other instances must be stopped (`stop`), otherwise Kafka refuses.
 */
export async function setOffsets(bridge: Bridge, name: string, wish: unknown): Promise<OffsetRow[]> {
  const { config } = sourceOf(bridge, name)
  const offsets = checkOffsets(wish, config)
  return write(bridge, name, async () => offsets)
}

/** Sets the offsets of all partitions: to "earliest", "latest", or a time (milliseconds since 1970). */
export async function resetOffsets(bridge: Bridge, name: string, to: unknown): Promise<OffsetRow[]> {
  if (to !== "earliest" && to !== "latest" && !(Number.isSafeInteger(to) && (to as number) >= 0))
    throw new HeddleError("EINVAL", 'Invalid request: "to" is "earliest", "latest" or milliseconds since 1970')
  return write(bridge, name, async ({ topics }, driver) => {
    const known = [...(await driver.partitions(topics)).keys()]
    const all = await Promise.all(
      known.map(async topic => {
        const found = await driver.offsets(topic, to as "earliest" | "latest" | number)
        return [...found].map(([partition, offset]) => ({ topic, partition, offset }))
      }),
    )
    return all.flat()
  })
}

/** Forgets what the group has committed: it begins as `start` says. */
export async function deleteOffsets(bridge: Bridge, name: string): Promise<void> {
  const { config, driver } = sourceOf(bridge, name)
  await bridge.whileStopped(name, () => driver.deleteGroup(config.groupId))
}

async function write(
  bridge: Bridge,
  name: string,
  find: (config: KafkaToFabric, driver: KafkaDriver) => Promise<readonly Offset[]>,
): Promise<OffsetRow[]> {
  const { config, driver } = sourceOf(bridge, name)
  await bridge.whileStopped(name, async () => {
    const offsets = await find(config, driver)
    if (offsets.length > 0) await driver.setGroupOffsets(config.groupId, offsets)
  })
  return readOffsets(bridge, name)
}

function sourceOf(bridge: Bridge, name: string): { config: KafkaToFabric; driver: KafkaDriver } {
  const { config } = bridge.connector(name)
  if (config.class === "KafkaToFabric" && bridge.kafka !== null) return { config, driver: bridge.kafka }
  throw new HeddleError(
    "ENOTSUP",
    `${name} is a sink: it has no offsets; what it has stored is in its checkpoints and its spool`,
  )
}

function checkOffsets(wish: unknown, { topics }: KafkaToFabric): Offset[] {
  if (!Array.isArray(wish) || wish.length === 0 || wish.length > 100_000)
    throw new HeddleError("EINVAL", 'Invalid request: "offsets" is a list of { topic, partition, offset }')
  return wish.map(one => {
    const { topic, partition, offset } = (one ?? {}) as Partial<Offset>
    const natural = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0
    if (typeof topic !== "string" || !natural(partition) || !natural(offset))
      throw new HeddleError("EINVAL", "Invalid request: an offset is { topic, partition, offset } with numbers from 0")
    if (!topics.includes(topic))
      throw new HeddleError("EINVAL", `Invalid request: the connector does not read ${JSON.stringify(topic)}`)
    return { topic, partition, offset }
  })
}
