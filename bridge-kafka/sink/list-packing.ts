import type { KafkaRecord, Packing, Places, Producer } from "../driver.ts"

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

  get length(): number {
    return this.records.length
  }

  add(record: KafkaRecord): void {
    this.records.push(record)
  }

  send(): Promise<Places> {
    return this.transactional ? this.producer.transact(this.records) : this.producer.produce(this.records)
  }
}
