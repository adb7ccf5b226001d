/**
 * A converter stands between the payloads of the fabric and what Kafka stores, for the keys or for the values of one
 * route (Connect's key.converter and value.converter). The default is `bytes`: nothing is read, nothing is changed, so that
 * Confluent's framing and schema ids in headers survive both ways (REC-3).
 */
import type { Buffer } from "node:buffer"
import type { Codecs } from "../../core/codec.ts"
import type { ConfigKey, ConfigValue } from "../config/keys.ts"
import type { KafkaHeader } from "../driver.ts"
import type { BridgeRecord } from "../record.ts"

/** At once when all that is needed is known; a promise only when a schema must be fetched first. */
export type Maybe<T> = T | Promise<T>

/** What a subscriber is to get: bytes that are made already, or a value that the fabric still has to encode. */
export type Payload =
  | { readonly kind: "bytes"; readonly bytes: Buffer; readonly codec: string }
  | { readonly kind: "data"; readonly data: unknown; readonly codec: string }
  | { readonly kind: "tombstone" }

export const TOMBSTONE: Payload = { kind: "tombstone" }

/**
 * All methods throw or reject with a KafkaError: "poison" when this one record is at fault, "retriable" when the registry
 * cannot be reached (then nothing was decided: ask again), "fatal" when the registry refuses us or is set up wrongly.
 *
 * A caller that must keep order waits for a promise before it gives the next record of the same order.
 */
export interface Converter {
  readonly name: string
  /**
   * What the header hd.codec has to say of values that `fromFabric` made; null = as it was. Otherwise a source that passes
   * bytes through would read them by the codec of the publisher.
   */
  readonly storedCodec: string | null
  /** Codec by which subscribers get values of Kafka that transforms have changed. */
  readonly publishedCodec: string
  /**
   * The key or value of a record on its way to Kafka. `decoded` = the value after transforms; undefined = there were none, the
   * bytes of the record are read by their hd.codec. A value that is null becomes a tombstone, as in Connect.
   */
  fromFabric(record: BridgeRecord, decoded?: unknown): Maybe<Buffer | null>
  /** The key or value of a record that came from Kafka. Views of `bytes` are handed on, not copies. */
  fromKafka(topic: string, bytes: Buffer | null, headers: readonly KafkaHeader[]): Maybe<Payload>
  /** Kafka's bytes as a plain value, for transforms that look at fields. */
  decode(topic: string, bytes: Buffer | null, headers: readonly KafkaHeader[]): Maybe<unknown>
  /** A plain value as Kafka's bytes; null and undefined = tombstone. */
  encode(topic: string, value: unknown): Maybe<Buffer | null>
  /** Ends connections to the registry. */
  close(): void
}

export interface ConverterContext {
  /** Converts keys. Payloads of the fabric have a codec (hd.codec); keys are text, or bytes where they are not UTF-8. */
  readonly isKey: boolean
  /** With the codecs of the user's own. Default: the four of Heddle. */
  readonly codecs?: Codecs
}

/** Values by the camelCase names of the keys, defaults filled in (config/keys.ts). */
export type ConverterSettings = Readonly<Record<string, ConfigValue>>

/** A kind of converter, as configuration names it. */
export interface ConverterClass {
  readonly name: string
  /** Class names that people of Connect write. */
  readonly aliases: readonly string[]
  readonly doc: string
  readonly keys: readonly ConfigKey[]
  /**
   * Loads the library that the format needs. Rejects with ERR_MISSING_PACKAGE, which names the command that installs it, and
   * with ERR_CONFIG for settings that do not fit together.
   */
  create(settings: ConverterSettings, context: ConverterContext): Promise<Converter>
}
