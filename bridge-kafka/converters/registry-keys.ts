import type { ConfigKey, Settings } from "../config/keys.ts"
import { checkStrategy, STRATEGIES } from "./subject-name.ts"

const STRATEGY_DOC = `Under which subject a schema stands: ${STRATEGIES.join(", ")}.`

/** Settings of every converter that asks a schema registry, by Confluent's names where they have one. */
export const REGISTRY_KEYS = [
  {
    name: "schema.registry.url",
    type: "list",
    required: true,
    min: 1,
    doc: "Addresses of the registry, `http` or `https`; the next is asked when one does not answer.",
  },
  {
    name: "basic.auth.credentials.source",
    type: "string",
    values: ["USER_INFO", "URL"],
    default: "USER_INFO",
    doc: "Where user and password are: `USER_INFO` = `schema.registry.basic.auth.user.info`, `URL` = in the addresses.",
  },
  {
    name: "schema.registry.basic.auth.user.info",
    type: "password",
    doc: "`user:password` for basic authentication.",
  },
  { name: "bearer.auth.token", type: "password", doc: "Token for bearer authentication." },
  {
    name: "schema.registry.ssl.truststore.location",
    type: "string",
    doc: "File with the certificates (PEM) of authorities to trust, instead of Node's own list.",
  },
  {
    name: "schema.registry.request.timeout.ms",
    type: "duration",
    default: 10_000,
    min: 1,
    doc: "How long one address may take for one answer.",
  },
  {
    name: "schema.registry.response.max.bytes",
    type: "bytes",
    default: 1024 * 1024,
    min: 1024,
    doc: "Answers that are longer are not read; the records that need them are set aside.",
  },
  {
    name: "schema.registry.cache.size",
    type: "int",
    default: 1_000,
    min: 1,
    doc: "Schemas, and topics with their schema, that are kept; the oldest goes first.",
  },
  {
    name: "latest.cache.ttl.sec",
    type: "int",
    default: 60,
    min: 1,
    doc: "Seconds after which the latest version of a subject is asked for again. The old one is used meanwhile, also while the registry is away.",
  },
  {
    name: "auto.register.schemas",
    type: "boolean",
    default: false,
    doc: "Registers the schema of `schema.file` when the registry does not have it. Without it such records are set aside.",
  },
  {
    name: "use.schema.id",
    type: "int",
    min: 0,
    doc: "Writes by the schema with this id instead of the latest of the subject.",
  },
  {
    name: "schema.file",
    type: "string",
    doc: "Writes by the schema in this file instead of the latest of the subject; its id is looked up.",
  },
  {
    name: "subject.name.strategy",
    type: "class",
    default: "TopicNameStrategy",
    check: checkStrategy,
    doc: `${STRATEGY_DOC} The last two need \`schema.file\`: a message of the fabric does not say what kind of record it is.`,
  },
  {
    name: "fabric.codec",
    type: "string",
    values: ["msgpack", "json"],
    default: "msgpack",
    doc: "How decoded records are published to subscribers. Only MessagePack carries bytes, and whole numbers beyond 2^53.",
  },
] as const satisfies readonly ConfigKey[]

export type RegistrySettings = Settings<typeof REGISTRY_KEYS>
