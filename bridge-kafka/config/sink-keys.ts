
import * as check from "./checks.ts"
import type { ConfigKey } from "./keys.ts"

/** Settings of a connector of class FabricToKafka. */
export const SINK_KEYS = [
  {
    name: "subjects",
    type: "list",
    max: 1_000,
    doc: "Patterns of subjects to mirror: `orders.>`. With `routes` too: these come after them, as a last route of the connector's own `topic` and `key`.",
    check: check.patterns,
  },
  {
    name: "guarantee",
    type: "string",
    default: "at-least-once",
    values: ["at-least-once", "exactly-once"],
    doc: "`at-least-once`: an idempotent producer. `exactly-once`: one transaction a batch, with a checkpoint in it (SINK-5); needs `spool.mode: always`, and consumers that read committed. It is about what `durablePublish` sent: a plain publish may be lost before the bridge has it.",
  },
  {
    name: "shards",
    type: "int",
    default: 16,
    min: 1,
    max: 1_024,
    doc: "Parts that the work is divided into, by hash of the subject: the most instances that can share it. Not to be changed while records are spooled.",
  },
  {
    name: "coordination",
    type: "string",
    default: "group",
    values: ["group", "none"],
    doc: "`group`: instances share the shards through a consumer group (SINK-3). `none`: this instance owns all; never run two then.",
  },
  {
    name: "topic",
    type: "string",
    default: "${token[0]}",
    doc: "Topic, or a template of it: `${subject}`, `${token[1]}`, `${token[0..1]}`, `$1` (what a wildcard stood for), `${header.x}`, `${header.x:-default}`. Characters that topics have not are escaped (MAP-3).",
    check: check.notEmpty,
  },
  {
    name: "topic.prefix",
    type: "string",
    default: "",
    doc: "Put before every topic. With it a source that leaves such topics out can never close a loop.",
    check: check.topicPrefix,
  },
  {
    name: "topic.max",
    type: "int",
    min: 1,
    max: 100_000,
    doc: "Most topics that the templates may make; records for more are errors. Required where a template can make any number of them.",
  },
  {
    name: "key",
    type: "string",
    default: "subject",
    doc: "Key of the record: `subject`, `token:N` (from 0), `header:NAME`, `json:/POINTER` (RFC 6901), `publisher-key` (header `hd.key`), `fixed:TEXT`, `none`; with `|` between, the next where one finds nothing (`header:customer|subject`). Records of one key are in order, and compaction keeps the last of each.",
    check: check.keyRule,
  },
  {
    name: "partition",
    type: "string",
    default: "key",
    doc: "`key`: Java's murmur2 of the key, as Kafka's own clients do. Otherwise a number or a template of one, modulo the number of partitions.",
  },
  {
    name: "partitions.changed",
    type: "string",
    default: "warn",
    values: ["warn", "fail"],
    doc: "What to do when a topic gets more partitions, after which keys go elsewhere than before: `warn` goes on, `fail` stops the connector.",
  },
  {
    name: "topic.creation.enable",
    type: "boolean",
    default: true,
    doc: "Makes missing topics, provided that `topic.creation.default.partitions` says how. Otherwise a missing topic is an error that is retried.",
  },
  {
    name: "topic.creation.default.partitions",
    type: "int",
    min: 1,
    max: 100_000,
    doc: "Partitions of topics that are made.",
  },
  {
    name: "topic.creation.default.replication.factor",
    type: "int",
    default: -1,
    min: -1,
    max: 32767,
    doc: "Replicas of topics that are made; -1 = as the broker is configured. Other names after `topic.creation.default.` are settings of the topic: `topic.creation.default.cleanup.policy`.",
  },
  {
    name: "buffer.memory.bytes",
    type: "bytes",
    default: "64MiB",
    min: 1024 * 1024,
    doc: "Records in memory on their way to Kafka, all shards together. Beyond it they wait in the spool, or are dropped and counted where there is none.",
  },
  {
    name: "drain.rate",
    type: "int",
    default: 0,
    min: 0,
    doc: "Records a second at most while the spool is drained after an outage. 0 = as fast as it goes.",
  },
  {
    name: "dedup.ids",
    type: "int",
    default: 100_000,
    min: 0,
    max: 10_000_000,
    doc: "Ids of the user's own that each shard remembers, to store nothing twice (DUR-4). Publishers that number their messages need none.",
  },
  {
    name: "dedup.publishers",
    type: "int",
    default: 10_000,
    min: 1,
    max: 1_000_000,
    doc: "Publishers that number their messages, each process one, that each shard remembers.",
  },
  {
    name: "hand.over.ms",
    type: "duration",
    default: 10_000,
    doc: "A shard that goes to another instance is emptied first, for so long at most. Below the time that the group waits for its members.",
  },
  {
    name: "max.waiting",
    type: "int",
    default: 100_000,
    min: 1,
    max: 10_000_000,
    doc: "`durablePublish` calls that may wait for `stored`, all shards together; more are told to come again.",
  },
  {
    name: "header.converter",
    type: "class",
    default: "passthrough",
    values: ["passthrough"],
    doc: "Headers pass as they are: bytes, order and duplicates.",
  },
] as const satisfies readonly ConfigKey[]

