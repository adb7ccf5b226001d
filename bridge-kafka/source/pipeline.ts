import { type Converter, type Payload, TOMBSTONE } from "../converters/converter.ts"
import { poisonAt } from "../converters/failures.ts"
import { jsonText } from "../converters/json-text.ts"
import { done, run, type Steps } from "../converters/steps.ts"
import type { StoredRecord } from "../driver.ts"
import type { OutgoingMessage, ToFabric } from "../mapping/to-fabric.ts"
import type { BridgeRecord } from "../record.ts"
import type { TransformChain } from "../transforms/chain.ts"
import type { TransformRecord } from "../transforms/transform.ts"
import type { SourceCounters } from "./counters.ts"

export interface PipelineOptions {
  readonly mapping: ToFabric
  /** Put before every subject, with a dot between; "" = nothing. */
  readonly prefix: string
  /** Null = none. */
  readonly transforms: TransformChain | null
  /** Null = bytes: they pass as they are. */
  readonly keyConverter: Converter | null
  readonly valueConverter: Converter | null
  readonly counters: SourceCounters
}

/** What a record of Kafka becomes: subject, transforms, converters, message. */
export class Pipeline {
  private readonly options: PipelineOptions
  /** Bytes pass as they are, one message for one record. */
  private readonly plain: boolean
  /** Null = none. */
  private readonly transforms: TransformChain | null
  private readonly readsKey: boolean
  private readonly readsValue: boolean

  constructor(options: PipelineOptions) {
    this.options = options
    const { transforms, keyConverter, valueConverter } = options
    this.transforms = transforms === null || transforms.isEmpty ? null : transforms
    this.plain = this.transforms === null && keyConverter === null && valueConverter === null
    this.readsKey = keyConverter !== null && this.transforms?.reads.has("key") === true
    this.readsValue = valueConverter !== null && this.transforms?.reads.has("value") === true
  }

  /**
   * Appends the messages to `into`, none for a record that is dropped. A promise, where a schema must be fetched: they are there when it is
   * resolved. Throws and rejects with a KafkaError, "poison" when the record is at fault.
   */
  messages(record: StoredRecord, into: OutgoingMessage[]): Promise<void> | undefined {
    if (record.unreadable !== undefined) throw record.unreadable.error
    if (!this.plain) return run(this.steps(record, into)) as Promise<void> | undefined
    const { topic, partition, offset } = record
    try {
      const message = this.options.mapping.message(this.named(record, record.key), topic, partition, offset)
      if (message !== null) into.push(message)
      return undefined
    } catch (error) {
      throw poisonAt("MAPPING", error, null)
    }
  }

  private *steps(record: StoredRecord, into: OutgoingMessage[]): Steps<undefined> {
    const key = yield* this.key(record)
    const text = keyBytes(key)
    let named: BridgeRecord
    try {
      named = this.named(record, text)
    } catch (error) {
      throw poisonAt("MAPPING", error, null)
    }
    if (this.transforms === null) {
      into.push(...this.message(named, record, yield* this.payload(named.value, record)))
      return undefined
    }
    const value = this.readsValue ? yield* this.decoded(record) : record.value
    const made: TransformRecord[] = []
    this.transforms.apply({ ...named, key: this.readsKey ? key : text, value }, made)
    if (made.length === 0) this.options.counters.filtered++
    for (const one of made) {
      const payload = yield* this.payloadOf(one, value, record)
      const bytes = isBytes(one.value) ? one.value : EMPTY
      into.push(...this.message({ ...one, key: keyBytes(one.key), value: bytes }, record, payload))
    }
    return undefined
  }

  private named({ topic, partition, value, headers, timestamp }: StoredRecord, key: Buffer | null): BridgeRecord {
    const { mapping, prefix } = this.options
    const record: BridgeRecord = { subject: "", topic, partition, key, value, headers, timestamp }
    const subject = mapping.subjectOf(record)
    return {
      subject: prefix === "" ? subject : `${prefix}.${subject}`,
      topic,
      partition,
      key,
      value,
      headers,
      timestamp,
    }
  }

  /** One; none when it was dropped as a loop. */
  private message(
    outgoing: BridgeRecord,
    { topic, partition, offset }: StoredRecord,
    payload: Payload | undefined,
  ): OutgoingMessage[] {
    try {
      const message = this.options.mapping.message(outgoing, topic, partition, offset, payload)
      return message === null ? [] : [message]
    } catch (error) {
      throw poisonAt("MAPPING", error, null)
    }
  }

  /** With a converter it is text or another value, so that it can name a subject. */
  private *key({ topic, key, headers }: StoredRecord): Steps<unknown> {
    const { keyConverter } = this.options
    if (keyConverter === null || key === null) return key
    try {
      return yield* done(keyConverter.decode(topic, key, headers))
    } catch (error) {
      throw poisonAt("KEY_CONVERTER", error, keyConverter)
    }
  }

  private *decoded({ topic, value, headers }: StoredRecord): Steps<unknown> {
    const converter = this.options.valueConverter as Converter
    try {
      return yield* done(converter.decode(topic, value, headers))
    } catch (error) {
      throw poisonAt("VALUE_CONVERTER", error, converter)
    }
  }

  /** Of a value after the transforms; `given`: what they were given. */
  private *payloadOf({ value }: TransformRecord, given: unknown, record: StoredRecord): Steps<Payload | undefined> {
    // Nobody changed it: its own bytes.
    if (value === given) return yield* this.payload(record.value, record)
    if (value === null || value === undefined) return TOMBSTONE
    const { valueConverter } = this.options
    if (!Buffer.isBuffer(value))
      return { kind: "data", data: value, codec: valueConverter?.publishedCodec ?? "msgpack" }
    // Bytes in the place of others that nobody had decoded, or bytes as a value.
    return this.readsValue ? { kind: "bytes", bytes: value, codec: "bytes" } : yield* this.payload(value, record)
  }

  /** Undefined: as it is, by the codec that its headers say. */
  private *payload(value: Buffer | null, { topic, headers }: StoredRecord): Steps<Payload | undefined> {
    const { valueConverter } = this.options
    if (valueConverter === null) return undefined
    try {
      return yield* done(valueConverter.fromKafka(topic, value, headers))
    } catch (error) {
      throw poisonAt("VALUE_CONVERTER", error, valueConverter)
    }
  }
}

const EMPTY = Buffer.alloc(0)

function isBytes(value: unknown): value is Buffer | null {
  return value === null || Buffer.isBuffer(value)
}

function keyBytes(key: unknown): Buffer | null {
  if (key === null || key === undefined) return null
  if (Buffer.isBuffer(key)) return key
  return Buffer.from(typeof key === "object" ? jsonText(key) : String(key))
}
