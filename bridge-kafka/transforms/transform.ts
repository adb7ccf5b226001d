/**
 * Single message transforms and predicates by the names of Kafka Connect. Where Connect's documentation says what happens, it happens here,
 * for values without a Connect schema; the doc of each class says what differs.
 */
import { Buffer } from "node:buffer"
import type { ConfigKey, ConfigValue } from "../config/keys.ts"
import type { KafkaHeader } from "../driver.ts"
import { KafkaError } from "../errors.ts"
import type { Reshape } from "../mapping/loops.ts"

/** A record on its way through transforms. Nobody changes one: transforms make new ones. */
export interface TransformRecord {
  readonly subject: string
  readonly topic: string
  /** -1: by the key. */
  readonly partition: number
  /** A Buffer = bytes that nobody has decoded; null = none; all else is a decoded value. */
  readonly key: unknown
  /** As `key`; null = tombstone. */
  readonly value: unknown
  readonly headers: readonly KafkaHeader[]
  /** Milliseconds since 1970. */
  readonly timestamp: number
}

/** null = dropped; a list = several in its place. */
export type Outcome = TransformRecord | null | readonly TransformRecord[]

/** Which half of a record a class is for. */
export type Side = "key" | "value"

export interface Transform {
  /** Throws, best a KafkaError of kind poison; all else that it throws becomes one. */
  apply(record: TransformRecord): Outcome
  /** Halves that must be decoded before. */
  readonly reads: readonly Side[]
  /** For the check of loops; absent = topics or subjects stay as they are. */
  readonly topics?: Reshape
  readonly subjects?: Reshape
}

export interface Predicate {
  test(record: TransformRecord): boolean
}

/** By the camelCase names of the keys, defaults filled in. */
export type TransformSettings = Readonly<Record<string, ConfigValue>>

export interface CreateContext {
  /** Paths count from it: the folder of the configuration file. */
  readonly folder: string
}

interface Class {
  /** As users write it: "MaskField$Value". */
  readonly name: string
  /** Connect's full name. */
  readonly aliases: readonly string[]
  readonly doc: string
  readonly keys: readonly ConfigKey[]
}

export interface TransformClass extends Class {
  /** Throws ERR_CONFIG. */
  create(settings: TransformSettings, context: CreateContext): Transform | Promise<Transform>
}

export interface PredicateClass extends Class {
  /** Throws ERR_CONFIG. */
  create(settings: TransformSettings): Predicate
}

/** A class of Connect with a variant for keys and one for values. */
export function bothSides(
  name: string,
  doc: string,
  keys: readonly ConfigKey[],
  create: (settings: TransformSettings, side: Side) => Transform,
): readonly TransformClass[] {
  return (["key", "value"] as const).map(side => {
    const variant = `${name}$${side === "key" ? "Key" : "Value"}`
    const aliases = [`org.apache.kafka.connect.transforms.${variant}`]
    return { name: variant, aliases, doc, keys, create: settings => create(settings, side) }
  })
}

export function withSide(record: TransformRecord, side: Side, value: unknown): TransformRecord {
  return side === "key" ? { ...record, key: value } : { ...record, value }
}

/** The record is at fault. */
export function poison(text: string, cause?: unknown): KafkaError {
  return new KafkaError("poison", text, { cause })
}

/** Throws poison for bytes: which converter to configure. */
export function decoded(record: TransformRecord, side: Side, purpose: string): unknown {
  const value = record[side]
  if (Buffer.isBuffer(value))
    throw poison(
      `To ${purpose}, the ${side} must be decoded, but it is ${value.length} bytes; set ${side}.converter to json, avro, protobuf or string, as the data is`,
    )
  return value
}

/** The fields of an object. Throws poison for bytes, and for what has none. */
export function fieldsOf(record: TransformRecord, side: Side, purpose: string): Readonly<Record<string, unknown>> {
  const value = decoded(record, side, purpose)
  if (typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date))
    return value as Record<string, unknown>
  const kind = value === null || value === undefined ? "null" : Array.isArray(value) ? "a list" : `a ${typeof value}`
  throw poison(
    `To ${purpose}, the ${side} must be an object with fields, but it is ${kind}${value === null ? "; a predicate RecordIsTombstone with negate lets tombstones pass" : ""}`,
  )
}

/** An own field; null where there is none. */
export function field(fields: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(fields, name) ? (fields[name] ?? null) : null
}

/** What Connect replaces by defaults of schemas, which records have none of here. */
export const REPLACE_NULL = {
  name: "replace.null.with.default",
  type: "boolean",
  default: true,
  doc: "Accepted for configurations of Connect; without Connect schemas there are no defaults of fields.",
} as const satisfies ConfigKey
