import type { Codecs } from "../../core/codec.ts"
import type { Converter } from "../converters/converter.ts"
import { FabricPayloads } from "../converters/fabric-payload.ts"
import { poisonAt } from "../converters/failures.ts"
import { done, run, type Steps } from "../converters/steps.ts"
import type { KafkaHeader } from "../driver.ts"
import { PoisonError } from "../errors.ts"
import { CODEC, SUBJECT } from "../mapping/headers.ts"
import type { BridgeRecord } from "../record.ts"
import type { TransformChain } from "../transforms/chain.ts"
import type { TransformRecord } from "../transforms/transform.ts"
import type { RecordStage, StageResult } from "./mapper.ts"

export interface RecordStageOptions {
  readonly transforms: TransformChain
  /** Null = bytes: it passes as it is, and transforms get it as it is. */
  readonly keyConverter: Converter | null
  readonly valueConverter: Converter | null
  /** With the user's own. Default: those of Heddle. */
  readonly codecs?: Codecs
}

/**
 * What a sink does with a record that has its topic: transforms, then converters. Only what a transform reads is decoded before, by the
 * publisher's codec; what comes out of the transforms unchanged is converted as if there were none. Null = there is nothing to do.
 */
export async function createRecordStage(options: RecordStageOptions): Promise<RecordStage | null> {
  const { transforms, keyConverter, valueConverter, codecs } = options
  if (transforms.isEmpty && keyConverter === null && valueConverter === null) return null
  const stage = new Stage(
    options,
    await FabricPayloads.for({ isKey: true, codecs }),
    await FabricPayloads.for({ isKey: false, codecs }),
  )
  return record => run(stage.steps(record))
}

class Stage {
  private readonly transforms: TransformChain
  private readonly keyConverter: Converter | null
  private readonly valueConverter: Converter | null
  private readonly keys: FabricPayloads
  private readonly values: FabricPayloads
  private readonly readsKey: boolean
  private readonly readsValue: boolean

  constructor(options: RecordStageOptions, keys: FabricPayloads, values: FabricPayloads) {
    const { transforms, keyConverter, valueConverter } = options
    this.transforms = transforms
    this.keyConverter = keyConverter
    this.valueConverter = valueConverter
    this.keys = keys
    this.values = values
    this.readsKey = keyConverter !== null && transforms.reads.has("key")
    this.readsValue = valueConverter !== null && transforms.reads.has("value")
  }

  *steps(record: BridgeRecord): Steps<StageResult> {
    if (this.transforms.isEmpty) return yield* this.convert(record, record, record)
    const given = this.decoded(record)
    const made: TransformRecord[] = []
    this.transforms.apply(given, made)
    if (made.length === 0) return null
    if (made.length === 1) return yield* this.convert(made[0], given, record)
    const records: BridgeRecord[] = []
    for (const one of made) records.push(yield* this.convert(one, given, record))
    return records
  }

  private decoded(record: BridgeRecord): TransformRecord {
    if (!this.readsKey && !this.readsValue) return record
    let { key, value }: TransformRecord = record
    try {
      if (this.readsKey) key = this.keys.read(record)
    } catch (error) {
      throw poisonAt("KEY_CONVERTER", error, this.keyConverter)
    }
    try {
      if (this.readsValue) value = this.values.read(record)
    } catch (error) {
      throw poisonAt("VALUE_CONVERTER", error, this.valueConverter)
    }
    return { ...record, key, value }
  }

  /** `given`: what the transforms were given; `record`: as it was before. */
  private *convert(made: TransformRecord, given: TransformRecord, record: BridgeRecord): Steps<BridgeRecord> {
    const key = yield* this.key(made, given, record)
    const value = yield* this.value(made, given, record)
    let { headers } = made
    const codec = value === null ? null : (this.valueConverter?.storedCodec ?? null)
    if (codec !== null) headers = withHeader(headers, CODEC, codec)
    // The way back leads to the subject that a transform chose.
    if (made.subject !== record.subject) headers = withHeader(headers, SUBJECT, made.subject)
    const { subject, topic, partition, timestamp } = made
    return { subject, topic, partition, key, value, headers, timestamp }
  }

  private *key(made: TransformRecord, given: TransformRecord, record: BridgeRecord): Steps<Buffer | null> {
    const converter = this.keyConverter
    const same = made.key === given.key
    if (converter === null) {
      if (same) return record.key
      if (isBytes(made.key)) return made.key
      // Keys of the fabric are text.
      if (typeof made.key !== "object") return Buffer.from(String(made.key ?? ""))
      throw unconverted("KEY_CONVERTER", "key", made)
    }
    // Bytes of which nobody has read the old ones either are in the place of these.
    const raw = same || (!this.readsKey && isBytes(made.key))
    const key = same || !isBytes(made.key) ? record.key : made.key
    try {
      return yield* done(
        converter.fromFabric({ ...record, topic: made.topic, key }, raw ? undefined : (made.key ?? null)),
      )
    } catch (error) {
      throw poisonAt("KEY_CONVERTER", error, converter)
    }
  }

  private *value(made: TransformRecord, given: TransformRecord, record: BridgeRecord): Steps<Buffer | null> {
    const converter = this.valueConverter
    const same = made.value === given.value
    if (converter === null) {
      if (same) return record.value
      if (isBytes(made.value)) return made.value
      throw unconverted("VALUE_CONVERTER", "value", made)
    }
    const raw = same || (!this.readsValue && isBytes(made.value))
    const value = same || !isBytes(made.value) ? record.value : made.value
    const { topic } = made
    try {
      return yield* done(converter.fromFabric({ ...record, topic, value }, raw ? undefined : (made.value ?? null)))
    } catch (error) {
      throw poisonAt("VALUE_CONVERTER", error, converter)
    }
  }
}

function isBytes(half: unknown): half is Buffer | null {
  return half === null || Buffer.isBuffer(half)
}

function unconverted(stage: "KEY_CONVERTER" | "VALUE_CONVERTER", side: "key" | "value", made: TransformRecord): Error {
  return new PoisonError(
    stage,
    `Transforms made the ${side} of a record of ${made.subject} a value of the type ${typeof made[side]}, and ${side}.converter is bytes; choose json, string or a schema format`,
  )
}

/** One of that name, in the place of the first. */
function withHeader(headers: readonly KafkaHeader[], name: string, text: string): KafkaHeader[] {
  const made: KafkaHeader[] = []
  let set = false
  for (const header of headers) {
    if (header[0] !== name) made.push(header)
    else if (!set) {
      made.push([name, Buffer.from(text)])
      set = true
    }
  }
  if (!set) made.push([name, Buffer.from(text)])
  return made
}
