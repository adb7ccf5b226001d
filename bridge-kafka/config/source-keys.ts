import * as check from "./checks.ts"
import type { ConfigKey } from "./keys.ts"

/** Settings of a connector of class KafkaToFabric. */
export const SOURCE_KEYS = [
  {
    name: "topics",
    type: "list",
    required: true,
    min: 1,
    max: 1_000,
    doc: "Topics to read. A missing one is waited for.",
    check: check.topics,
  },
  {
    name: "subject",
    type: "string",
    default: "${header.hd.subject:-${topic}}",
    doc: "Subject of a record, or a template of it: `${topic}`, `${key}`, `${partition}`, `${header.x}`, `${header.x:-default}`.",
    check: check.subjectTemplate,
  },
  {
    name: "subject.prefix",
    type: "string",
    default: "",
    doc: "Put before every subject, with a dot between.",
    check: check.subjectPrefix,
  },
  {
    name: "group.id",
    type: "string",
    doc: "Consumer group, shared by all instances. Default: `hd.<bridge>.<connector>`.",
    check: check.notEmpty,
  },
  {
    name: "start",
    type: "string",
    default: "committed-or-latest",
    values: ["committed-or-latest", "committed-or-earliest"],
    doc: "Where to begin: at the group's committed offset, or, where there is none, at the end or the beginning.",
  },
  {
    name: "isolation.level",
    type: "string",
    default: "read_committed",
    values: ["read_committed", "read_uncommitted"],
    doc: "Whether records of open and aborted transactions are left out (Kafka's consumer: read_uncommitted).",
  },
  {
    name: "delivery",
    type: "string",
    default: "published",
    values: ["published", "acked"],
    doc: "`published`: the offset is committed when the message has been handed to all subscribers there are, also to none. `acked`: when one worker has acknowledged it (SRC-1).",
  },
  {
    name: "ack.timeout.ms",
    type: "duration",
    default: 5_000,
    min: 10,
    doc: "With `acked`: how long a worker has, before the message is given again.",
  },
  {
    name: "order",
    type: "string",
    default: "key",
    values: ["key", "partition"],
    doc: "With `acked`: what waits behind a message without an answer: records of the same key, or all of the partition (SRC-2).",
  },
  {
    name: "max.in.flight.per.key",
    type: "int",
    default: 1,
    min: 1,
    max: 1_000,
    doc: "With `acked`: messages of one key without an answer. More than one may overtake each other.",
  },
  {
    name: "max.in.flight",
    type: "int",
    default: 1_000,
    min: 1,
    max: 1_000_000,
    doc: "With `acked`: messages without an answer in all; then partitions are paused.",
  },
  {
    name: "max.deliveries",
    type: "int",
    default: 5,
    min: 0,
    max: 1_000_000,
    doc: "With `acked`: how often a message is given to a worker before it counts as a record that can never pass (`errors.tolerance`). 0: for ever.",
  },
  {
    name: "buffer.memory.bytes",
    type: "bytes",
    default: "64MiB",
    min: 64 * 1024,
    max: 2 ** 36,
    doc: "Bytes of records that have come and are not delivered, of all partitions; half of it for one. Beyond, partitions are paused; one fetch of each may come on top.",
  },
  {
    name: "revoke.timeout.ms",
    type: "duration",
    default: 5_000,
    min: 0,
    max: 300_000,
    doc: "How long what is under way may take to end when a partition is given up, or the connector stops. What is not ended is delivered again by whoever has the partition then.",
  },
  {
    name: "watchdog.ms",
    type: "duration",
    default: 30_000,
    min: 10,
    doc: "A consumer that has brought nothing for so long (up to twice as long), while records lie there, is made anew.",
  },
  {
    name: "offset.flush.interval.ms",
    type: "duration",
    default: 1_000,
    min: 10,
    doc: "How often offsets are committed: so much may come twice after a crash (Connect: 60 s).",
  },
  {
    name: "header.converter",
    type: "class",
    default: "passthrough",
    values: ["passthrough"],
    doc: "Headers pass as they are: bytes, order and duplicates.",
  },
] as const satisfies readonly ConfigKey[]

/** After `consumer.override.`: names of Kafka's consumer. */
export const CONSUMER_KEYS = [
  {
    name: "group.protocol",
    type: "string",
    values: ["consumer", "classic"],
    doc: "`consumer` = KIP-848, `classic` = cooperative-sticky. Default: `consumer` where the broker has it.",
  },
  {
    name: "session.timeout.ms",
    type: "duration",
    min: 1_000,
    doc: "After which an instance that is silent loses its partitions. Default: that of the client; with `consumer` the broker decides.",
  },
  {
    name: "fetch.max.wait.ms",
    type: "duration",
    default: 500,
    max: 60_000,
    doc: "How long a broker waits for records.",
  },
  { name: "fetch.max.bytes", type: "bytes", default: "4MiB", min: 1024, max: 2 ** 30, doc: "Bytes of one fetch." },
  {
    name: "fetch.max.unpacked.bytes",
    type: "bytes",
    default: "64MiB",
    min: 64 * 1024,
    max: 2 ** 32,
    doc: "Memory that one batch may take when it is unpacked (decompressed bytes, and some 200 for each record, 150 for each header), so that a small batch cannot fill the memory. A batch beyond it cannot pass, whole (`errors.tolerance`).",
  },
  {
    name: "fetch.max.record.bytes",
    type: "bytes",
    default: "32MiB",
    min: 1024,
    max: 2 ** 31 - 1,
    doc: "Bytes of one record (key, value, headers); a fabric takes 16 MiB of payload by default. One beyond it cannot pass (`errors.tolerance`).",
  },
] as const satisfies readonly ConfigKey[]

export const CONSUMER_REFUSED: Readonly<Record<string, string>> = {
  "group.id": "write group.id without consumer.override",
  "auto.offset.reset": 'write start: "committed-or-earliest"',
  "isolation.level": "write isolation.level without consumer.override",
  "enable.auto.commit": "offsets are committed after delivery, never before",
  "key.deserializer": "write key.converter",
  "value.deserializer": "write value.converter",
}

export const SOURCE_REFUSED: Readonly<Record<string, string>> = {
  "topics.regex":
    "topics are named one by one, so that what may come into the fabric, and loops, are known before the start; write topics",
}
