import type { KafkaRecord, Packing, Places, Producer } from "../driver.ts"
import type { RecordShape } from "../record-shape.ts"
import type { Span } from "../span.ts"

/** What the producer has for the next call. */
export function packingOf(producer: Producer, transactional: boolean): Packing {
  return producer.pack?.() ?? new ListPacking(producer, transactional)
}

/** For producers that cannot write records down before they send them: a list. */
class ListPacking implements Packing {
  private readonly records: KafkaRecord[] = []
  private readonly producer: Producer
  private readonly transactional: boolean

  constructor(producer: Producer, transactional: boolean) {
    this.producer = producer
    this.transactional = transactional
  }

  /** Whoever sends it decides what a batch is. */
  readonly full = false

  get length(): number {
    return this.records.length
  }

  add(record: KafkaRecord): void {
    this.records.push(record)
  }

  addValue(
    { topic, partition, key, headers: shared }: RecordShape,
    source: Span,
    from: number,
    to: number,
    timestamp: number,
    number: number,
  ): boolean {
    const value = source.bytes.subarray(from, to)
    this.records.push({ topic, partition, key, value, headers: [], shared, number, timestamp })
    return this.full
  }

  send(): Promise<Places> {
    return this.transactional ? this.producer.transact(this.records) : this.producer.produce(this.records)
  }
}