/** One entry of `routes`; what it leaves out is as in the connector. */
export const ROUTE_KEYS = [
  {
    name: "subjects",
    type: "list",
    required: true,
    min: 1,
    max: 1_000,
    doc: "Patterns that the route is for.",
    check: check.patterns,
  },
  {
    name: "topic",
    type: "string",
    doc: "As `topic` of the connector; `$1` is the first wildcard of the pattern that matched.",
    check: check.notEmpty,
  },
  { name: "key", type: "string", doc: "As `key` of the connector.", check: check.keyRule },
  { name: "partition", type: "string", doc: "As `partition` of the connector." },
  {
    name: "continue",
    type: "boolean",
    default: false,
    doc: "Goes on to the routes after this one: a record may go to several topics.",
  },
] as const satisfies readonly ConfigKey[]

/** After `producer.override.`: names of Kafka's producer. */
export const PRODUCER_KEYS = [
  {
    name: "compression.type",
    type: "string",
    default: "none",
    values: ["none", "gzip", "snappy", "lz4", "zstd"],
    doc: "Compression of batches. `zstd` needs Node 22.15.",
  },
  { name: "linger.ms", type: "duration", default: 5, max: 60_000, doc: "How long a batch waits for more records." },
  {
    name: "batch.size",
    type: "bytes",
    default: "512KiB",
    min: 1,
    max: 2 ** 30,
    doc: "Bytes after which a batch of one shard is sent without waiting. Below the broker's `message.max.bytes` (1 MiB), which counts a batch of one partition. (Kafka's client: 16 KiB of one partition.)",
  },
  {
    name: "acks",
    type: "string",
    default: "all",
    doc: "Replicas that must have a record: `all`, `1` or `0`.",
    check: check.acks,
  },
  {
    name: "enable.idempotence",
    type: "boolean",
    default: true,
    doc: "Retries store nothing twice. False only for brokers that forbid it, and with acks other than `all`.",
  },
  {
    name: "delivery.timeout.ms",
    type: "duration",
    default: 30_000,
    min: 1_000,
    doc: "For one attempt in all, then there is a new one after a back-off: records are never given up for time. (Kafka's client: 2 minutes, then it gives up.)",
  },
  {
    name: "transaction.timeout.ms",
    type: "duration",
    default: 30_000,
    min: 1_000,
    max: 900_000,
    doc: "After which the broker aborts a transaction of an instance that vanished. Readers of committed records wait so long at most.",
  },
  {
    name: "max.request.size",
    type: "bytes",
    default: "1MiB",
    min: 1024,
    max: 2 ** 30,
    doc: "Larger records are errors before they are sent. Not above the broker's `message.max.bytes`.",
  },
] as const satisfies readonly ConfigKey[]

export const PRODUCER_REFUSED: Readonly<Record<string, string>> = {
  "transactional.id": "the bridge names it, by shard, so that a new owner fences the old one",
  "key.serializer": "write key.converter",
  "value.serializer": "write value.converter",
  "partitioner.class": "partitions are chosen by key as Java does; write partition",
  "max.in.flight.requests.per.connection": "one batch of a shard is on its way at a time, for the order",
  "buffer.memory": "write buffer.memory.bytes",
  retries: "retries never end",
}
