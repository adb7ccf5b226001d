import {
  CODEC_BYTES,
  CODEC_JSON,
  CODEC_MSGPACK,
  CODEC_NOTHING,
  CODEC_OWN,
  CODEC_STRING,
  type Codecs,
} from "../../core/codec.ts"
import type { KafkaHeader } from "../driver.ts"
import type { ReadRecord } from "./frames.ts"

const NUMBERS: Readonly<Record<string, number>> = {
  "": CODEC_NOTHING,
  none: CODEC_NOTHING,
  bytes: CODEC_BYTES,
  string: CODEC_STRING,
  json: CODEC_JSON,
  msgpack: CODEC_MSGPACK,
}

const EMPTY = Buffer.alloc(0)

/** Which partition of which store. */
export interface Place {
  readonly cluster: string
  readonly topic: string
  readonly partition: number
}

/** A stored record, as a replay gives it. Bytes are views on a larger chunk: copy what you keep for long. */
export class ReplayMessage<T = unknown> {
  readonly subject: string
  readonly offset: number
  /** Of the record, milliseconds since 1970. */
  readonly timestamp: number
  readonly key: Buffer | null
  /** Name of the payload's codec. */
  readonly codec: string
  /** Those of the record, in order, but for `hd.subject` and `hd.codec`. */
  readonly headers: readonly KafkaHeader[]
  private readonly value: Buffer | null
  private readonly place: Place
  private readonly codecs: Codecs

  /** @internal */
  constructor({ subject, offset, timestamp, key, codec, headers, value }: ReadRecord, place: Place, codecs: Codecs) {
    this.subject = subject
    this.offset = offset
    this.timestamp = timestamp
    this.key = key
    this.codec = codec
    this.headers = headers
    this.value = value
    this.place = place
    this.codecs = codecs
  }

  get topic(): string {
    return this.place.topic
  }

  get partition(): number {
    return this.place.partition
  }

  /** The record has no value: what its key stands for has been deleted. */
  get tombstone(): boolean {
    return this.value === null
  }

  /** The payload as it was stored; empty for a tombstone. */
  get bytes(): Buffer {
    return this.value ?? EMPTY
  }

  /** The payload, decoded at each call; undefined for a tombstone. Throws ERR_CODEC. */
  get data(): T {
    if (this.value === null) return undefined as T
    const number = Object.hasOwn(NUMBERS, this.codec) ? NUMBERS[this.codec] : CODEC_OWN
    return this.codecs.decode(number, this.value, number === CODEC_OWN ? this.codec : "") as T
  }

  /** `cluster/topic/partition/offset`: the same for every replay, to know duplicates by. */
  get id(): string {
    const { cluster, topic, partition } = this.place
    return `${cluster}/${topic}/${partition}/${this.offset}`
  }

  /** The first header of that name as text. */
  header(name: string): string | undefined {
    return this.headers.find(header => header[0] === name)?.[1].toString()
  }
}
