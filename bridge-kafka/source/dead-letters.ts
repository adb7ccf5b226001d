import { Backoff } from "../backoff.ts"
import { deadLetterHeaders } from "../dead-letter.ts"
import type { KafkaDriver, KafkaRecord, Producer, StoredRecord } from "../driver.ts"
import type { Failure } from "../failure.ts"
import { failureOf } from "../failure.ts"
import { subjectIn } from "../replay/record-headers.ts"

export interface DeadLettersOptions {
  readonly driver: KafkaDriver
  readonly connector: string
  /** Null = none: nothing is stored. */
  readonly topic: string | null
  readonly replicationFactor: number
  readonly contextHeaders: boolean
  /** Publishes a notice; absent = nobody wants one. */
  readonly notice?: (record: StoredRecord, failure: Failure) => void
  readonly retry: { readonly min: number; readonly max: number }
}

/** Stores records that cannot pass, with their original bytes. One at a time: dead letters are few, or something is wrong with all. */
export class DeadLetters {
  private readonly options: DeadLettersOptions
  private producer: Producer | null = null
  private partitions = 0
  private turn: Promise<void> = Promise.resolve()

  constructor(options: DeadLettersOptions) {
    this.options = options
  }

  /** Resolves when it is stored; errors that time mends are waited out. Rejects when they are of another kind, or `signal` is aborted. */
  send(record: StoredRecord, failure: Failure, signal: AbortSignal): Promise<void> {
    const sent = this.turn.then(() => this.store(record, failure, signal))
    this.turn = sent.catch(() => {})
    return sent
  }

  async close(): Promise<void> {
    await this.turn
    await this.reset()
  }

  private async store(record: StoredRecord, failure: Failure, signal: AbortSignal): Promise<void> {
    const { topic, connector, contextHeaders, retry, notice } = this.options
    if (topic !== null) {
      const { key, value, partition, offset, timestamp } = record
      const named = { ...record, subject: subjectIn(record.headers) ?? "" }
      const headers = deadLetterHeaders(named, failure, { connector, task: partition, offset, headers: contextHeaders })
      const backoff = new Backoff(retry)
      for (;;) {
        signal.throwIfAborted()
        try {
          const producer = await this.open(topic)
          // What broke the record may be its time: the letter's is now (a broker refuses times too far ahead).
          const time = Math.min(timestamp < 0 ? Date.now() : timestamp, Date.now())
          const letter: KafkaRecord = {
            topic,
            partition: partition % this.partitions,
            key,
            value,
            headers,
            timestamp: time,
          }
          await producer.produce([letter])
          break
        } catch (error) {
          await this.reset()
          if (failureOf(error, "KAFKA_PRODUCE").kind !== "retriable") throw error
          await backoff.wait(signal)
        }
      }
    }
    notice?.(record, failure)
  }

  private async open(topic: string): Promise<Producer> {
    if (this.producer !== null) return this.producer
    const { driver, replicationFactor } = this.options
    let count = (await driver.partitions([topic])).get(topic)
    if (count === undefined) {
      await driver.createTopics([{ name: topic, partitions: 1, replicationFactor }])
      count = (await driver.partitions([topic])).get(topic) ?? 1
    }
    this.partitions = count
    this.producer = await driver.producer({ idempotent: true })
    return this.producer
  }

  private async reset(): Promise<void> {
    const { producer } = this
    this.producer = null
    await producer?.close().catch(() => {})
  }
}
