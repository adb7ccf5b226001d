import type { RecordStore, StoreRange, StoreRead, StoreRecord } from "../../../bridge-kafka/replay/record-store.ts"
import { turns } from "../../support/wait.ts"

/** A store in memory, for what has to do with replays and not with stores. */
export class MemoryStore implements RecordStore {
  readonly id: string
  readonly cluster = "memory"
  /** Records in one batch. */
  batch = 10
  /** Offsets that cannot be given. */
  readonly damaged = new Set<number>()
  /** Reads that were begun, and those that have ended. */
  reads = 0
  closed = 0
  /** First offset of each partition, where it is not 0. */
  readonly firsts = new Map<string, number>()
  private readonly partitions = new Map<string, StoreRecord[]>()

  constructor(id = "kafka:memory") {
    this.id = id
  }

  add(subject: string, value: unknown, place: Partial<StoreRecord> = {}): StoreRecord {
    const { topic = "orders", partition = 0, timestamp = 1_000, headers = [] } = place
    const name = `${topic}/${partition}`
    let records = this.partitions.get(name)
    if (records === undefined) {
      records = []
      this.partitions.set(name, records)
    }
    const offset = place.offset ?? (records.length === 0 ? 0 : records[records.length - 1].offset + 1)
    const key = place.key === undefined ? Buffer.from(subject) : place.key
    const bytes = value === null ? null : Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value))
    const codec: [string, Buffer][] =
      value === null || Buffer.isBuffer(value) ? [] : [["hd.codec", Buffer.from("json")]]
    const record = { subject, topic, partition, offset, key, value: bytes, headers: [...headers, ...codec], timestamp }
    records.push(record)
    return record
  }

  async ranges(topic?: string): Promise<StoreRange[]> {
    const ranges: StoreRange[] = []
    for (const [name, records] of this.partitions) {
      const [{ topic: of, partition }] = records
      if (topic !== undefined && of !== topic) continue
      ranges.push({
        topic: of,
        partition,
        first: this.firsts.get(name) ?? 0,
        end: records[records.length - 1].offset + 1,
      })
    }
    return ranges
  }

  async offsetsAt(ranges: readonly StoreRange[], time: number): Promise<number[]> {
    return ranges.map(
      ({ topic, partition, end }) =>
        this.partitions.get(`${topic}/${partition}`)?.find(({ timestamp }) => timestamp >= time)?.offset ?? end,
    )
  }

  async *read({ topic, partition, from, until, signal, refused }: StoreRead): AsyncGenerator<StoreRecord[]> {
    this.reads++
    try {
      const records = this.partitions.get(`${topic}/${partition}`) ?? []
      const wanted = records.filter(({ offset }) => offset >= from && offset < until)
      for (let at = 0; at < wanted.length; at += this.batch) {
        await turns()
        // Without a word, as stores may.
        if (signal.aborted) return
        const batch = wanted.slice(at, at + this.batch)
        for (const { offset } of batch) if (this.damaged.has(offset)) refused?.(1, new Error(`${offset} is too large`))
        yield batch.filter(({ offset }) => !this.damaged.has(offset))
      }
    } finally {
      this.closed++
    }
  }
}
