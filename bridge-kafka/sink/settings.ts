import type { ProducerOptions } from "../driver.ts"
import type { RouteOptions } from "../mapping/routes.ts"
import type { FullPolicy } from "./memory-journal.ts"

/** What one sink is to do; config/ makes it of the file, by Kafka Connect's names. Times in milliseconds, sizes in bytes. */
export interface SinkSettings {
  /** Names in subjects, topics and transactional ids: the same in all instances. */
  readonly bridge: string
  readonly connector: string
  /** Of the fabric in hd.hops (MAP-4). */
  readonly fabricId: string
  /** Patterns that are subscribed to. */
  readonly subjects: readonly string[]
  readonly routes: readonly RouteOptions[]
  readonly guarantee: "at-least-once" | "exactly-once"
  /** Default 16. Never changed while something is in a spool. */
  readonly shards: number
  /** "none": this instance owns all shards. */
  readonly coordination: "group" | "none"
  readonly spoolMode: "off" | "overflow" | "always"
  readonly spoolFull: FullPolicy
  /** Records in memory on their way to Kafka. */
  readonly bufferMemoryBytes: number
  readonly lingerMs: number
  readonly batchSize: number
  readonly producer: ProducerOptions
  /** Partitions and replicas of topics that the bridge makes; 0 partitions = it makes none. */
  readonly topicPartitions: number
  readonly topicReplicationFactor: number
  readonly topicConfig: Readonly<Record<string, string>>
  /** null = the routes name them all. */
  readonly topicMax: number | null
  readonly partitionsChanged: "warn" | "fail"
  /** After which the numbers of partitions are asked for again. */
  readonly metadataMaxAgeMs: number
  readonly maxHops: number
  readonly tolerance: "none" | "all"
  readonly deadLetterTopic: string | null
  readonly deadLetterHeaders: boolean
  readonly retryMinMs: number
  readonly retryMaxMs: number
  /** Own ids (DUR-4), and publishers, that each shard remembers. */
  readonly dedupIds: number
  readonly dedupPublishers: number
  /** A shard that is given up is emptied first, for so long at most. */
  readonly handOverMs: number
  /** Messages whose publishers wait for `stored`, all shards together. */
  readonly maxWaiting: number
  /** Messages of shards that others own, kept for the case that a shard comes here: bytes in all (0 = none), and milliseconds. */
  readonly standbyBytes: number
  readonly standbyMs: number
  /** Without an answer of the shards' group, after which it has given up on this instance. With groups of KIP-848 not less than the broker's own. */
  readonly sessionMs: number
}

/** What a sink does when nothing is said. */
export const SINK_DEFAULTS = {
  fabricId: "default",
  guarantee: "at-least-once",
  shards: 16,
  coordination: "group",
  spoolMode: "always",
  spoolFull: "block",
  bufferMemoryBytes: 64 * 1024 * 1024,
  lingerMs: 5,
  batchSize: 512 * 1024,
  producer: {},
  topicPartitions: 0,
  topicReplicationFactor: -1,
  topicConfig: {},
  topicMax: null,
  partitionsChanged: "warn",
  metadataMaxAgeMs: 300_000,
  maxHops: 8,
  tolerance: "none",
  deadLetterTopic: null,
  deadLetterHeaders: true,
  retryMinMs: 100,
  retryMaxMs: 60_000,
  dedupIds: 100_000,
  // A process that publishes is one for each of its lives.
  dedupPublishers: 10_000,
  // Within the time that a group waits for its members.
  handOverMs: 10_000,
  maxWaiting: 100_000,
  // 45 s at 1,000 messages of 300 bytes a second.
  standbyBytes: 16 * 1024 * 1024,
  // The group finds out after 45 s that an instance has died.
  standbyMs: 60_000,
  // Kafka's default.
  sessionMs: 45_000,
} as const satisfies Partial<SinkSettings>

/** Subject on which the owner of a shard takes messages (DUR-2). */
export function storeSubject(bridge: string, connector: string, shard: number): string {
  return `$BRIDGE.${bridge}.store.${connector}.${shard}`
}

/** Subject on which the owners of shards say that they have what came until now (SINK-2). */
export function takenSubject(bridge: string, connector: string): string {
  return `$BRIDGE.${bridge}.taken.${connector}`
}

/** The topic whose partitions are the shards, and the group that divides them (SINK-3). */
export function shardsTopic(bridge: string, connector: string): string {
  return `__hd.${bridge}.${connector}.shards`
}

export function shardsGroup(bridge: string, connector: string): string {
  return `hd.${bridge}.${connector}`
}
