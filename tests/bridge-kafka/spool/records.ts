import type { KafkaHeader } from "../../../bridge-kafka/driver.ts"
import type { BridgeRecord } from "../../../bridge-kafka/record.ts"
import type { SpoolOptions } from "../../../bridge-kafka/spool/options.ts"
import type { SpoolReader } from "../../../bridge-kafka/spool/reader.ts"
import type { Origin, SpoolRecord } from "../../../bridge-kafka/spool/record-format.ts"
import { Spool } from "../../../bridge-kafka/spool/spool.ts"
import { later } from "../../support/cleanup.ts"
import type { Random } from "../../support/random.ts"

export function record(change: Partial<BridgeRecord> = {}): BridgeRecord {
  return {
    subject: "orders.new",
    topic: "",
    partition: -1,
    key: null,
    value: Buffer.from("value"),
    headers: [],
    timestamp: 1_700_000_000_000,
    ...change,
  }
}

/** A record whose value is its number, of `size` bytes. */
export function numbered(number: number, size = 8): BridgeRecord {
  const value = Buffer.alloc(size, number % 251)
  value.writeUInt32LE(number)
  return record({ value })
}

export function numberOf(found: BridgeRecord): number {
  return (found.value as Buffer).readUInt32LE()
}

const TEXTS = ["", "orders", "orders.new.eu", "größe.über", "温度.東京", "a".repeat(300), "😀.x"]

/** Key, value and six headers of it, with their names, still fit into a segment of 16 KiB. */
const LARGE = 1_500

export function randomRecord(random: Random): BridgeRecord {
  const bytes = (): Buffer => random.bytes(random.pick([0, 1, 7, 31, 32, 33, 200, LARGE]))
  const headers: KafkaHeader[] = []
  for (let left = random.chance(0.5) ? random.int(1, 6) : 0; left > 0; left--)
    headers.push([random.pick(TEXTS), bytes()])
  return {
    subject: random.pick(TEXTS),
    topic: random.pick(TEXTS),
    partition: random.pick([-1, 0, 1, 300, 2 ** 31 - 1]),
    key: random.chance(0.5) ? bytes() : null,
    value: random.chance(0.8) ? bytes() : null,
    headers,
    timestamp: random.pick([0, -1, 1_700_000_000_123, 2 ** 32, -(2 ** 40), 2 ** 46]),
  }
}

export function randomOrigin(random: Random): Origin | null {
  if (random.chance(0.5)) return null
  return { publisher: random.pick(TEXTS), epoch: random.int(0, 2 ** 50), number: random.int(0, 1000), floor: 3 }
}

/** Without what the spool has added. */
export function plain(found: SpoolRecord): BridgeRecord {
  const { sequence: _sequence, shard: _shard, id: _id, origin: _origin, ...rest } = found
  return rest
}

/** Closed after the test. Small segments, and each group synced at once. */
export async function openSpool(folder: string, options: Partial<SpoolOptions> = {}): Promise<Spool> {
  const spool = await Spool.open({
    folder,
    segmentBytes: 16 * 1024,
    maxBytes: 1024 * 1024 * 1024,
    fsync: { mode: "always" },
    ...options,
  })
  later(() => spool.close().catch(() => {}))
  return spool
}

/** The next `count` records. */
export async function take(reader: SpoolReader, count: number): Promise<SpoolRecord[]> {
  const records: SpoolRecord[] = []
  while (records.length < count) {
    const batch = await reader.next()
    if (batch === null) throw new Error(`the reader ended after ${records.length} of ${count} records`)
    records.push(...batch.records)
  }
  return records
}

/** All that is durable, from `from` or the first on. */
export async function readAll(spool: Spool, from = spool.first): Promise<SpoolRecord[]> {
  const reader = spool.reader({ from })
  try {
    return await take(reader, spool.durable - from)
  } finally {
    await reader.close()
  }
}
