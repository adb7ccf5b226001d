import * as check from "./checks.ts"
import type { ConfigKey } from "./keys.ts"

/** What sinks and sources have in common: SINK-7. */
export const ERROR_KEYS = [
  {
    name: "errors.tolerance",
    type: "string",
    default: "none",
    values: ["none", "all"],
    doc: "What becomes of a record that can never pass (too large, not convertible, refused by a transform): `none` stops the connector before it, `all` sets it aside (dead letters, if configured) and goes on. Errors that time can mend are never counted among these.",
  },
  {
    name: "errors.deadletterqueue.topic.name",
    type: "string",
    doc: "Topic for records set aside, with their original bytes; of one that Kafka refuses there too, because it is too large, the first 16 KiB (header `hd.cut`). Without it, and without a subject, they are dropped and counted.",
    check: check.topic,
  },
  {
    name: "errors.deadletterqueue.topic.replication.factor",
    type: "int",
    default: -1,
    min: -1,
    max: 32767,
    doc: "For the case that the bridge makes that topic; -1 = as the broker is configured (Connect: 3).",
  },
  {
    name: "errors.deadletterqueue.context.headers.enable",
    type: "boolean",
    default: true,
    doc: "Adds the headers `__connect.errors.*`, which say what went wrong and where the record was. `redrive` needs them, therefore true (Connect: false).",
  },
  {
    name: "errors.deadletterqueue.subject",
    type: "string",
    doc: "Subject of the fabric that each dead letter is published to, besides or instead of the topic: its payload (the first 64 KiB) and headers, with those of the error. A subject that the connector itself mirrors is refused.",
    check: check.subject,
  },
  {
    name: "errors.retry.delay.min.ms",
    type: "duration",
    default: 100,
    min: 1,
    doc: "First back-off after an error that time can mend; it doubles each time, and the real wait is a random part of it (full jitter).",
  },
  {
    name: "errors.retry.delay.max.ms",
    type: "duration",
    default: 60_000,
    min: 1,
    doc: "Longest back-off. Retries never end.",
  },
  {
    name: "errors.log.enable",
    type: "boolean",
    default: false,
    doc: "Writes each record set aside to the log: its place and the error, not its content.",
  },
] as const satisfies readonly ConfigKey[]

/** Settings that people of Connect know, and why they are not here. Said instead of "is not known". */
export const REFUSED: Readonly<Record<string, string>> = {
  "tasks.max": "work is divided by shards (sinks) or partitions (sources), and among instances by itself; leave it out",
  "errors.retry.timeout":
    "errors that time can mend are retried for ever, so that an outage of Kafka never fills the dead letters; leave it out",
  "errors.log.include.messages": "payloads are not logged; they are in the dead letters",
  "config.action.reload": "a changed file is read again on request",
  "exactly.once.support": "write guarantee",
  "transaction.boundary": "a transaction is one batch of one shard",
  "offsets.storage.topic": "checkpoints are in __hd.<bridge>.<connector>.ckpt",
}
