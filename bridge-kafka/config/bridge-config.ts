import net from "node:net"
import type { KafkaProperties } from "../driver.ts"
import { BRIDGE_KEYS, FABRIC_KEYS, HTTP_KEYS, SPOOL_KEYS } from "./bridge-keys.ts"
import type { Registries } from "./classes.ts"
import type { ConfigKey, Settings } from "./keys.ts"
import { Problems } from "./problems.ts"
import { extended } from "./secrets.ts"
import { Section } from "./section.ts"
import { type FabricToKafka, fabricToKafka } from "./sink.ts"
import { type KafkaToFabric, kafkaToFabric } from "./source.ts"
import { parseDuration } from "./units.ts"
import { Variables } from "./variables.ts"

export type { FabricToKafka, KafkaToFabric }
export type ConnectorConfig = FabricToKafka | KafkaToFabric

export interface FsyncSettings {
  readonly mode: "always" | "interval" | "never"
  /** Milliseconds; of other modes without a meaning. */
  readonly interval: number
}

export type SpoolSettings = Omit<Settings<typeof SPOOL_KEYS>, "fsync" | "segmentBytes"> & {
  readonly fsync: FsyncSettings
  readonly segmentBytes: number
}

export type FabricSettings = Omit<Settings<typeof FABRIC_KEYS>, "id" | "discovery"> & {
  readonly id: string
  readonly discovery: readonly string[]
}

/** A whole configuration, checked, with all defaults filled in; frozen through and through. Printing it shows no secret. */
export interface BridgeConfig {
  readonly name: string
  readonly hopsMax: number
  readonly allowCycle: boolean
  readonly fabric: FabricSettings
  /** Null: there is no Kafka, and the spool is the store. */
  readonly kafka: KafkaProperties | null
  /** Null: there is none, as with mode "off". */
  readonly spool: SpoolSettings | null
  readonly connectors: readonly ConnectorConfig[]
  readonly control: { readonly http: Settings<typeof HTTP_KEYS> | null }
}

export interface ParseOptions {
  /** The classes that transforms, predicates and converters may name. */
  readonly registries: Registries
  /** Default: the environment of the process, files from the working directory. */
  readonly variables?: Variables
  /** Where it comes from, for errors. Default "the configuration". */
  readonly source?: string
}

const LARGEST_SEGMENT = 64 * 1024 * 1024
const SMALLEST_SEGMENT = 64 * 1024

/** More would be a fabric of their own; each costs subscriptions and producers. */
const MOST_CONNECTORS = 1_000

/**
 * Checks the value of a JSON file and fills it in. Throws ERR_CONFIG that names all mistakes, with their paths; no secret is
 * in the text.
 */
export function parseBridgeConfig(input: unknown, options: ParseOptions): BridgeConfig {
  const context = { problems: new Problems(), variables: options.variables ?? new Variables() }
  const top = new Section(input, "", context)
  const settings = top.settings(BRIDGE_KEYS)
  const fabric = fabricOf(new Section(top.take("fabric"), "fabric", context))
  const kafka = kafkaOf(top)
  const spool = spoolOf(top)
  const connectors = connectorsOf(top, settings.name ?? "", options.registries, (connector, section) =>
    fitsTogether(connector, section, kafka, spool),
  )
  const control = controlOf(top)
  top.finish()
  context.problems.throwIfAny(options.source ?? "the configuration", text => context.variables.conceal(text))
  return extended(settings, {
    fabric,
    kafka,
    spool,
    connectors: Object.freeze(connectors.map(c => alone(c, kafka))),
    control,
  })
}

function fabricOf(section: Section): FabricSettings {
  const settings = section.settings(FABRIC_KEYS)
  section.finish()
  const discovery = settings.discovery ?? Object.freeze(settings.connect === null ? ["directory"] : [])
  return extended(settings, { id: settings.id ?? settings.name, discovery })
}

/** The driver knows the names; here only that there is somebody to talk to. */
const KAFKA_KEYS = [
  { name: "bootstrap.servers", type: "list", required: true, min: 1, doc: "Brokers to begin with: `k1:9092,k2:9092`." },
] as const satisfies readonly ConfigKey[]

function kafkaOf(top: Section): KafkaProperties | null {
  const given = top.take("kafka")
  if (given === undefined) return null
  const properties = new Section(given, "kafka", top.context).properties()
  new Section({ "bootstrap.servers": properties["bootstrap.servers"] }, "kafka", top.context).settings(KAFKA_KEYS)
  return properties
}

function spoolOf(top: Section): SpoolSettings | null {
  const given = top.take("spool")
  if (given === undefined) return null
  const section = new Section(given, "spool", top.context)
  const settings = section.settings(SPOOL_KEYS)
  section.finish()
  const quarter = Math.max(SMALLEST_SEGMENT, Math.floor((settings.maxBytes ?? 0) / 4))
  const segmentBytes = settings.segmentBytes ?? Math.min(LARGEST_SEGMENT, quarter)
  if (settings.maxBytes !== null && segmentBytes * 2 > settings.maxBytes) {
    section.complain("segment.bytes", "must be at most half of max.bytes: room is freed by whole segments")
  }
  return extended(settings, { fsync: fsyncOf(settings.fsync), segmentBytes })
}

