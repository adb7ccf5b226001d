import { isDeepStrictEqual } from "node:util"
import type { BridgeConfig, ConnectorConfig } from "./bridge-config.ts"

/** Settings that a running connector can take over between two records; all others need it to be started anew. */
const LIVE: ReadonlySet<string> = new Set([
  "routes",
  "topic",
  "topicPrefix",
  "topicMax",
  "topicConfig",
  "topicCreationEnable",
  "topicCreationDefaultPartitions",
  "topicCreationDefaultReplicationFactor",
  "key",
  "partition",
  "partitionsChanged",
  "subject",
  "subjectPrefix",
  "transforms",
  "keyConverter",
  "valueConverter",
  "errorsTolerance",
  "errorsDeadletterqueueTopicName",
  "errorsDeadletterqueueTopicReplicationFactor",
  "errorsDeadletterqueueContextHeadersEnable",
  "errorsDeadletterqueueSubject",
  "errorsRetryDelayMinMs",
  "errorsRetryDelayMaxMs",
  "errorsLogEnable",
])

export interface ConnectorChange {
  readonly name: string
  /** Fields of the connector that differ: "routes", "errorsTolerance". */
  readonly settings: readonly string[]
  /** False: all of them can be taken over while it runs. */
  readonly restart: boolean
  readonly config: ConnectorConfig
}

export interface ConfigDiff {
  readonly added: readonly ConnectorConfig[]
  /** Names. */
  readonly removed: readonly string[]
  readonly changed: readonly ConnectorChange[]
  /** Parts of the file that only a new process can take over: "name", "fabric", "kafka", "spool", "control". Empty = none. */
  readonly process: readonly string[]
}

/** What a new configuration changes. Connectors are known by their names, whatever their order. */
export function diffConfigs(old: BridgeConfig, next: BridgeConfig): ConfigDiff {
  const before = new Map(old.connectors.map(connector => [connector.name, connector]))
  const after = new Set(next.connectors.map(connector => connector.name))
  const changed = next.connectors.flatMap(config => {
    const known = before.get(config.name)
    const settings = known === undefined ? [] : differences(known, config)
    if (settings.length === 0) return []
    return [{ name: config.name, settings, restart: settings.some(name => !LIVE.has(name)), config }]
  })
  return {
    added: next.connectors.filter(connector => !before.has(connector.name)),
    removed: [...before.keys()].filter(name => !after.has(name)),
    changed,
    process: differences(old, next).filter(name => name !== "connectors"),
  }
}

function differences(a: object, b: object): string[] {
  const left = new Map<string, unknown>(Object.entries(a))
  const right = new Map<string, unknown>(Object.entries(b))
  return [...new Set([...left.keys(), ...right.keys()])].filter(
    name => !isDeepStrictEqual(left.get(name), right.get(name)),
  )
}
