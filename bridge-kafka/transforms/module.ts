import { Buffer } from "node:buffer"
import path from "node:path"
import { pathToFileURL } from "node:url"
import { badMapping } from "../mapping/failure.ts"
import { UNKNOWN } from "../mapping/shape.ts"
import { checkTopic } from "../mapping/topic-name.ts"
import { type Outcome, poison, type Side, type TransformClass, type TransformRecord } from "./transform.ts"

/** For what no class does: a program of the user's own. */
export const MODULE: TransformClass = {
  name: "module",
  aliases: [],
  doc: "A function of your own: the default export of an ES module, `(record) => record | null | record[]`. A record has `subject`, `topic`, `partition`, `key`, `value`, `headers` (pairs of name and Buffer) and `timestamp`; give back a new one, null to drop it, or several. It must not be async, and keep nothing between calls. It runs with all rights of the bridge. Connect has nothing like it.",
  keys: [
    {
      name: "path",
      type: "string",
      required: true,
      doc: "The file; relative to the configuration's folder.",
      check: value => (value === "" ? "must not be empty" : null),
    },
    {
      name: "decode",
      type: "list",
      default: [],
      values: ["key", "value"],
      doc: "Halves of the record that the function wants decoded by their converters; others are Buffers.",
    },
  ],
  create: async (settings, { folder }) => {
    const file = path.resolve(folder, String(settings.path))
    const run = await load(file)
    return {
      reads: settings.decode as readonly Side[],
      topics: () => [UNKNOWN],
      subjects: () => [UNKNOWN],
      apply: record => checked(run(record)),
    }
  },
}

async function load(file: string): Promise<(record: TransformRecord) => unknown> {
  let exported: unknown
  try {
    exported = ((await import(pathToFileURL(file).href)) as { default?: unknown }).default
  } catch (error) {
    throw badMapping(`The module ${file} cannot be loaded: ${(error as Error).message}`)
  }
  if (typeof exported !== "function")
    throw badMapping(`The module ${file} must have a function as its default export, not ${typeof exported}`)
  return exported as (record: TransformRecord) => unknown
}

function checked(outcome: unknown): Outcome {
  if (outcome === null) return null
  if (Array.isArray(outcome)) return outcome.map(one => checkedRecord(one))
  return checkedRecord(outcome)
}

function checkedRecord(record: unknown): TransformRecord {
  if (typeof record !== "object" || record === null)
    throw poison(
      `A module gives back a record, null or a list of records, not ${record === null ? "null in a list" : typeof record}`,
    )
  if (typeof (record as { then?: unknown }).then === "function")
    throw poison("A module must not be async: records would change places while it waits")
  const { subject, topic, partition, key, value, headers, timestamp } = record as Partial<TransformRecord>
  if (typeof subject !== "string" || typeof topic !== "string")
    throw poison("A module's record needs texts as subject and topic")
  if (topic !== "") checkTopic(topic)
  if (!Number.isInteger(partition) || (partition as number) < -1)
    throw poison(`A module's record has the partition ${String(partition)}; -1 = by the key`)
  if (!Number.isSafeInteger(timestamp) || (timestamp as number) < 0)
    throw poison(`A module's record has the timestamp ${String(timestamp)}; it takes milliseconds since 1970`)
  const fits = (one: unknown): boolean =>
    Array.isArray(one) && one.length === 2 && typeof one[0] === "string" && Buffer.isBuffer(one[1])
  if (!Array.isArray(headers) || !headers.every(fits))
    throw poison("A module's record needs headers as a list of pairs [name, Buffer]")
  return {
    subject,
    topic,
    partition: partition as number,
    key: key ?? null,
    value: value ?? null,
    headers,
    timestamp: timestamp as number,
  }
}
