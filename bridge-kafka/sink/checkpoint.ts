import { HeddleError } from "../../core/errors.ts"
import { Reader, varintSize, writeVarint } from "../../core/varint.ts"
import type { KafkaDriver, KafkaHeader, KafkaRecord } from "../driver.ts"
import type { Ledger, Source } from "./ledger.ts"
import { Ranges } from "./ranges.ts"

/**
 * Checkpoints of exactly-once (SINK-6) are records of a compacted topic with one partition for each shard, written in the transaction of
 * the records that they speak of. The newest record of a key holds:
 *
 * - `s/<source>`: version, floor, ranges of the numbers that are stored
 * - `i/<n>`: version, count, ids of the user's own that one transaction stored
 *
 * So a transaction writes what has changed, and compaction keeps a topic that one read gives back whole.
 */
const VERSION = 1

const NO_HEADERS: readonly KafkaHeader[] = Object.freeze([])

export function checkpointTopic(bridge: string, connector: string): string {
  return `__hd.${bridge}.${connector}.ckpt`
}

/** `numbers`: what the transaction stores besides what the source has stored already. */
export function sourceRecord(
  topic: string,
  shard: number,
  source: Source,
  numbers: readonly number[],
  now: number,
): KafkaRecord {
  const stored = source.stored.clone()
  if (source.ordered) stored.addUpTo(numbers[numbers.length - 1])
  else for (const number of numbers) stored.add(number)
  const value = Buffer.allocUnsafe(1 + varintSize(source.floor) + stored.encodedSize())
  value[0] = VERSION
  stored.encode(value, writeVarint(source.floor, value, 1))
  return record(topic, shard, `s/${source.key}`, value, now)
}

export function sourceGone(topic: string, shard: number, key: string, now: number): KafkaRecord {
  return record(topic, shard, `s/${key}`, null, now)
}

export function idsRecord(
  topic: string,
  shard: number,
  group: number,
  ids: readonly string[],
  now: number,
): KafkaRecord {
  const parts: Buffer[] = [Buffer.of(VERSION), varint(ids.length)]
  for (const id of ids) {
    const bytes = Buffer.from(id)
    parts.push(varint(bytes.length), bytes)
  }
  return record(topic, shard, `i/${group}`, Buffer.concat(parts), now)
}

export function idsGone(topic: string, shard: number, group: number, now: number): KafkaRecord {
  return record(topic, shard, `i/${group}`, null, now)
}

/**
 * Reads the checkpoint of a shard to its end, read_committed. Must follow the fencing of the owner before: nothing may be added meanwhile. Rejects
 * with a KafkaError, or ERR_KAFKA when the topic holds something else.
 */
export async function readCheckpoint(
  driver: KafkaDriver,
  topic: string,
  shard: number,
  ledger: Ledger,
  signal: AbortSignal,
): Promise<void> {
  const sources = new Map<string, { value: Buffer; time: number }>()
  const groups = new Map<number, Buffer>()
  for await (const batch of driver.read(
    { topic, partition: shard },
    { from: 0, isolation: "read_committed", signal },
  )) {
    for (const { key, value, timestamp } of batch.records) {
      const text = key?.toString() ?? ""
      if (text.startsWith("s/")) {
        // The order of the map is the order of last use, as the ledger wants it.
        sources.delete(text)
        if (value !== null) sources.set(text, { value, time: timestamp })
      } else if (text.startsWith("i/")) {
        const group = Number(text.slice(2))
        if (value === null) groups.delete(group)
        else groups.set(group, value)
      }
    }
  }
  // It is not all of it then, and the shard may be another lane's.
  signal.throwIfAborted()
  // At once: publishers ask meanwhile.
  ledger.beginRestore()
  try {
    for (const [key, { value, time }] of sources) {
      const reader = checked(value)
      const floor = reader.varint()
      ledger.restore(key.slice(2), Ranges.decode(reader), floor, time)
    }
    for (const group of [...groups.keys()].sort((a, b) => a - b)) {
      const reader = checked(groups.get(group) as Buffer)
      const ids: (readonly [string, null])[] = []
      for (let left = reader.varint(); left > 0; left--) ids.push([reader.utf8(reader.varint()), null])
      ledger.rememberIds(ids, group)
    }
  } catch (cause) {
    throw new HeddleError("ERR_KAFKA", `The checkpoint of shard ${shard} in ${topic} cannot be read`, { cause })
  }
}

function checked(value: Buffer): Reader {
  const reader = new Reader(value)
  const version = reader.byte()
  if (version !== VERSION)
    throw new HeddleError("EPROTO", `A checkpoint has version ${version}; this bridge reads version ${VERSION}`)
  return reader
}

function record(topic: string, partition: number, key: string, value: Buffer | null, timestamp: number): KafkaRecord {
  return { topic, partition, key: Buffer.from(key), value, headers: NO_HEADERS, timestamp }
}

function varint(n: number): Buffer {
  const bytes = Buffer.allocUnsafe(varintSize(n))
  writeVarint(n, bytes, 0)
  return bytes
}
