import type { KafkaHeader } from "../driver.ts"
import { KafkaError } from "../errors.ts"
import type { SpoolRecord } from "../spool/record-format.ts"
import type { Spool } from "../spool/spool.ts"
import type { RecordStore, StoreRange, StoreRead, StoreRecord } from "./record-store.ts"

/** The name that a spool has where Kafka has topics. */
export const SPOOL_TOPIC = "spool"

/**
 * A spool that keeps what it has released (`retain`): the store where there is no Kafka. One partition; offsets are sequences, and all that is
 * durable can be read.
 */
export class SpoolStore implements RecordStore {
  readonly id: string
  readonly cluster: string
  private readonly spool: Spool
  private readonly headersOf: (record: SpoolRecord) => readonly KafkaHeader[]

  /** `headersOf`: what a record is given with. Default: its own. */
  constructor(spool: Spool, headersOf: (record: SpoolRecord) => readonly KafkaHeader[] = record => record.headers) {
    this.spool = spool
    this.headersOf = headersOf
    this.id = `spool:${spool.id}`
    this.cluster = spool.id
  }

  async ranges(topic = SPOOL_TOPIC): Promise<StoreRange[]> {
    if (topic !== SPOOL_TOPIC) return []
    return [{ topic, partition: 0, first: this.spool.first, end: this.spool.durable }]
  }

  async offsetsAt(ranges: readonly StoreRange[], time: number): Promise<number[]> {
    return Promise.all(ranges.map(() => this.spool.find(time)))
  }

  async *read({ topic, partition, from, until, signal }: StoreRead): AsyncGenerator<StoreRecord[]> {
    const reader = this.spool.reader({ from })
    try {
      const end = Math.min(until, this.spool.durable)
      while (reader.position < end) {
        const batch = await reader.next(signal)
        if (batch === null) throw new KafkaError("retriable", "The spool is closed")
        // Freed while it was read: the asker begins again, and is told then how many are gone.
        if (batch.missed > 0)
          throw new KafkaError("retriable", `${batch.missed} records of the spool were freed while they were read`)
        const records: StoreRecord[] = []
        for (const record of batch.records) {
          const { sequence, subject, key, value, timestamp } = record
          if (sequence >= end) break
          const headers = this.headersOf(record)
          records.push({ subject, topic, partition, offset: sequence, key, value, headers, timestamp })
        }
        if (records.length > 0) yield records
      }
    } finally {
      await reader.close()
    }
  }
}