function fsyncOf(text: string | null): FsyncSettings {
  const [mode, interval] = (text ?? "always").split(":")
  const time = interval === undefined ? null : parseDuration(interval)
  return Object.freeze({ mode: mode as FsyncSettings["mode"], interval: time ?? 1 })
}

function controlOf(top: Section): BridgeConfig["control"] {
  const control = new Section(top.take("control"), "control", top.context)
  const given = control.take("http")
  control.finish()
  if (given === undefined) return Object.freeze({ http: null })
  const section = new Section(given, "control.http", top.context)
  const http = section.settings(HTTP_KEYS)
  section.finish()
  if (http.host !== null && http.token === null && !isLoopback(http.host))
    section.complain("host", "can be reached by other machines, and whoever reaches it may do everything: set token")
  return Object.freeze({ http })
}

/** Names are not looked up: what they stand for may change. */
function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (net.isIPv4(host) && host.startsWith("127."))
}

const CONNECTOR_KEYS = [BRIDGE_KEYS[0]] as const

export const CLASS_KEYS = [
  {
    name: "connector.class",
    type: "class",
    required: true,
    values: ["FabricToKafka", "KafkaToFabric"],
    doc: "`FabricToKafka` mirrors subjects into topics, `KafkaToFabric` publishes records as subjects.",
  },
] as const satisfies readonly ConfigKey[]

function connectorsOf(
  top: Section,
  bridge: string,
  registries: Registries,
  check: (connector: ConnectorConfig, section: Section) => void,
): ConnectorConfig[] {
  const given = top.take("connectors")
  if (!Array.isArray(given) || given.length === 0 || given.length > MOST_CONNECTORS) {
    top.complain("connectors", `must be a list of 1 to ${MOST_CONNECTORS} objects { "name", "config" }`)
    return []
  }
  const names = new Set<string>()
  return given.flatMap((entry, index) => {
    const outer = new Section(entry, `connectors[${index}]`, top.context)
    const [key] = CONNECTOR_KEYS
    const { name } = outer.settings([{ ...key, doc: "give the connector a name of its own." }])
    if (name !== null && names.has(name)) outer.complain("name", "is that of another connector")
    if (name !== null) names.add(name)
    const section = new Section(outer.take("config") ?? {}, `connectors[${index}].config`, top.context)
    outer.finish()
    const connector = connectorOf(section, bridge, name ?? "", registries)
    if (connector === null) return []
    check(connector, section)
    return [connector]
  })
}

function connectorOf(section: Section, bridge: string, name: string, registries: Registries): ConnectorConfig | null {
  const { connectorClass } = section.settings(CLASS_KEYS)
  // Connect's REST interface repeats the name within the settings.
  const again = section.take("name")
  if (again !== undefined && again !== name) section.complain("name", "is not the name that the connector has outside")
  // Without a class nobody can say which settings there are.
  if (connectorClass === null) return null
  const connector =
    connectorClass === "FabricToKafka"
      ? fabricToKafka(section, name, registries)
      : kafkaToFabric(section, bridge, name, registries)
  section.finish()
  return connector
}

/** What a connector needs of the rest. */
function fitsTogether(
  connector: ConnectorConfig,
  section: Section,
  kafka: KafkaProperties | null,
  spool: SpoolSettings | null,
): void {
  const stores = spool?.mode === "always"
  if (connector.class === "KafkaToFabric") {
    if (kafka === null) section.complain("connector.class", 'KafkaToFabric needs "kafka"')
    return
  }
  if (connector.guarantee === "exactly-once") {
    if (kafka === null) section.complain("guarantee", 'exactly-once needs "kafka"')
    else if (!stores) section.complain("guarantee", 'exactly-once needs "spool" with mode "always"')
  }
  if (kafka !== null) return
  if (!stores)
    section.complain(
      "connector.class",
      'without "kafka" the spool is the store: FabricToKafka needs "spool" with mode "always"',
    )
  if (connector.errorsDeadletterqueueTopicName !== null) {
    section.complain("errors.deadletterqueue.topic.name", 'needs "kafka"')
  }
  if (connector.transforms.length > 0)
    section.complain("transforms", 'needs "kafka": what is recorded into the spool is what was published')
  for (const half of ["key", "value"] as const) {
    if (connector[`${half}Converter`].type !== "bytes")
      section.complain(`${half}.converter`, 'needs "kafka": what is recorded into the spool is what was published')
  }
}

/** Without Kafka there is nobody to share shards through. */
function alone(connector: ConnectorConfig, kafka: KafkaProperties | null): ConnectorConfig {
  if (kafka !== null || connector.class === "KafkaToFabric") return connector
  return extended(connector, { coordination: "none" as const })
}
