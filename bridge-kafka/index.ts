/** The front door of `heddle/bridge-kafka`. */
import type { Codec } from "../core/codec.ts"
import { type Discovery, directory, dns, join, multicast, seeds } from "../index.ts"
import type { Fabric } from "../patterns/fabric/fabric.ts"
import { Bridge, type BridgeOptions, checkConfig } from "./bridge.ts"
import { type BridgeConfig, parseBridgeConfig } from "./config/bridge-config.ts"
import { keysText as keys, configPage as page } from "./config/describe.ts"
import { type LoadOptions, loadBridgeConfig as load } from "./config/file.ts"
import { REGISTRIES } from "./config/registries.ts"
import { type Plan, planBridge } from "./plan.ts"
import { platformatic } from "./platformatic/index.ts"

export type { Bridge, BridgeEvent, BridgeOptions, BridgeStatus } from "./bridge.ts"
export type { BridgeConfig, ConnectorConfig, FabricToKafka, KafkaToFabric } from "./config/bridge-config.ts"
export { type ConfigDiff, diffConfigs } from "./config/diff.ts"
export type { ConnectorState, ConnectorStatus, TaskStatus } from "./connectors/connector.ts"
export type { OffsetRow } from "./control/offsets.ts"
export type { RedriveAnswer, RedriveRequest } from "./control/redrive.ts"
export { controlSubject, type StateNotice } from "./control/subjects.ts"
export type {
  Batch,
  Beginning,
  ClusterView,
  Compression,
  Consumer,
  ConsumerOptions,
  Isolation,
  KafkaDriver,
  KafkaHeader,
  KafkaProperties,
  KafkaRecord,
  Producer,
  ProducerOptions,
  ReadLimits,
  ReadOptions,
  StoredAt,
  StoredRecord,
  TopicPartition,
  TopicSpec,
} from "./driver.ts"
export {
  type Ack,
  type DurableOptions,
  DurablePublisher,
  type DurablePublishOptions,
  type DurableResult,
  durable,
  durablePublish,
} from "./durable.ts"
export { type ErrorKind, KafkaError, PoisonError, type Stage } from "./errors.ts"
export type { Plan, PlannedTopic } from "./plan.ts"
export { platformatic } from "./platformatic/index.ts"
export type { ReplayEnd, ReplayStart } from "./replay/answers.ts"
export { Replay, type ReplayClientOptions, replay } from "./replay/client.ts"
export type { ReplayMessage } from "./replay/message.ts"
export type { ReplayOptions } from "./replay/request.ts"
export type { BridgeInfo, SinkInfo } from "./sink/info.ts"
export type { TransformRecord } from "./transforms/transform.ts"

/** The value of a configuration file. Throws ERR_CONFIG, which names all mistakes. */
export function bridgeConfig(input: unknown): BridgeConfig {
  return parseBridgeConfig(input, { registries: REGISTRIES })
}

/** Reads a configuration file. Rejects with ERR_CONFIG, which names all mistakes, and as the system does (ENOENT). */
export function loadBridgeConfig(file: string, options: Omit<LoadOptions, "registries"> = {}): Promise<BridgeConfig> {
  return load(file, { ...options, registries: REGISTRIES })
}

/** All settings as text for a terminal; `filter`: those whose names contain it. */
export function keysText(filter?: string): string {
  return keys(REGISTRIES, filter)
}

/** The same as a page of Markdown. */
export function configPage(): string {
  return page(REGISTRIES)
}

/**
 * Starts a bridge: `config` as in its file (docs/bridge-config.md), or one that was read already. Resolves when messages are taken; Kafka may
 * be away. Rejects with ERR_CONFIG, ERR_SPOOL, ERR_MISSING_PACKAGE, and as `join` does.
 */
export async function startBridge(config: BridgeConfig | object, options: BridgeOptions = {}): Promise<Bridge> {
  return Bridge.start(isRead(config) ? config : bridgeConfig(config), options, { join: joinFor, driver: driverFor })
}

/**
 * Checks a configuration as `startBridge` does, and asks Kafka what is there; nothing is started or made. Rejects with ERR_CONFIG, and with
 * ERR_KAFKA when no broker answers.
 */
export async function checkBridge(config: BridgeConfig | object, options: BridgeOptions = {}): Promise<Plan> {
  const read = isRead(config) ? config : bridgeConfig(config)
  await checkConfig(read, options)
  const driver = read.kafka === null ? null : (options.driver ?? driverFor(read))
  try {
    return await planBridge(read, driver)
  } finally {
    if (options.driver === undefined) await driver?.close()
  }
}

function isRead(config: object): config is BridgeConfig {
  return "hopsMax" in config
}

function driverFor({ kafka }: BridgeConfig): ReturnType<typeof platformatic> {
  return platformatic(kafka ?? {})
}

function joinFor({ fabric, name }: BridgeConfig, codecs: readonly Codec[]): Promise<Fabric> {
  const { name: wanted, connect, discovery, listen, advertise } = fabric
  const ways: Discovery[] = discovery.map(wayOf)
  if (connect !== null) ways.push(seeds(connect))
  return join(wanted, {
    name: `bridge ${name}`,
    discovery: ways,
    listen: listen ?? undefined,
    advertise: advertise ?? undefined,
    codecs,
  })
}

/** `directory:/path`, `multicast:INTERFACE`, `dns:NAME:PORT`; the configuration has checked their form. */
function wayOf(text: string): Discovery {
  const colon = text.indexOf(":")
  const kind = colon < 0 ? text : text.slice(0, colon)
  const rest = colon < 0 ? undefined : text.slice(colon + 1)
  if (kind === "directory") return directory({ path: rest })
  if (kind === "multicast") return multicast(rest === undefined ? {} : { interface: rest })
  const [, name, port] = /^(.*?)(?::(\d+))?$/.exec(rest ?? "") as RegExpExecArray
  return dns({ name, port: port === undefined ? undefined : Number(port) })
}
